"""Systems (R1) and (R2): the printed sums, exact solutions, and that there are none from order 2m on."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moetheory.identifiability.polynomial import (
    equations_r2,
    residuals_r1,
    residuals_r2,
    smallest_residual,
    solvability_order,
    two_atom_solution,
    witness,
)
from moetheory.losses.voronoi import rbar

RATIONALS = st.fractions(-3, 3, max_denominator=6)
WEIGHTS = st.fractions(Fraction(1, 6), 3, max_denominator=6)
ATOMS = st.lists(st.tuples(WEIGHTS, RATIONALS, RATIONALS), min_size=1, max_size=4)


def rows(count, width):
    return st.lists(st.lists(RATIONALS, min_size=width, max_size=width), min_size=count, max_size=count)


@st.composite
def solutions_to_try(draw):
    atoms, inputs = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    weights = draw(st.lists(WEIGHTS, min_size=atoms, max_size=atoms))
    p3, p4 = (draw(st.lists(RATIONALS, min_size=atoms, max_size=atoms)) for _ in range(2))
    return weights, draw(rows(atoms, inputs)), draw(rows(atoms, inputs)), p3, p4


def printed_r1(weights, a, b, s):
    return sum(
        w * x ** (s - 2 * n) * y**n / (math.factorial(s - 2 * n) * math.factorial(n))
        for w, x, y in zip(weights, a, b, strict=True)
        for n in range(s // 2 + 1)
    )


def printed_r2(weights, p1, p2, p3, p4, l1, l2):
    total = Fraction(0)
    for w, q1, q2, q3, q4 in zip(weights, p1, p2, p3, p4, strict=True):
        for alpha2 in itertools.product(*(range(power + 1) for power in l1)):
            alpha1 = [power - part for power, part in zip(l1, alpha2, strict=True)]
            left = l2 - sum(alpha2)
            for alpha4 in range(left // 2 + 1):
                powers = [*alpha1, *alpha2, left - 2 * alpha4, alpha4]
                terms = zip([*q1, *q2, q3, q4], powers, strict=True)
                total += w * math.prod((Fraction(x) ** n / math.factorial(n) for x, n in terms), start=Fraction(1))
    return total


def series_of_exponential(a, b, order):
    """Coefficients of exp(a t + b t^2) as the sum of (a t + b t^2)^k / k!."""
    power, total = np.array([Fraction(1)]), np.full(order + 1, Fraction(0))
    for k in range(order + 1):
        kept = power[: order + 1] / math.factorial(k)
        total[: kept.size] = total[: kept.size] + kept
        power = np.convolve(power, np.array([Fraction(0), Fraction(a), Fraction(b)]))
    return total


def rank(matrix):
    remaining, found = [list(map(Fraction, row)) for row in matrix], 0
    for column in range(len(remaining[0])):
        pivot = next((row for row in remaining if row[column]), None)
        if pivot is None:
            continue
        found += 1
        remaining.remove(pivot)
        remaining = [[x - row[column] / pivot[column] * y for x, y in zip(row, pivot, strict=True)] for row in remaining]
        if not remaining:
            break
    return found


def hermite_residuals(atoms, order):
    """Exact residuals of Gauss-Hermite nodes: a rule gives polynomials p the value e1' p(J) e1, J its Jacobi matrix."""
    jacobi = np.diag(np.ones(atoms - 1, dtype=object), 1) + np.diag(np.arange(1, atoms, dtype=object), -1)
    first = np.zeros(atoms, dtype=object)
    first[0] = 1
    before, now, values = first * 0, first, []
    for s in range(1, order + 1):
        before, now = now, jacobi @ now - (s - 1) * before
        values.append(Fraction(int(now[0]), math.factorial(s)))
    return values


@given(ATOMS, st.integers(1, 8))
def test_r1_is_the_printed_sum_and_the_series(atoms, order):
    weights, a, b = zip(*atoms, strict=True)
    residuals = residuals_r1(weights, a, b, order)
    assert all(isinstance(residual, Fraction) for residual in residuals)
    assert residuals.tolist() == [printed_r1(weights, a, b, s) for s in range(1, order + 1)]
    series = sum(w * series_of_exponential(x, y, order) for w, x, y in atoms)
    assert residuals.tolist() == series[1:].tolist()


@given(ATOMS)
def test_floats_agree_with_fractions(atoms):
    weights, a, b = (np.array(column, dtype=float) for column in zip(*atoms, strict=True))
    residuals = residuals_r1(weights, a, b, 8)
    exact = residuals_r1(*([Fraction(entry) for entry in column] for column in (weights, a, b)), 8)
    size = residuals_r1(weights, np.abs(a), np.abs(b), 8)
    assert residuals.dtype == float
    assert np.all(np.abs(residuals - exact.astype(float)) <= 1e-14 * size)


