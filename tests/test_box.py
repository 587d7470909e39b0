"""The box of a fit: what it bounds, and what it refuses."""

import numpy as np
import pytest

from moetheory import Family, GaussianGate, LinearExpert, ParameterBox, TemperatureGate
from moetheory.estimators.layout import Layout


@pytest.mark.parametrize("number", [20, 20.0])
def test_integers_are_bounds_like_any_others(number):
    bounds = ParameterBox(gate=0.5, expert=number, variance=(0.5, 2.0)).bounds(Layout(2, 1))
    np.testing.assert_allclose(bounds.upper, [0.5, 0.5, 20, 20, 20, 20, np.log(2), np.log(2)])
    np.testing.assert_allclose(bounds.lower, [-0.5, -0.5, -20, -20, -20, -20, np.log(0.5), np.log(0.5)])


@pytest.mark.parametrize("gate", [TemperatureGate, GaussianGate])
@pytest.mark.parametrize(("wide", "logarithm"), [(40.0, 12.0), (3.0, 3.0)])
def test_logarithms_in_gates_stay_where_affinities_have_digits(gate, wide, logarithm):
    layout = Layout(2, 1, Family(gate.kind(), LinearExpert.kind()))
    bounds = ParameterBox(gate=wide).bounds(layout)
    logs = np.array([name.startswith("log_") for name in layout.names()])
    assert logs.any()
    assert (bounds.upper[logs] == logarithm).all() and (bounds.lower[logs] == -logarithm).all()


@pytest.mark.parametrize(
    "settings",
    [
        {"variance": 3},
        {"variance": (2, 1)},
        {"variance": (1, 2, 3)},
        {"gate": "a"},
        {"gate": -1.0},
        {"expert": np.nan},
        {"gate_intercept": 0},
    ],
    ids=str,
)
def test_a_box_needs_positive_numbers_in_order(settings):
    with pytest.raises(ValueError, match="need gate > 0, expert > 0 and 0 < smallest variance < largest variance"):
        ParameterBox(**settings)
