"""DeepSeek and competition losses with shared experts, against the sums as they are printed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_expit

from moetheory.losses import (
    competition_d,
    deepseek_d1,
    deepseek_d2,
    deepseek_d3,
    deepseek_d4,
    deepseek_d5,
    gaussian_d_bar,
    gaussian_d_tilde,
)
from moetheory.mixing_measure import MixingMeasure

RBAR = {1: 1, 2: 4, 3: 6, 4: 8}
numbers = st.floats(-2, 2)


@st.composite
def with_shared(draw, gate):
    """A fitted and a true measure of two inputs, with shared experts; the fitted one has at least as many atoms of each kind."""
    true_k, k = draw(st.sampled_from([(1, 1), (2, 2), (1, 3), (2, 3)]))
    return [draw(one_measure(gate, atoms)) for atoms in (k, true_k)]


@st.composite
def one_measure(draw, gate, k):
    def block(width, low=-2.0):
        return draw(arrays(float, (k, width), elements=st.floats(low, 2)))

    log_mass = draw(arrays(float, k, elements=numbers))
    shared = MixingMeasure(
        draw(arrays(float, k, elements=numbers)), {"kappa_1": block(2), "kappa_0": block(1), "tau": block(1, 0.1)}
    )
    atoms = {"beta_1": block(2), "eta_1": block(2), "eta_0": block(1), "nu": block(1, 0.1)}
    if gate == "sigmoid":
        return MixingMeasure(log_expit(log_mass), {"beta_0": log_mass[:, None], **atoms}, shared=shared)
    if gate == "competition":
        atoms.pop("beta_1")
        return MixingMeasure(log_mass, atoms, ("log_mass",), shared)
    return MixingMeasure(log_mass, atoms, ("log_mass", "beta_1"), shared)


def members(estimate, truth, blocks):
    """Fitted atoms of every true one."""
    fitted, true = (np.hstack([one.atoms[name] for name in blocks]) for one in (estimate, truth))
    nearest = [int(np.argmin([np.linalg.norm(z - other) for other in true])) for z in fitted]
    return [[i for i, cell in enumerate(nearest) if cell == j] for j in range(truth.num_atoms)]


def printed(estimate, truth, blocks, groups, power, gaps=lambda m: True, weighted=True, extra=lambda i, j, m: 0.0, active=None):
    """The printed sum of one part; ``power(group, m)`` is the exponent of a group of blocks in a cell of m atoms."""
    parts = []
    for j, cell in enumerate(members(estimate, truth, blocks)):
        m = len(cell)
        part = abs(sum(estimate.mass[i] for i in cell) - truth.mass[j]) if gaps(m) else 0.0
        for i in cell:
            gap = {g: np.linalg.norm(np.hstack([estimate.atoms[c][i] - truth.atoms[c][j] for c in g])) for g in groups}
            part += (estimate.mass[i] if weighted else 1.0) * sum(gap[g] ** power(g, m) for g in groups) + extra(i, j, m)
        parts.append(part)
    return sum(sorted(parts)[-(active or len(parts)) :])


SHARED, ROUTED = ("kappa_1", "kappa_0", "tau"), ("beta_1", "eta_1", "eta_0", "nu")
STRONG_SHARED = (("kappa_1", "kappa_0"), ("tau",))
STRONG_ROUTED = (("beta_1",), ("eta_1", "eta_0"), ("nu",))


def squares(group, m):
    return 1 if m == 1 else 2


def linear(group, m):
    slow = group[0] in ("beta_1", "eta_0", "kappa_0")
    return 1 if m == 1 else 2 if group[0] == "kappa_1" else RBAR[m] if slow else RBAR[m] / 2


def shared(pair):
    return printed(pair[0].shared, pair[1].shared, SHARED, STRONG_SHARED, squares)


def same(value):
    return pytest.approx(value, rel=1e-10, abs=1e-12)


@given(with_shared("softmax"))
def test_losses_of_shared_and_softmax_routed_experts_against_the_printed_sums(pair):
    routed = printed(*pair, ROUTED, STRONG_ROUTED, squares)
    assert deepseek_d1.loss(*pair, translate=False) == same(shared(pair) + routed)
    alone = tuple((name,) for name in ROUTED)
    parts = (
        printed(*pair, ROUTED, alone, linear),
        printed(pair[0].shared, pair[1].shared, SHARED, tuple((c,) for c in SHARED), linear),
    )
    assert deepseek_d2.loss(*pair, translate=False) == same(sum(parts))
    largest = printed(*pair, ROUTED, STRONG_ROUTED, squares, active=1)
    assert deepseek_d5.loss(*pair, translate=False, active=1) == same(shared(pair) + largest)


@given(with_shared("sigmoid"))
def test_losses_of_shared_and_sigmoid_routed_experts_against_the_printed_sums(pair):
    def intercept(i, j, m):
        return abs(pair[0].atoms["beta_0"][i, 0] - pair[1].atoms["beta_0"][j, 0]) if m == 1 else 0.0

    routed = printed(*pair, ROUTED, STRONG_ROUTED, squares, gaps=lambda m: m > 1, weighted=False, extra=intercept)
    assert deepseek_d3.loss(*pair) == same(shared(pair) + routed)
    groups = (*STRONG_ROUTED, ("beta_0",))
    first = printed(*pair, ROUTED, groups, lambda g, m: 1, gaps=lambda m: False, weighted=False)
    assert deepseek_d4.loss(*pair) == same(shared(pair) + first)


@given(with_shared("competition"))
def test_the_loss_of_competition_gates_against_the_printed_sum(pair):
    routed = printed(*pair, ROUTED[1:], STRONG_ROUTED[1:], squares)
    assert competition_d.loss(*pair, translate=False) == same(shared(pair) + routed)


def test_masses_that_are_one_have_no_translation():
    """A competition gate without intercepts: two copies of every atom have twice the mass."""
    atoms = {"eta_1": [[2.0], [0.0]], "eta_0": [[0.0], [1.0]], "nu": [[0.5], [0.5]]}
    twice = {name: block * 2 for name, block in atoms.items()}
    assert competition_d.loss(MixingMeasure(np.zeros(4), twice), MixingMeasure(np.zeros(2), atoms)) == 2.0
    pair = MixingMeasure(np.zeros(4), twice, ("log_mass",)), MixingMeasure(np.zeros(2), atoms, ("log_mass",))
    assert competition_d.loss(*pair) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("active", [0, -1, 3])
def test_the_largest_sum_is_over_a_number_of_true_atoms(active):
    atoms = {"beta_1": [[1.0], [0.0]], "eta_1": [[2.0], [0.0]], "nu": [[0.5], [0.5]]}
    truth = MixingMeasure([0.0, 0.0], atoms, ("log_mass", "beta_1"))
    with pytest.raises(ValueError, match=rf"^active={active}; need an integer from 1 to the number of true atoms, 2\.$"):
        deepseek_d5.loss(truth, truth, active=active)


@pytest.mark.parametrize("loss", [gaussian_d_bar.loss, gaussian_d_tilde.loss])
def test_gaussian_cells_are_by_the_sum_of_the_norms(loss):
    """Distances 2 = 2 + 0 to the first atom and 2.4 = 1.2 + 1.2 to the second, whose sum of squares is the smaller one."""

    def measure(*rows):
        blocks = dict(zip(("c", "Gamma", "eta_1", "eta_0", "nu"), np.array(rows, dtype=float).T[:, :, None], strict=True))
        return MixingMeasure(np.log(np.full(len(rows), 1 / len(rows))), blocks, ("log_mass",))

    truth = measure((2, 1, 0, 0, 1), (-1.2, 1, 1.2, 0, 1))
    assert loss(measure((0, 1, 0, 0, 1)), truth) == pytest.approx((0.5 + 0.5) + 2.0)
    assert loss(measure((-1.2, 1, 0.5, 0, 1)), truth) == pytest.approx((0.5 + 0.5) + 0.7)