@given(ATOMS, st.fractions(-4, 4, max_denominator=3))
def test_scale_of_the_atoms(atoms, scale):
    weights, a, b = (np.array(column) for column in zip(*atoms, strict=True))
    scaled = residuals_r1(weights, scale * a, scale**2 * b, 6)
    assert scaled.tolist() == [scale**s * value for s, value in enumerate(residuals_r1(weights, a, b, 6), start=1)]


def test_big_integers_do_not_overflow():
    assert residuals_r1([np.int64(1)], [np.int64(10**6)], np.array([0]), 5)[4] == Fraction(10**30, 120)


@given(solutions_to_try(), st.integers(1, 4))
def test_r2_is_the_printed_sum(unknowns, order):
    equations = equations_r2(order, len(unknowns[1][0]))
    assert residuals_r2(*unknowns, order).tolist() == [printed_r2(*unknowns, l1, l2) for l1, l2 in equations]


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_equations_of_r2(order, dimension):
    equations = equations_r2(order, dimension)
    assert len(set(equations)) == len(equations) == math.comb(order + dimension + 1, dimension + 1) - 1
    assert all(len(l1) == dimension and 1 <= sum(l1) + l2 <= order for l1, l2 in equations)
    if dimension == 1:
        assert len(equations) == (order**2 + 3 * order) / 2


@given(solutions_to_try())
def test_r2_without_input_slopes_is_r1(unknowns):
    weights, p1, _, p3, p4 = unknowns
    no_slope = [l1 == (0,) * len(l1) for l1, _ in equations_r2(4, len(p1[0]))]
    assert residuals_r2(*unknowns, 4)[no_slope].tolist() == residuals_r1(weights, p3, p4, 4).tolist()
    zeros = np.zeros(np.shape(p1), dtype=int)
    reduced = residuals_r2(weights, zeros, zeros, p3, p4, 4)
    assert reduced[no_slope].tolist() == residuals_r1(weights, p3, p4, 4).tolist()
    assert not np.any(reduced[np.logical_not(no_slope)])


@given(solutions_to_try())
def test_r2_forces_p1_then_p2_to_zero(unknowns):
    """The equations |l1| = 2, l2 = 0, and |l1| = 2, l2 = 2 once p1 = 0, are sums of positive multiples of squares."""
    weights, p1, p2, p3, p4 = unknowns
    equations = equations_r2(4, len(p1[0]))
    full, without_p1 = residuals_r2(*unknowns, 4), residuals_r2(weights, np.zeros_like(p1), p2, p3, p4, 4)
    for axis in range(len(p1[0])):
        twice = tuple(2 if other == axis else 0 for other in range(len(p1[0])))
        squares = [sum(w * row[axis] ** 2 for w, row in zip(weights, p, strict=True)) for p in (p1, p2)]
        assert 2 * full[equations.index((twice, 0))] == squares[0]
        assert 2 * without_p1[equations.index((twice, 2))] == squares[1]


def test_orders_from_which_r2_forces_p1_and_p2():
    """p1 is free at r = 1 and p2 at r = 3: both have exact solutions in which they are not zero."""
    at_one = residuals_r2([1, 1], [[1], [-1]], [[0], [0]], [1, -1], [0, 0], 1)
    assert not np.any(at_one)
    third = witness(3)
    p2 = [[Fraction(-1, 2)], [1], [1]]
    assert not np.any(residuals_r2(third.weights, np.zeros((3, 1), dtype=int), p2, third.a, third.b, 3))
    at_four = residuals_r2(third.weights, np.zeros((3, 1), dtype=int), p2, third.a, third.b, 4)
    assert at_four[equations_r2(4, 1).index(((2,), 2))] == Fraction(3, 2)


@given(ATOMS)
def test_some_p3_is_equivalent_to_some_p4_from_order_four(atoms):
    weights, a, b = (np.array(column) for column in zip(*atoms, strict=True))
    only_a, only_b = residuals_r1(weights, a, 0 * b, 4), residuals_r1(weights, 0 * a, b, 4)
    assert only_a[1] == weights @ a**2 / 2
    assert only_b[3] == weights @ b**2 / 2


def test_some_p4_is_weaker_than_some_p3_at_order_three():
    assert not np.any(residuals_r1([1, 1], [0, 0], [1, -1], 3))


@pytest.mark.parametrize("atoms, residual", [(2, Fraction(-1, 6)), (3, Fraction(-1, 540))])
def test_rational_witness(atoms, residual):
    found = witness(atoms)
    assert residuals_r1(found.weights, found.a, found.b, 2 * atoms).tolist() == [0] * (2 * atoms - 1) + [residual]
    assert (found.order, found.residual) == (2 * atoms - 1, residual)
    assert np.any(found.a != 0)


