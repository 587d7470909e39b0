"""Fisher information and Cramer-Rao bound: closed forms, Monte Carlo, the Hessian of a big sample, singular models."""

from __future__ import annotations

import warnings
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from moetheory import (
    GaussianGate,
    GaussianMixtureInputs,
    InputFreeGate,
    LinearExpert,
    MixtureOfExperts,
    RegressionMixture,
    SigmoidGate,
    SoftmaxGate,
    Uniform,
    draw,
)
from moetheory.estimators.layout import Layout
from moetheory.estimators.likelihood import Rows, expand
from moetheory.identifiability import SingularInformationWarning, cramer_rao, fisher_information
from moetheory.identifiability.fisher import _nodes, _with_atoms_seen, cramer_rao_at, information_at
from moetheory.identifiability.nodes import input_nodes
from moetheory.inputs import Grid

UNIT = Uniform((0.0,), (1.0,))
STEEP = MixtureOfExperts(SoftmaxGate([-8.0, 0.0], [[25.0], [0.0]]), LinearExpert([[-20.0], [20.0]], [15.0, -5.0]), [0.09, 0.16])
OVERLAPPING = MixtureOfExperts(SoftmaxGate([0.5, 0.0], [[1.0], [0.0]]), LinearExpert([[1.0], [-1.0]], [0.0, 1.5]), [0.3, 0.5])


def expansion(model, sample):
    layout = Layout(model.num_experts, model.dimension)
    padded = -(-sample.size // 2**14) * 2**14
    x, y = np.zeros((model.dimension, padded)), np.zeros(padded)
    x[:, : sample.size], y[: sample.size] = sample.x.T, sample.y
    rows = Rows(jnp.asarray(x), jnp.asarray(y), jnp.asarray(0), jnp.asarray(sample.size))
    return expand(layout, jnp.asarray(layout.pack(model)), rows)


def scores_by_differences(model, sample, step=1e-5):
    """Central differences of the log-density in the packed coordinates, (n, p), in NumPy."""
    layout = Layout(model.num_experts, model.dimension)
    centre = layout.pack(model)
    moves = step * np.eye(layout.size)
    columns = [
        (log_density(layout, centre + move, sample) - log_density(layout, centre - move, sample)) / (2 * step) for move in moves
    ]
    return np.stack(columns, axis=1)


def log_density(layout, vector, sample):
    model = layout.unpack(vector)
    affinity = sample.x @ np.asarray(model.gate.slope).T + np.asarray(model.gate.intercept)
    mean = sample.x @ np.asarray(model.expert.slope).T + np.asarray(model.expert.intercept)
    normal = stats.norm.logpdf(sample.y[:, None], mean, np.sqrt(model.variance))
    return np.logaddexp.reduce(affinity + normal, axis=1) - np.logaddexp.reduce(affinity, axis=1)


@given(low=st.floats(-3, 3), width=st.floats(0.1, 5), slope=st.floats(-5, 5), variance=st.floats(0.01, 10))
def test_one_line_has_the_closed_form_of_linear_regression(low, width, slope, variance):
    model = MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[slope]], [1.0]), [variance])
    first, second = low + width / 2, (low**2 + low * (low + width) + (low + width) ** 2) / 3
    expected = np.array([[1, first, 0], [first, second, 0], [0, 0, variance / 2]]) / variance
    information = fisher_information(model, Uniform((low,), (low + width,)))
    np.testing.assert_allclose(information, expected, rtol=1e-9, atol=1e-9 / variance)


def test_one_plane_in_three_inputs():
    model = MixtureOfExperts(SoftmaxGate([0.0], [[0.0] * 3]), LinearExpert([[1.0, -2.0, 0.5]], [1.0]), [0.2])
    information = fisher_information(model, Uniform((-1.0,) * 3, (1.0,) * 3))
    expected = np.diag([1, 1 / 3, 1 / 3, 1 / 3, 0.1]) / 0.2
    np.testing.assert_allclose(information, expected, atol=1e-3)


