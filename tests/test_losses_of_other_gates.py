"""Voronoi losses of sigmoid, cosine and Laplace gates: worked numbers, the printed sums term by term, laws, bad input."""

from functools import partial
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, log_expit

from moetheory.losses import cosine_l1, cosine_l2, cosine_l3, laplace_d1, laplace_d2, sigmoid_d1, sigmoid_d2
from moetheory.mixing_measure import MixingMeasure

LN2, LN3 = np.log([2, 3])
RBAR = {1: 1, 2: 4, 3: 6, 4: 8, 5: 10}


def columns(rows, names):
    return {name: column[:, None] for name, column in zip(names, np.array(rows, dtype=float).T, strict=True)}


def sigmoid(*rows):
    """Measure with rows (beta_0, beta_1, a, b) and masses sigma(beta_0)."""
    blocks = columns(rows, ("beta_0", "beta_1", "eta_1", "eta_0"))
    return MixingMeasure(log_expit(blocks["beta_0"][:, 0]), blocks)


def cosine(*rows):
    """Measure with rows (beta_0, beta_1, eta)."""
    blocks = columns(rows, ("beta_0", "beta_1", "eta_1"))
    return MixingMeasure(blocks.pop("beta_0")[:, 0], blocks)


def laplace(*rows):
    """Measure with rows (beta_0, w, a, b, nu)."""
    blocks = columns(rows, ("beta_0", "beta_1", "eta_1", "eta_0", "nu"))
    return MixingMeasure(blocks.pop("beta_0")[:, 0], blocks)


SIGMOID = sigmoid((0, 0, 1, 0.5), (LN3, 0.4, -1, 0))
COSINE = cosine((LN2, 1, 1), (0, -1, -1))
LAPLACE = laplace((LN2, 3, -2, 1, 0.25), (0, 0, 2, -1, 0.5))
LOSSES = {
    "sigmoid_d1": (sigmoid_d1.loss, SIGMOID),
    "sigmoid_d2": (sigmoid_d2.loss, SIGMOID),
    "cosine_l1": (cosine_l1.loss, COSINE),
    "cosine_l2": (cosine_l2.loss, COSINE),
    "cosine_l3": (cosine_l3.loss, COSINE),
    "laplace_d1": (laplace_d1.loss, LAPLACE),
    "laplace_d2": (laplace_d2.loss, LAPLACE),
}
every_loss = pytest.mark.parametrize("loss, truth", LOSSES.values(), ids=LOSSES)
exact = partial(pytest.approx, rel=0, abs=1e-12)


def test_example_d():
    fit = sigmoid((-LN3, 0.1, 1.1, 0.5), (-LN3, -0.1, 0.9, 0.5), (LN3, 0.4, -1.2, 0.1))
    assert sigmoid_d1.loss(fit, SIGMOID) == exact(0.26360679774997897)
    values = [sigmoid_d2.loss(fit, SIGMOID, r=r) for r in (1, 2, 4)]
    assert values == exact([0.7, 0.09, 0.0021])
    assert sigmoid_d2.loss(fit, SIGMOID) == values[1]


def test_example_e():
    fit = cosine((0, 1.1, 1), (0, 1, 0.8), (0, -1, -1.3))
    both = {loss: [loss(fit, COSINE, active=k) for k in (1, 2)] for loss in (cosine_l1.loss, cosine_l2.loss, cosine_l3.loss)}
    assert list(both.values()) == [exact([0.09, 0.14]), exact([0.3, 0.6]), exact([0.3, 0.35])]
    assert {loss(fit, COSINE) - pair[1] for loss, pair in both.items()} == {0.0}
    assert cosine_l1.loss(fit, COSINE, r=1) == both[cosine_l2.loss][1]


def test_example_f():
    fit = laplace((LN2, 3, -2, 1, 0.25), (-LN2, 0.1, 2, -0.9, 0.49), (-LN2, -0.1, 2, -1.1, 0.49))
    assert laplace_d2.loss(fit, LAPLACE) == exact(0.0102)
    assert laplace_d1.loss(fit, LAPLACE) == exact(0.1 + 0.1 + 0.01)