@pytest.mark.parametrize("atoms", range(2, 11))
def test_gauss_hermite_solves_order_2m_minus_1_exactly(atoms):
    expected = Fraction(-math.factorial(atoms), math.factorial(2 * atoms))
    assert hermite_residuals(atoms, 2 * atoms) == [0] * (2 * atoms - 1) + [expected]
    scale = {2: 2, 3: Fraction(6, 27)}.get(atoms, 1)
    assert witness(atoms).residual == scale * expected


@pytest.mark.parametrize("atoms", [4, 5, 8])
def test_gauss_hermite_witness_in_floats(atoms):
    found = witness(atoms)
    residuals = residuals_r1(found.weights, found.a, found.b, 2 * atoms)
    assert found.order == 2 * atoms - 1
    assert np.all(np.abs(residuals[:-1]) < 1e-14)
    assert residuals[-1] == pytest.approx(float(found.residual), rel=1e-10)


def test_largest_witness_keeps_all_atoms():
    found = witness(300)
    assert found.weights.min() > 0
    assert np.unique(found.a).size == 300
    np.testing.assert_allclose(residuals_r1(found.weights, found.a, found.b, 8), 0, atol=1e-13)


@pytest.mark.parametrize("y", [Fraction(n, 2) for n in range(1, 7)])
def test_elimination_for_two_atoms(y):
    """All compared sides are polynomials in y of degree at most 4, so agreement at six points proves the identities."""
    weights, a, b = two_atom_solution(y)
    assert weights[1] / weights[0] == y
    residuals = residuals_r1(weights, a, b, 4)
    assert residuals[:3].tolist() == [0, 0, 0]
    assert -36 / y * residuals[3] == y**3 + 2 * y**2 + 2 * y + 1
    moves = np.array([residuals_r1(weights, a, b + move, 3)[1:] for move in np.eye(2, dtype=int)])
    assert moves[0, 0] * moves[1, 1] - moves[0, 1] * moves[1, 0] == -y * (y + 1)


@given(WEIGHTS)
def test_two_atoms_never_solve_order_four(ratio):
    assert residuals_r1(*two_atom_solution(ratio), 4)[3] < 0


@given(
    st.integers(2, 5).flatmap(
        lambda m: st.lists(st.tuples(RATIONALS, RATIONALS).filter(any), min_size=m, max_size=m, unique=True)
    )
)
def test_distinct_atoms_are_linearly_independent_at_order_2m(atoms):
    assert rank([residuals_r1([1], [a], [b], 2 * len(atoms)) for a, b in atoms]) == len(atoms)


@pytest.mark.parametrize("atoms", [2, 3])
def test_order_of_independence_is_sharp(atoms):
    found = witness(atoms)
    points = list(zip(found.a, found.b, strict=True))
    assert rank([residuals_r1([1], [a], [b], 2 * atoms - 1) for a, b in points]) == atoms - 1


def test_exponentials_of_quadratics_have_at_most_2k_minus_2_zeros():
    generator, t = np.random.default_rng(0), np.linspace(-12, 12, 4001)
    most = {2: 0, 3: 0, 4: 0}
    for k in 200 * list(most):
        mean, deviation = generator.uniform(-4, 4, k), generator.uniform(0.3, 3, k)
        logs = -(((t[:, None] - mean) / deviation) ** 2) / 2 + np.log(generator.uniform(0.1, 2, k))
        signs = generator.choice([-1, 1], k)
        values = np.sign((signs * np.exp(logs - logs.max(axis=1, keepdims=True))).sum(axis=1))
        most[k] = max(most[k], int(np.count_nonzero(np.diff(values))))
    assert most == {2: 2, 3: 4, 4: 6}


@pytest.mark.parametrize("system", ["R1", "R2"])
@pytest.mark.parametrize("atoms, order, minimum", [(2, 4, 7.98e-3), (3, 6, 1.35e-4)])
def test_search_finds_no_solution_of_order_2m(atoms, order, minimum, system):
    norm, (weights, p1, p2, p3, p4) = smallest_residual(atoms, order, system, starts=5)
    assert norm == pytest.approx(minimum, rel=2e-3)
    assert p3[0] == 1
    assert 0.2 <= weights.min() <= weights.max() <= 1
    assert np.abs([p1, p2, p3, p4]).max() <= 3
    if system == "R1":
        assert norm == pytest.approx(np.linalg.norm(residuals_r1(weights, p3, p4, order)), rel=1e-9)
        assert not np.any([p1, p2])
    else:
        full = residuals_r2(weights, p1[:, None], p2[:, None], p3, p4, order)
        assert norm == pytest.approx(np.linalg.norm(full), rel=1e-9)
        assert norm == pytest.approx(np.linalg.norm(residuals_r1(weights, p3, p4, order)), rel=1e-4)