@pytest.mark.parametrize("model", [STEEP, OVERLAPPING], ids=["steep", "overlapping"])
def test_refinement_changes_nothing(model):
    information = fisher_information(model, UNIT)
    scale = np.sqrt(np.outer(np.diag(information), np.diag(information)))
    assert np.abs((fisher_information(model, UNIT, nodes=128) - information) / scale).max() < 1e-9


@pytest.mark.parametrize("model", [STEEP, OVERLAPPING], ids=["steep", "overlapping"])
def test_symmetric_and_positive_definite(model):
    information = fisher_information(model, UNIT)
    np.testing.assert_allclose(information, information.T, rtol=1e-12)
    assert np.linalg.eigvalsh(information)[0] > 0


def test_outer_products_of_scores_agree_within_their_standard_error():
    sample = draw(OVERLAPPING, UNIT, 40_000, np.random.default_rng(1))
    score = scores_by_differences(OVERLAPPING, sample)
    products = score[:, :, None] * score[:, None, :]
    error = products.std(axis=0) / np.sqrt(sample.size)
    z = (products.mean(axis=0) - fisher_information(OVERLAPPING, UNIT)) / error
    assert np.abs(z).max() < 4.5
    relative_error = np.diag(error) / np.diag(fisher_information(OVERLAPPING, UNIT))
    assert relative_error.max() < 0.1


@pytest.mark.parametrize("model", [STEEP, OVERLAPPING], ids=["steep", "overlapping"])
def test_hessian_of_a_big_sample_agrees_within_its_standard_error(model):
    generator = np.random.default_rng(2)
    parts = [np.asarray(expansion(model, draw(model, UNIT, 2**14, generator)).hessian) for _ in range(16)]
    error = np.std(parts, axis=0, ddof=1) / 4
    information = fisher_information(model, UNIT)
    z = (np.mean(parts, axis=0) - information) / np.maximum(error, 1e-12)
    assert np.abs(z).max() < 6
    assert (np.diag(error) / np.diag(information)).max() < 0.02


def test_two_inputs_agree_with_the_hessian_of_a_big_sample():
    model = MixtureOfExperts(SoftmaxGate.example(2, 2), LinearExpert.example(2, 2), [0.4, 0.6])
    square = Uniform((-1.0, 0.0), (1.0, 2.0))
    sample = draw(model, square, 2**17, np.random.default_rng(3))
    information = fisher_information(model, square, nodes=24)
    scale = np.sqrt(np.outer(np.diag(information), np.diag(information)))
    assert np.abs((np.asarray(expansion(model, sample).hessian) - information) / scale).max() < 0.02


@pytest.mark.parametrize("model", [STEEP, OVERLAPPING], ids=["steep", "overlapping"])
def test_bound_inverts_the_information_in_the_variance_coordinate(model):
    bound = cramer_rao(model, UNIT)
    jacobian = np.concatenate([np.ones(6), np.asarray(model.variance)])
    product = fisher_information(model, UNIT) / np.outer(jacobian, jacobian) @ bound.covariance
    np.testing.assert_allclose(product, np.eye(8), atol=1e-8)
    assert not bound.singular
    assert bound.names[0] == "beta_0[1]"
    assert bound.names[-1] == "nu[2]"


def test_well_separated_variance_has_the_bound_of_its_share():
    """Atoms that never overlap are two regressions: var(nu) = 2 nu^2 / share."""
    model = MixtureOfExperts(
        SoftmaxGate([np.log(3.0), 0.0], [[0.0], [0.0]]), LinearExpert([[0.0], [0.0]], [0.0, 50.0]), [0.2, 0.4]
    )
    variance = np.diag(cramer_rao(model, UNIT).covariance)[-2:]
    np.testing.assert_allclose(variance, [2 * 0.2**2 / 0.75, 2 * 0.4**2 / 0.25], rtol=1e-9)