def test_three_atoms_in_one_laplace_cell_have_power_six():
    fit = laplace((0, 0.5, 0, 0.5, 1.25), (0, -0.5, 0.5, -0.5, 1.25), (0, 0, 0, 0.5, 1.25))
    assert laplace_d2.loss(fit, laplace((LN3, 0, 0, 0, 1))) == exact(3 * (0.5**6 + 0.25**3) + 3 * 0.25)


EIGHTHS = st.integers(-32, 32).map(lambda number: number / 8)


@st.composite
def measures(draw, gate, atoms, d, distinct=False):
    """On a grid, where distances are exact and atoms often tie; distinct atoms differ in eta_0 by less than a grid step."""
    beta_0 = draw(arrays(float, (atoms, 1), elements=st.floats(-3, 3)))
    sizes = {"beta_1": d, "eta_1": d, "eta_0": 1}
    blocks = {name: draw(arrays(float, (atoms, size), elements=EIGHTHS)) for name, size in sizes.items()}
    blocks["eta_0"] += distinct * np.arange(atoms)[:, None] / 64
    if gate == "sigmoid":
        return MixingMeasure(log_expit(beta_0[:, 0]), {"beta_0": beta_0, **blocks})
    if gate == "laplace":
        blocks["nu"] = 5 + draw(arrays(float, (atoms, 1), elements=EIGHTHS))
    return MixingMeasure(beta_0[:, 0], blocks)


@st.composite
def pairs(draw, gate):
    k, true_k, d = draw(st.sampled_from([(1, 1, 1), (2, 2, 1), (3, 2, 2), (5, 1, 1), (5, 3, 1), (2, 4, 2)]))
    return draw(measures(gate, k, d)), draw(measures(gate, true_k, d, distinct=True))


def gap(estimate, truth, i, j, *blocks):
    """Norm of the difference of the fitted atom i and the true atom j in some blocks together."""
    squares = [(a - b) ** 2 for name in blocks for a, b in zip(estimate.atoms[name][i], truth.atoms[name][j], strict=True)]
    return sum(squares) ** 0.5


def voronoi(estimate, truth, *blocks):
    """Lists of the fitted atoms of each true atom; the first of several nearest true atoms has them."""
    lists = [[] for _ in range(truth.num_atoms)]
    for i in range(estimate.num_atoms):
        distances = [gap(estimate, truth, i, j, *blocks) for j in range(truth.num_atoms)]
        lists[distances.index(min(distances))].append(i)
    return lists


def printed_sigmoid_d1(estimate, truth):
    total = 0.0
    for j, members in enumerate(voronoi(estimate, truth, "beta_1", "eta_1", "eta_0")):
        total += abs(sum(expit(estimate.atoms["beta_0"][i, 0]) for i in members) - expit(truth.atoms["beta_0"][j, 0]))
        for i in members:
            slope, expert = gap(estimate, truth, i, j, "beta_1"), gap(estimate, truth, i, j, "eta_1", "eta_0")
            total += slope**2 + expert**2 if len(members) > 1 else slope + expert
    return total


def printed_sigmoid_d2(estimate, truth, r):
    total = 0.0
    for j, members in enumerate(voronoi(estimate, truth, "beta_1", "eta_1", "eta_0")):
        if len(members) > 1:
            total += abs(sum(expit(estimate.atoms["beta_0"][i, 0]) for i in members) - expit(truth.atoms["beta_0"][j, 0]))
        for i in members:
            if len(members) == 1:
                total += gap(estimate, truth, i, j, "beta_0") ** r
            total += sum(gap(estimate, truth, i, j, name) ** r for name in ("beta_1", "eta_1", "eta_0"))
    return total


def printed_cosine(estimate, truth, power, active):
    cells = voronoi(estimate, truth, "beta_1", "eta_1", "eta_0")
    best = 0.0
    for subset in combinations(range(truth.num_atoms), active):
        total = 0.0
        for j in subset:
            total += abs(sum(np.exp(estimate.log_mass[i]) for i in cells[j]) - np.exp(truth.log_mass[j]))
            for i in cells[j]:
                p = power(len(cells[j]))
                slope, expert = gap(estimate, truth, i, j, "beta_1"), gap(estimate, truth, i, j, "eta_1", "eta_0")
                total += np.exp(estimate.log_mass[i]) * (slope**p + expert**p)
        best = max(best, total)
    return best