@pytest.mark.parametrize("atoms, order, system", [(2, 3, "R1"), (2, 3, "R2"), (3, 5, "R1"), (3, 5, "R2"), (4, 7, "R1")])
def test_search_finds_a_solution_of_order_2m_minus_1(atoms, order, system):
    norm, (weights, *_, p3, p4) = smallest_residual(atoms, order, system, starts=3)
    assert norm < 1e-12
    assert np.abs(residuals_r1(weights, p3, p4, order)).max() < 1e-12


def test_search_finds_no_solution_for_four_atoms():
    assert 1e-7 < smallest_residual(4, 8)[0] < 1e-3


@pytest.mark.parametrize("lowest_weight", [1e-2, 1e-4, 1e-6])
def test_without_a_lowest_weight_the_infimum_is_zero(lowest_weight):
    """One light atom at (1, -1/2) and the other at the origin leave a residual proportional to the weight."""
    unit = np.linalg.norm(residuals_r1([1.0], [1.0], [-0.5], 4))
    light = np.linalg.norm(residuals_r1([lowest_weight, 1.0], [1.0, 0.0], [-0.5, 0.0], 4))
    assert light == pytest.approx(lowest_weight * unit)
    norm = smallest_residual(2, 4, lowest_weight=lowest_weight)[0]
    assert 0 < norm <= light


@pytest.mark.parametrize("atoms", range(1, 7))
def test_solvability_order(atoms):
    found = solvability_order(atoms)
    assert found.atoms == atoms
    assert found.value == rbar(atoms)
    assert found.status == ("published" if atoms in (2, 3) else "derived")
    if atoms > 1:
        assert found.value == witness(atoms).order + 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([1, 1], [1], [0, 0], 2), r"shapes are \[\(2,\), \(1,\), \(2,\)\]; pass one entry per atom"),
        (([], [], [], 2), r"shapes are \[\(0,\)"),
        (([[1]], [[1]], [[0]], 2), r"shapes are \[\(1, 1\)"),
        (([1, -1], [1, 1], [0, 0], 2), r"weights are \[1, -1\]; all must be positive"),
        (([1, 0.0], [1, 1], [0, 0], 2), r"weights are \[1, 0.0\]"),
        (([1.0, 1.0], [1, np.nan], [0, 0], 2), "all must be finite"),
        (([1], [1], [0], 0), "order is 0; it must be at least 1"),
    ],
)
def test_bad_unknowns_of_r1(arguments, message):
    with pytest.raises(ValueError, match=message):
        residuals_r1(*arguments)


@pytest.mark.parametrize(
    "p1, p2", [([0, 0], [0, 0]), ([[0], [0]], [0, 0]), ([[0], [0]], [[0, 0], [0, 0]]), ([[0]], [[0]]), ([[[0]]] * 2, [[[0]]] * 2)]
)
def test_bad_input_slopes_of_r2(p1, p2):
    with pytest.raises(ValueError, match="one row of d numbers per atom"):
        residuals_r2([1, 1], p1, p2, [1, -1], [0, 0], 2)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: equations_r2(0, 1), "order is 0"),
        (lambda: equations_r2(2, 0), "dimension is 0; it must be at least 1"),
        (lambda: residuals_r2([1], np.zeros((1, 0)), np.zeros((1, 0)), [1], [0], 2), "dimension is 0"),
        (lambda: witness(1), "atoms is 1; it must be from 2 to 300"),
        (lambda: witness(301), "atoms is 301"),
        (lambda: two_atom_solution(0), "all must be positive"),
        (lambda: solvability_order(0), "atoms is 0; it must be an integer of at least 1"),
        (lambda: smallest_residual(2, 0), "order is 0"),
        (lambda: smallest_residual(0, 2), "atoms 0, starts 10; choose"),
        (lambda: smallest_residual(2, 4, starts=0), "starts 0; choose"),
        (lambda: smallest_residual(2, 4, "R3"), "system 'R3'"),
        (lambda: smallest_residual(2, 4, lowest_weight=0.0), "lowest_weight 0.0"),
        (lambda: smallest_residual(2, 4, lowest_weight=1.0), "lowest_weight 1.0"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_second_system_moves_what_the_first_has_not():
    assert np.any(smallest_residual(2, 2, "R2")[1][1:3])
    assert not np.any(smallest_residual(2, 2, "R1")[1][1:3])


@pytest.mark.parametrize(("atoms", "system"), [(2, "R1"), (3, "R1"), (3, "R2")])
def test_a_residual_that_is_zero_from_the_start_is_no_trouble(atoms, system):
    assert smallest_residual(atoms, 1, system)[0] == pytest.approx(0.0, abs=1e-14)
