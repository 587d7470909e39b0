"""Measured quantities are as exact as they say, whatever the gate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from moetheory import GaussianGate, GaussianMixtureInputs, LinearExpert, MixtureOfExperts, SoftmaxGate, Uniform
from moetheory.evaluation import weights_and_means
from moetheory.identifiability import cramer_rao
from moetheory.losses.distances import Tabulated, density_distances
from moetheory.losses.quadrature import gauss_legendre_nodes
from moetheory.study import density
from moetheory.study.quantities import DENSITIES, measure


def model(gate_slope, shift=0.0, d=1):
    """Two atoms in d inputs, the gate and the experts along the first; the shift moves the gate and an expert."""
    axis = np.eye(d)[:1]
    return MixtureOfExperts(
        gate=SoftmaxGate([0.3 * gate_slope + shift, 0.0], gate_slope * np.vstack([axis, 0 * axis])),
        expert=LinearExpert(slope=np.vstack([axis, -axis]), intercept=[shift, 1.0]),
        variance=[0.1, 0.2],
    )


def measured(truth, fitted, low, high):
    return measure(truth, Uniform(low, high), 0, fitted, DENSITIES)


@pytest.mark.parametrize(("slope", "shift"), [(3.0, 0.1), (80.0, 0.1), (80.0, 3.0), (80.0, 1e-4), (500.0, 20.0)])
def test_distances_agree_with_fine_panels_even_for_steep_gates(slope, shift):
    truth, fitted = model(slope), model(slope, shift)
    nodes, probability = gauss_legendre_nodes([-3.0], [3.0], 12, splits=np.linspace(-3, 3, 2001)[1:-1])
    tables = [Tabulated(*weights_and_means(one, nodes), np.asarray(one.variance)) for one in (truth, fitted)]
    exact = density_distances(*tables, probability)
    values = measured(truth, fitted, (-3.0,), (3.0,))
    for name, allowed in (("hellinger", 3e-4), ("total_variation", 1e-3)):
        assert values[name] == pytest.approx(getattr(exact, name), rel=allowed), name


@pytest.mark.parametrize(("slope", "shift"), [(3.0, 0.1), (10.0, 1.0), (40.0, 3.0), (500.0, 20.0)])
def test_a_quantity_does_not_depend_on_what_else_is_measured(slope, shift):
    names = [*DENSITIES, "effective_parameters", "softmax_d1", "gate_range"]
    pair = model(slope), Uniform((-3.0,), (3.0,)), 100, model(slope, shift)
    together = measure(*pair, names)
    for name in names:
        assert measure(*pair, [name])[name] == pytest.approx(together[name], rel=0, abs=0, nan_ok=True), name


def test_a_fit_with_masses_beyond_all_numbers_is_measured():
    """EM that is stopped far out may end there: exp(800) is no number, shares of the mass are."""
    truth, wild = model(3.0), MixtureOfExperts(SoftmaxGate([800.0, 0.0], [[3.0], [0.0]]), model(3.0).expert, [0.1, 0.2])
    names = ["softmax_d1", "softmax_published_code", "e2.eta_0.single", "e2.beta_1.split", "hellinger", "gate_range"]
    values = measure(truth, Uniform((-3.0,), (3.0,)), 100, wild, names)
    assert np.isfinite([values[name] for name in ("softmax_d1", "e2.eta_0.single", "hellinger")]).all()
    assert not np.isfinite(values["softmax_published_code"])
    assert wild.mixing_measure().mass[0] == np.inf


def test_distances_that_no_number_of_nodes_resolves_are_nan(monkeypatch):
    monkeypatch.setitem(density.NODES, 1, (1, 2))
    values = measured(model(500.0), model(500.0, 20.0), (-3.0,), (3.0,))
    assert np.isnan(values["hellinger"])


def test_further_inputs_without_effect_change_no_distance():
    pairs = [(model(3.0, d=d), model(3.0, 0.1, d=d), (-1.0,) * d, (1.0,) * d) for d in (1, 2, 3)]
    one, two, three = [measured(*pair) for pair in pairs]
    for name in DENSITIES:
        assert two[name] == pytest.approx(one[name], rel=1e-4)
        assert three[name] == pytest.approx(one[name], rel=1e-3)


def test_equal_densities_have_distance_zero():
    values = measured(model(80.0), model(80.0), (-3.0,), (3.0,))
    assert max(values.values()) < 1e-9


def test_lightest_share_of_a_split_cell():
    truth = MixtureOfExperts(SoftmaxGate([0.0, 0.0], [[0.0], [0.0]]), LinearExpert([[0.0], [0.0]], [-3.0, 3.0]), [1.0, 1.0])
    slopes, intercepts = [[0.0]] * 3, [-3.0, 3.0, 3.1]
    fitted = MixtureOfExperts(SoftmaxGate(np.log([2.0, 1.5, 0.5]), slopes), LinearExpert(slopes, intercepts), [1.0] * 3)
    inputs = Uniform((0.0,), (1.0,))
    assert measure(truth, inputs, 10, fitted, ["lightest_share"])["lightest_share"] == pytest.approx(0.25)
    assert np.isnan(measure(truth, inputs, 10, truth, ["lightest_share"])["lightest_share"])


@pytest.mark.parametrize(("shift", "variance"), [(0.5, 0.1), (0.05, 0.1), (1.0, 2.0)])
def test_joint_models_that_differ_in_their_inputs_alone(shift, variance):
    """Two normal laws of x with the same law of y: closed forms."""

    def joint(centre):
        return MixtureOfExperts(GaussianGate([0.0], [[centre]], [[np.log(variance)]]), LinearExpert([[0.0]], [0.0]), [1.0])

    deviation = np.sqrt(variance)
    values = measured(joint(0.0), joint(shift), (-8 * deviation,), (shift + 8 * deviation,))
    apart = shift / deviation
    assert values["total_variation"] == pytest.approx(erf(apart / 2 / np.sqrt(2)), rel=1e-3)
    assert values["hellinger"] == pytest.approx(np.sqrt(-np.expm1(-(apart**2) / 8)), rel=1e-4)


def test_conditional_models_under_normal_inputs():
    """Lines with slopes 1 and 1.5, noise of variance 1 and x normal: E exp(-x^2 / 32) = (1 + 1 / 16)^(-1/2)."""
    law = GaussianMixtureInputs((1.0,), ((0.0,),), ((1.0,),))

    def line(slope):
        return MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[slope]], [0.0]), [1.0])

    values = measure(line(1.0), law, 0, line(1.5), ["hellinger"])
    assert values["hellinger"] == pytest.approx(np.sqrt(1 - (1 + 1 / 16) ** -0.5), rel=1e-4)
    np.testing.assert_allclose(np.diag(cramer_rao(line(1.0), law).covariance), [1.0, 1.0, 2.0], rtol=1e-6)