def printed_laplace(estimate, truth, powers):
    total = 0.0
    for j, members in enumerate(voronoi(estimate, truth, "beta_1", "eta_1", "eta_0", "nu")):
        total += abs(sum(np.exp(estimate.log_mass[i]) for i in members) - np.exp(truth.log_mass[j]))
        for i in members:
            terms = [gap(estimate, truth, i, j, name) ** p for name, p in powers(len(members)).items()]
            total += np.exp(estimate.log_mass[i]) * sum(terms)
    return total


def first_powers(m):
    return dict.fromkeys(("beta_1", "eta_1", "eta_0", "nu"), 1)


def over_specified_powers(m):
    return {"beta_1": 2, "eta_1": 2, "eta_0": RBAR[m], "nu": RBAR[m] / 2} if m > 1 else first_powers(m)


same = partial(pytest.approx, rel=1e-12, abs=1e-12)


@given(pair=pairs("sigmoid"), r=st.floats(0.5, 6))
def test_sigmoid_losses_against_the_printed_sums(pair, r):
    assert sigmoid_d1.loss(*pair) == same(printed_sigmoid_d1(*pair))
    assert sigmoid_d2.loss(*pair, r=r) == same(printed_sigmoid_d2(*pair, r))


@given(pair=pairs("cosine"), r=st.floats(0.5, 6), data=st.data())
def test_cosine_losses_against_the_printed_sums(pair, r, data):
    active = data.draw(st.integers(1, pair[1].num_atoms))
    assert cosine_l1.loss(*pair, r=r, active=active) == same(printed_cosine(*pair, lambda m: r, active))
    assert cosine_l2.loss(*pair, active=active) == same(printed_cosine(*pair, lambda m: 1, active))
    assert cosine_l3.loss(*pair, active=active) == same(printed_cosine(*pair, lambda m: 1 if m == 1 else 2, active))


@given(pair=pairs("laplace"))
def test_laplace_losses_against_the_printed_sums(pair):
    assert laplace_d1.loss(*pair) == same(printed_laplace(*pair, first_powers))
    assert laplace_d2.loss(*pair) == same(printed_laplace(*pair, over_specified_powers))


@pytest.mark.parametrize("name", LOSSES)
@given(data=st.data())
def test_laws(name, data):
    loss, gate = LOSSES[name][0], name.split("_")[0]
    estimate, truth = data.draw(pairs(gate))
    value = loss(estimate, truth)
    assert value >= 0
    fitted_order, true_order = (data.draw(st.permutations(range(measure.num_atoms))) for measure in (estimate, truth))
    assert loss(estimate.permute(fitted_order), truth) == same(value)
    permuted = truth.permute(true_order)
    assert loss(truth, truth) == loss(permuted, truth) == loss(truth, permuted) == 0
    for block in truth.atoms.keys() - {"beta_0"}:
        moved = truth.atoms[block].copy()
        moved[0] += 1 / 256
        assert loss(MixingMeasure(truth.log_mass, {**truth.atoms, block: moved}), truth) > 0


@given(pair=pairs("sigmoid"))
def test_sigmoid_losses_see_the_mass_of_a_single_atom(pair):
    truth = pair[1]
    beta_0 = truth.atoms["beta_0"] + np.eye(truth.num_atoms)[:, :1]
    moved = MixingMeasure(log_expit(beta_0[:, 0]), {**truth.atoms, "beta_0": beta_0})
    assert sigmoid_d1.loss(moved, truth) == same(moved.mass[0] - truth.mass[0])
    assert sigmoid_d2.loss(moved, truth, r=3) == same(1)