@given(scale=st.floats(1e-4, 1e4))
def test_units_of_the_response_do_not_matter(scale):
    scaled = MixtureOfExperts(
        OVERLAPPING.gate,
        LinearExpert(scale * np.asarray(OVERLAPPING.expert.slope), scale * np.asarray(OVERLAPPING.expert.intercept)),
        scale**2 * np.asarray(OVERLAPPING.variance),
    )
    before, after = cramer_rao(OVERLAPPING, UNIT, nodes=8), cramer_rao(scaled, UNIT, nodes=8)
    units = np.array([1, 1, scale, scale, scale, scale, scale**2, scale**2]) ** 2
    np.testing.assert_allclose(np.diag(after.covariance), units * np.diag(before.covariance), rtol=1e-6)
    assert np.isclose(after.smallest_eigenvalue, before.smallest_eigenvalue, rtol=1e-6)


def test_duplicated_atom_is_singular_and_the_other_atom_keeps_its_bound():
    model = MixtureOfExperts(
        SoftmaxGate([-0.7, -0.7, 0.0], [[1.0], [1.0], [0.0]]),
        LinearExpert([[1.0], [1.0], [-1.0]], [0.0, 0.0, 1.5]),
        [0.3, 0.3, 0.5],
    )
    with pytest.warns(SingularInformationWarning, match=r"eta_0\[1\].*infinite bound"):
        bound = cramer_rao(model, UNIT)
    assert bound.singular
    assert abs(bound.smallest_eigenvalue) < 1e-10
    variance = dict(zip(bound.names, np.diag(bound.covariance), strict=True))
    infinite = {name for name, value in variance.items() if np.isinf(value)}
    assert infinite == {name for name in bound.names if "[3]" not in name}
    merged = MixtureOfExperts(
        SoftmaxGate([-0.7 + np.log(2), 0.0], [[1.0], [0.0]]), LinearExpert([[1.0], [-1.0]], [0.0, 1.5]), [0.3, 0.5]
    )
    plain = cramer_rao(merged, UNIT)
    expected = dict(zip(plain.names, np.diag(plain.covariance), strict=True))
    for name in ("eta_0", "eta_1", "nu"):
        assert np.isclose(variance[f"{name}[3]"], expected[f"{name}[2]"], rtol=1e-6)


def test_atom_without_mass_is_singular():
    model = MixtureOfExperts(SoftmaxGate([-2000.0, 0.0], [[1.0], [0.0]]), LinearExpert([[1.0], [-1.0]], [0.0, 1.5]), [0.3, 0.5])
    with pytest.warns(SingularInformationWarning):
        bound = cramer_rao(model, UNIT)
    finite = [name for name, value in zip(bound.names, np.diag(bound.covariance), strict=True) if np.isfinite(value)]
    assert finite == ["eta_0[2]", "eta_1[2]", "nu[2]"]


def test_regular_model_gives_no_warning_and_a_grid_counts_as_uniform():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grid = cramer_rao(STEEP, Grid((0.0,), (1.0,)))
    np.testing.assert_array_equal(grid.covariance, cramer_rao(STEEP, UNIT).covariance)


def test_wrong_dimension_is_refused():
    with pytest.raises(ValueError, match="dimension 2, the model 1"):
        fisher_information(STEEP, Uniform((0.0, 0.0), (1.0, 1.0)))


def test_no_nodes_are_refused():
    with pytest.raises(ValueError, match="count is 0"):
        fisher_information(STEEP, UNIT, nodes=0)


def test_rows_that_occur_often_count_often():
    x = np.array([[-0.5], [0.2], [0.9]])
    model = MixtureOfExperts(SoftmaxGate([0.3, 0.0], [[2.0], [0.0]]), LinearExpert([[-2.0], [2.0]], [1.0, -1.0]), [0.2, 0.3])
    twelve = np.repeat(x, [1, 2, 9], axis=0)
    exact = np.linalg.inv(information_at(model, twelve, np.full(12, 1 / 12)))
    scale = np.r_[np.ones(6), 0.2, 0.3]
    np.testing.assert_allclose(cramer_rao_at(model, twelve).covariance, exact * np.outer(scale, scale), rtol=1e-6)


