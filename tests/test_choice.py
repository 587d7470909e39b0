"""Which parameters move a jump of the density: those whose squared Hellinger distance is of order epsilon, not epsilon^2."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from moetheory import (
    CompetitionGate,
    CosineGate,
    LinearExpert,
    MixtureOfExperts,
    RegressionMixture,
    SharedExperts,
    SigmoidGate,
    SoftmaxGate,
    Uniform,
    cramer_rao,
)
from moetheory.estimators.layout import layout_of
from moetheory.identifiability.choice import moving_choice
from moetheory.identifiability.fisher import cramer_rao_at

LINES = LinearExpert([[1.5], [-1.0], [0.2]], [0.5, -0.7, 0.3])
PLANES = LinearExpert([[1.5, 0.3], [-1.0, 0.6], [0.2, -0.7]], [2.5, -2.7, 0.3])
SLOPES = [[0.8, -0.4], [-0.5, 0.3], [0.1, 0.2]]
SHARED = SharedExperts(LinearExpert([[0.5, 0.5]], [1.0]), [0.4], [1.0])
X = np.linspace(-1.5, 1.5, 201)[:, None]
SQUARE = np.stack(np.meshgrid(*[np.linspace(-1, 1, 40)] * 2), axis=-1).reshape(-1, 2)
COMPETITION = MixtureOfExperts(CompetitionGate("softplus", top_k=2), LINES, [0.02, 1.0, 0.3])


def hellinger(model, step, number):
    """Squared distance between two densities, one with a coordinate moved, by sums over dense grids."""
    layout = layout_of(model)
    vector = layout.pack(model)
    moved = vector.copy()
    moved[number] += step
    x, y = np.linspace(-1.5, 1.5, 12_001)[:, None], np.linspace(-6, 6, 161)

    def density(vector):
        one = layout.unpack(vector)
        return np.exp(jax.vmap(lambda row: jax.vmap(lambda value: one.log_density(row, value))(y))(x))

    roots = np.sqrt(density(vector)), np.sqrt(density(moved))
    return np.mean(np.sum((roots[0] - roots[1]) ** 2, axis=1)) * (y[1] - y[0])


def test_the_squared_distance_is_of_order_epsilon_in_the_named_coordinates_alone():
    names, moving = layout_of(COMPETITION).names(), moving_choice(COMPETITION, X)
    assert moving == ("eta_0[1]", "eta_1[1]", "eta_0[2]", "eta_1[2]")
    for name in ("eta_0[1]", "eta_1[2]", "eta_0[3]", "nu[1]"):
        ratio = hellinger(COMPETITION, 0.01, names.index(name)) / hellinger(COMPETITION, 0.005, names.index(name))
        assert (ratio < 3.1) if name in moving else (3.9 < ratio < 4.1), (name, ratio)


@pytest.mark.parametrize(
    ("model", "x", "moving"),
    [
        (MixtureOfExperts(SoftmaxGate([0.3, 0.2, 0.0], [[-2.0], [-1.0], [0.0]], top_k=2), LINES, [0.1] * 3), X, False),
        (MixtureOfExperts(SigmoidGate([0.3, 0.2, 0.0], [[-2.0], [-1.0], [3.0]], top_k=2), LINES, [0.1] * 3), X, False),
        (MixtureOfExperts(CosineGate([0.3, 0.2, 0.0], [[-2.0], [-1.0], [3.0]], 0.1, 0.1, top_k=2), LINES, [0.1] * 3), X, False),
        (MixtureOfExperts(SoftmaxGate([0.3, 0.2, 0.0], SLOPES, top_k=2), PLANES, [0.1] * 3), SQUARE, True),
        (MixtureOfExperts(SoftmaxGate([0.3, 0.2, 0.0], SLOPES, top_k=3), PLANES, [0.1] * 3), SQUARE, False),
        (MixtureOfExperts(SoftmaxGate([0.3, 0.2, 0.0], SLOPES), PLANES, [0.1] * 3), SQUARE, False),
        (RegressionMixture(SoftmaxGate([0.3, 0.2, 0.0], SLOPES, top_k=1), PLANES, noise_variance=1.0), SQUARE, True),
        (MixtureOfExperts(CompetitionGate("softplus", top_k=2), LINES, [0.1] * 3), X, False),
        (RegressionMixture(CompetitionGate("softplus", top_k=2), LINES, noise_variance=1.0), X, False),
        (MixtureOfExperts(CompetitionGate("abs", top_k=2), LINES, [0.1] * 3), X, True),
        (MixtureOfExperts(SoftmaxGate([0.3, 0.2, 0.0], SLOPES, top_k=2), PLANES, [0.1] * 3, SHARED), SQUARE, True),
    ],
    ids=lambda value: str(value.family) if hasattr(value, "family") else "",
)
def test_gates_whose_choice_moves(model, x, moving):
    """Where winners and losers of a tie have the same law of the response, nothing jumps."""
    assert bool(moving_choice(model, x)) is moving


def test_there_is_no_bound_where_a_jump_moves():
    model = MixtureOfExperts(SoftmaxGate([0.3, 0.2, 0.0], SLOPES, top_k=2), PLANES, [0.1] * 3)
    for bound in (lambda: cramer_rao(model, Uniform((-1.0, -1.0), (1.0, 1.0)), nodes=16), lambda: cramer_rao_at(model, SQUARE)):
        with pytest.raises(ValueError, match=r"top_k=2: .* beta_1\[1,1\], .* move the place of a jump: .* no Cramer-Rao bound"):
            bound()


def test_a_single_input_has_no_border():
    assert moving_choice(COMPETITION, X[:1]) == ()