def test_a_variance_counts_as_a_part_of_eta():
    for loss, truth in (LOSSES[name] for name in ("sigmoid_d1", "cosine_l2", "cosine_l3")):
        fit, true = (MixingMeasure(truth.log_mass, {**truth.atoms, "nu": [[nu], [1.0]]}) for nu in (1.4, 1.0))
        moved = MixingMeasure(fit.log_mass, {**fit.atoms, "eta_1": truth.atoms["eta_1"] + [[0.3], [0.0]]})
        assert loss(moved, true) == exact(0.5 * (1 if loss is sigmoid_d1.loss else truth.mass[0]))


def test_no_infimum_over_shifts_of_the_masses():
    for loss, truth in (LOSSES[name] for name in LOSSES if not name.startswith("sigmoid")):
        assert loss(MixingMeasure(truth.log_mass + LN2, truth.atoms, ("log_mass",)), truth) == exact(3)


def test_empty_cells_keep_their_mass_where_the_formula_says_so():
    on_first = {name: sigmoid(*[(-LN3, 0, 1, 0.5)] * 2) for name in ("sigmoid_d1", "sigmoid_d2")}
    on_first |= {name: cosine(*[(0, 1, 1)] * 2) for name in ("cosine_l1", "cosine_l2", "cosine_l3")}
    on_first |= {name: laplace(*[(0, 3, -2, 1, 0.25)] * 2) for name in ("laplace_d1", "laplace_d2")}
    values = {name: LOSSES[name][0](fit, LOSSES[name][1]) for name, fit in on_first.items()}
    assert values == exact(dict.fromkeys(LOSSES, 1.0) | {"sigmoid_d1": 0.75, "sigmoid_d2": 0.0})


def test_an_empty_cell_can_be_the_largest_part():
    fit = cosine((LN2, 1, 1.5))
    assert [loss(fit, COSINE, active=1) for loss in (cosine_l1.loss, cosine_l2.loss, cosine_l3.loss)] == exact([1, 1, 1])


def without(measure, block):
    return MixingMeasure(measure.log_mass, {name: value for name, value in measure.atoms.items() if name != block})


@every_loss
def test_blocks_must_be_in_both_measures_with_one_size(loss, truth):
    wide = MixingMeasure(truth.log_mass, {**truth.atoms, "beta_1": np.zeros((2, 2))})
    pairs = {"beta_1": [(without(truth, "beta_1"), truth), (truth, without(truth, "beta_1")), (wide, truth)]}
    pairs["eta_1"] = [(without(truth, "eta_1"), truth)]
    for block, wrong in pairs.items():
        for estimate, other in wrong:
            with pytest.raises(ValueError, match=f"block '{block}' has sizes .* must be in both with one size"):
                loss(estimate, other)


def test_blocks_that_one_loss_needs():
    with pytest.raises(ValueError, match="block 'beta_0' has sizes"):
        sigmoid_d2.loss(SIGMOID, without(SIGMOID, "beta_0"))
    for loss in (laplace_d1.loss, laplace_d2.loss):
        with pytest.raises(ValueError, match="block 'nu' has sizes"):
            loss(without(LAPLACE, "nu"), without(LAPLACE, "nu"))


@pytest.mark.parametrize("active", [0, -1, 3, 1.5])
@pytest.mark.parametrize("loss", [cosine_l1.loss, cosine_l2.loss, cosine_l3.loss], ids=["l1", "l2", "l3"])
def test_active_is_a_number_of_true_atoms(loss, active):
    with pytest.raises(ValueError, match=rf"^active={active}; need an integer from 1 to the number of true atoms, 2\.$"):
        loss(COSINE, COSINE, active=active)


@pytest.mark.parametrize("r", [0, -2.0, np.inf, np.nan])
@pytest.mark.parametrize("loss, truth", [LOSSES["sigmoid_d2"], LOSSES["cosine_l1"]], ids=["sigmoid_d2", "cosine_l1"])
def test_r_is_positive(loss, truth, r):
    with pytest.raises(ValueError, match=rf"^r={r}; need a positive, finite number\.$"):
        loss(truth, truth, r=r)


def test_the_gate_of_the_sigmoid_losses():
    assert sigmoid_d1.GATE == sigmoid_d2.GATE == "sigmoid"