@pytest.mark.parametrize("unit", [1.0, 1e3])
def test_the_smallest_eigenvalue_is_that_of_unit_columns(unit):
    """Intercept and slope of a line over inputs from 0 to u have correlation sqrt(3) / 2, whatever u."""
    line = MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[1.0]], [0.0]), [0.5])
    correlation = np.sqrt(3) / 2
    found = cramer_rao(line, Uniform((0.0,), (unit,))).smallest_eigenvalue
    assert found == pytest.approx((1 - correlation) / (1 + correlation), rel=1e-9)


@pytest.mark.parametrize(
    "gate", [SoftmaxGate([0.3, 0.0], [[1.0], [0.0]]), SigmoidGate([0.0, 0.5], [[1.0], [0.0]]), InputFreeGate([0.3, 0.0])]
)
@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_what_shows_in_rounding_alone_has_no_bound(gate, unit):
    """Behind equal experts the gate shows in no density: scores are what rounding leaves of r - w, in any unit of the inputs."""
    gate = replace(gate, slope=gate.slope / unit) if hasattr(gate, "slope") else gate
    experts = LinearExpert([[1.0 / unit], [1.0 / unit]], [0.0, 0.0])
    with pytest.warns(SingularInformationWarning, match=r"beta_0\[1\]"):
        bound = cramer_rao(MixtureOfExperts(gate, experts, [0.5, 0.5]), Uniform((-1.5 * unit,), (1.5 * unit,)))
    infinite = np.isinf(np.diag(bound.covariance))
    assert infinite[[name.startswith("beta") for name in bound.names]].all()


def test_a_function_of_zero_experts_has_no_bound_for_its_gate():
    model = RegressionMixture(SoftmaxGate([0.3, 0.0], [[1.0], [0.0]]), LinearExpert([[0.0], [0.0]], [0.0, 0.0]), 0.1)
    with pytest.warns(SingularInformationWarning, match=r"beta_0\[1\], beta_1\[1\] cannot"):
        bound = cramer_rao(model, UNIT)
    assert np.isfinite(np.diag(bound.covariance)).sum() == 4


def test_seeing_the_atoms_tells_more_and_the_same_where_they_do_not_overlap():
    x, probability = _nodes(STEEP, UNIT, 8)
    apart = replace(STEEP, variance=np.array([1e-6, 1e-6]))
    for model, ratio in ((STEEP, 0.0), (apart, 0.98)):
        shares = np.diag(information_at(model, x, probability)) / _with_atoms_seen(model, x, probability)
        assert np.all(shares <= 1 + 1e-3) and shares.min() > ratio


@pytest.mark.parametrize("deviation", [0.5, 0.05, 0.003])
def test_inputs_in_narrow_clusters_have_the_bounds_of_separate_lines(deviation):
    """Centres far apart: the atom of an input is seen, so each half of the sample is a regression of its own."""
    spread = deviation**2
    gate = GaussianGate([0.0, 0.0], [[-4.5], [4.5]], np.log([[spread], [spread]]))
    model = MixtureOfExperts(gate, LinearExpert([[1.0], [-1.0]], [0.0, 1.0]), [0.5, 0.25])
    bound = cramer_rao(model, GaussianMixtureInputs.of(gate))
    found = dict(zip(bound.names, np.diag(bound.covariance), strict=True))
    exact = {"beta_0[1]": 4.0, "c[1]": 2 * spread, "log_Gamma[2]": 4.0, "eta_1[1]": 2 * 0.5 / spread, "nu[1]": 4 * 0.5**2}
    exact |= {"eta_0[2]": 2 * 0.25 * (1 + 4.5**2 / spread), "eta_1[2]": 2 * 0.25 / spread, "nu[2]": 4 * 0.25**2}
    assert {name: found[name] for name in exact} == pytest.approx(exact, rel=1e-6)
    x, probability = input_nodes([replace(model, gate=SoftmaxGate.example(2, 1))], GaussianMixtureInputs.of(gate))
    assert probability @ x[:, 0] ** 2 == pytest.approx(4.5**2 + spread, rel=1e-8)
    assert probability @ x[:, 0] ** 4 == pytest.approx(4.5**4 + 6 * 4.5**2 * spread + 3 * spread**2, rel=1e-8)
