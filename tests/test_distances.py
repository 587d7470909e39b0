"""Distances between densities and quadrature against closed forms and scipy.integrate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad
from scipy.stats import norm

from moetheory.losses import distances
from moetheory.losses.distances import Tabulated, density_distances, hellinger, refined_distance, total_variation
from moetheory.losses.quadrature import function_error, gauss_legendre_nodes

HALVES = np.array([0.5, 0.5])


def normal(mean, variance):
    return Tabulated([[1.0]], [[mean]], [variance])


@st.composite
def mixtures(draw, k):
    raw = draw(arrays(float, (2, k), elements=st.floats(0.01, 1)))
    means = draw(arrays(float, (2, k), elements=st.floats(-5, 5)))
    variances = draw(arrays(float, k, elements=st.floats(0.05, 5)))
    return Tabulated(raw / raw.sum(axis=1, keepdims=True), means, variances)


@given(st.floats(1e-5, 8), st.floats(1e-4, 50))
def test_equal_variances(ratio, variance):
    delta = ratio * np.sqrt(variance)
    result = density_distances(normal(1.0, variance), normal(1.0 + delta, variance), [1.0])
    assert result.hellinger**2 == pytest.approx(-np.expm1(-(ratio**2) / 8), rel=1e-6)
    assert result.total_variation == pytest.approx(2 * norm.cdf(ratio / 2) - 1, rel=1e-6)
    assert result.relative_change < 1e-5


@given(st.floats(1e-4, 0.9))
def test_equal_means(variance):
    result = density_distances(normal(0.0, variance), normal(0.0, 1.0), [1.0])
    assert result.hellinger**2 == pytest.approx(1 - np.sqrt(2 * np.sqrt(variance) / (1 + variance)), rel=1e-6)
    root = np.sqrt(-np.log(variance) * variance / (1 - variance))
    assert result.total_variation == pytest.approx(2 * (norm.cdf(root / np.sqrt(variance)) - norm.cdf(root)), rel=1e-6)


def test_mixtures_against_adaptive_integration():
    p = Tabulated([[0.3, 0.7], [0.9, 0.1]], [[-2.0, 1.0], [0.0, 0.5]], [0.25, 0.5])
    q = Tabulated([[0.3, 0.4, 0.3], [0.8, 0.1, 0.1]], [[-2.1, 0.8, 1.3], [0.1, 0.2, 3.0]], [0.2, 0.4, 0.6])
    probability = [0.2, 0.8]

    def expected(inner):
        def density(g, node, y):
            return float(np.sum(g.weights[node] * norm.pdf(y, g.means[node], np.sqrt(g.variances))))

        sums = [
            quad(
                lambda y, x=x: inner(density(p, x, y), density(q, x, y)),
                -12,
                12,
                limit=400,
                points=[-2, 0, 1, 3],
            )[0]
            for x in (0, 1)
        ]
        return np.dot(probability, sums) / 2

    assert hellinger(p, q, probability) ** 2 == pytest.approx(expected(lambda a, b: (np.sqrt(a) - np.sqrt(b)) ** 2), rel=1e-6)
    assert total_variation(p, q, probability) == pytest.approx(expected(lambda a, b: abs(a - b)), rel=1e-6)


@given(mixtures(2), mixtures(3))
def test_bounds_and_symmetry(p, q):
    h, v = hellinger(p, q, HALVES), total_variation(p, q, HALVES)
    assert 0 <= h**2 <= v + 1e-9
    assert v <= min(1, np.sqrt(2) * h) + 1e-9
    assert hellinger(q, p, HALVES) == pytest.approx(h)
    assert total_variation(q, p, HALVES) == pytest.approx(v, abs=1e-12)


@given(mixtures(3))
def test_relabelled_and_split_densities_are_equal(p):
    order = [2, 0, 1, 2]
    share = np.array([0.25, 1.0, 1.0, 0.75])
    q = Tabulated(p.weights[:, order] * share, p.means[:, order], p.variances[order])
    result = density_distances(p, q, HALVES)
    assert result.hellinger < 1e-14
    assert abs(result.total_variation) < 1e-14


@pytest.mark.parametrize("epsilon", [1e-1, 1e-2, 1e-3])
def test_third_order_contact_is_resolved(epsilon):
    split = Tabulated([HALVES], [[-epsilon, epsilon]], np.full(2, 1 - epsilon**2))
    leading = epsilon**4 / np.sqrt(48)
    assert hellinger(split, normal(0.0, 1.0), [1.0]) == pytest.approx(leading, rel=2 * epsilon)


def test_common_factor_fibre_leaves_the_density_unchanged():
    x = np.linspace(-1, 1, 5)[:, None]
    slopes, intercepts = np.array([3.0, 0.0]), np.array([np.log(2), 0.0])
    means = x * [-2.0, 2.0] + [1.0, -1.0]

    def table(logits, copies):
        gates = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return Tabulated(gates, np.repeat(means, copies, axis=1), np.repeat([0.25, 0.5], copies))

    truth = table(x * slopes + intercepts, 1)
    for u in (0.1, 1.0):
        fibre = table(x * (np.repeat(slopes, 2) + u * np.array([1, -1, 1, -1])) + np.repeat(intercepts, 2), 2)
        assert hellinger(truth, fibre, np.full(5, 0.2)) < 1e-12


def test_dead_atom_with_tiny_variance_is_harmless():
    p = Tabulated([[0.4, 0.6]], [[0.0, 2.0]], [0.5, 0.25])
    q = Tabulated([[0.4, 0.6 - 1e-9, 1e-9]], [[0.0, 2.1, 0.7]], [0.5, 0.25, 1e-4])
    alone = Tabulated([[0.4, 0.6]], [[0.0, 2.1]], [0.5, 0.25])
    assert hellinger(p, q, [1.0]) == pytest.approx(hellinger(p, alone, [1.0]), rel=1e-5)
    assert total_variation(p, q, [1.0]) == pytest.approx(total_variation(p, alone, [1.0]), rel=1e-5)


@given(mixtures(2), arrays(float, (2, 2), elements=st.floats(-0.9, 0.9)), arrays(float, 2, elements=st.floats(0.71, 1.09)))
def test_near_components_share_edges_without_loss(p, moves, ratios):
    deviations = np.sqrt(p.variances)
    near = Tabulated(p.weights[::-1], p.means + moves * deviations, (deviations * ratios) ** 2)
    means, both = np.hstack([p.means, near.means]), np.concatenate([deviations, deviations * ratios])
    assert len(distances._cutting(means, both)) <= 2
    shared = density_distances(p, near, HALVES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances, "NEAR", -1.0)
        own = density_distances(p, near, HALVES)
    assert shared.hellinger == pytest.approx(own.hellinger, rel=1e-5)
    assert shared.total_variation == pytest.approx(own.total_variation, rel=1e-5)


def test_a_wider_component_keeps_its_edges():
    wide = normal(0.0, 1.2**2)
    assert distances._cutting(np.zeros((1, 2)), np.array([1.0, 1.2])) == [0, 1]
    assert hellinger(normal(0.0, 1.0), wide, [1.0]) ** 2 == pytest.approx(1 - np.sqrt(2.4 / 2.44), rel=1e-9)


@pytest.mark.parametrize(("nodes", "chunk"), [(7, 1), (100, 1000)], ids=["a node each", "several nodes each"])
def test_chunks_do_not_change_the_result(nodes, chunk, monkeypatch):
    x = np.linspace(-1, 1, nodes)[:, None]
    p, q = (Tabulated(np.ones((nodes, 1)), x * slope, [1.0]) for slope in (1.0, 1.5))
    probability = np.full(nodes, 1 / nodes)
    whole = density_distances(p, q, probability)
    monkeypatch.setattr(distances, "CHUNK", chunk)
    assert hellinger(p, q, probability) == pytest.approx(whole.hellinger, rel=1e-13)
    assert total_variation(p, q, probability) == pytest.approx(whole.total_variation, rel=1e-13)


def test_wrong_tables():
    with pytest.raises(ValueError, match="shapes"):
        Tabulated([[1.0]], [[0.0, 1.0]], [1.0])
    with pytest.raises(ValueError, match="variance"):
        normal(0.0, 0.0)
    with pytest.raises(ValueError, match="sum to one"):
        Tabulated([[0.5]], [[0.0]], [1.0])
    with pytest.raises(ValueError, match="nodes"):
        hellinger(normal(0.0, 1.0), normal(1.0, 1.0), HALVES)
    with pytest.raises(ValueError, match="sums to"):
        hellinger(normal(0.0, 1.0), normal(1.0, 1.0), [0.5])


@given(st.integers(0, 9), st.integers(0, 9))
def test_gauss_legendre_is_exact_for_polynomials(a, b):
    nodes, probability = gauss_legendre_nodes([0.0, -1.0], [2.0, 1.0], 5)
    expected = 2.0**a / (a + 1) * (1 / (b + 1) if b % 2 == 0 else 0)
    assert nodes.shape == (25, 2)
    assert probability @ (nodes[:, 0] ** a * nodes[:, 1] ** b) == pytest.approx(expected, abs=1e-12)


def test_splits_make_kinks_exact():
    nodes, probability = gauss_legendre_nodes([0.0], [1.0], 2, splits=[0.3])
    assert nodes.shape == (4, 1)
    assert probability @ np.abs(nodes[:, 0] - 0.3) == pytest.approx((0.3**2 + 0.7**2) / 2, abs=1e-15)


def test_sobol_points_in_three_dimensions():
    nodes, probability = gauss_legendre_nodes([0.0, 0.0, 1.0], [1.0, 2.0, 3.0], 2000)
    assert nodes.shape == (2048, 3)
    assert np.all((nodes > [0, 0, 1]) & (nodes < [1, 2, 3]))
    assert probability.sum() == pytest.approx(1)
    assert probability @ (nodes[:, 0] * nodes[:, 1] * nodes[:, 2]) == pytest.approx(1.0, abs=1e-3)
    assert np.cov(nodes.T, aweights=probability)[0, 1] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    ("low", "high", "count", "splits", "message"),
    [
        ([0.0], [0.0], 3, (), "low < high"),
        ([0.0], [1.0, 2.0], 3, (), "corners"),
        ([0.0], [1.0], 0, (), "count"),
        ([0.0], [1.0], 3, (1.0,), "splits"),
        ([0.0, 0.0], [1.0, 1.0], 3, (0.5,), "d = 1"),
    ],
)
def test_wrong_boxes(low, high, count, splits, message):
    with pytest.raises(ValueError, match=message):
        gauss_legendre_nodes(low, high, count, splits)


def test_function_error_of_a_line():
    nodes, probability = gauss_legendre_nodes([-1.0], [1.0], 4)
    assert function_error(3 * nodes[:, 0], probability) == pytest.approx(np.sqrt(3))


def test_splits_come_in_any_order():
    nodes, probability = gauss_legendre_nodes([0.0], [1.0], 2, splits=[0.7, 0.3])
    sorted_nodes, sorted_probability = gauss_legendre_nodes([0.0], [1.0], 2, splits=[0.3, 0.7])
    np.testing.assert_array_equal(nodes, sorted_nodes)
    np.testing.assert_array_equal(probability, sorted_probability)
    assert np.all(probability > 0)


def test_every_distance_is_refined_until_it_is_settled():
    """Total variation needs more points here; the change told is the larger one of both."""
    p, q = normal(0.0, 1.0), normal(3.0, 1.0)
    (_, one, first), (_, other, second) = (refined_distance(name, p, q, [1.0], 1e-8) for name in distances.DISTANCES)
    assert first < second
    assert density_distances(p, q, [1.0], 1e-8).relative_change == max(one, other)


def test_components_that_are_near_at_one_input_alone_have_their_own_edges():
    p, q = (Tabulated(np.ones((2, 1)), means, [1.0]) for means in ([[0.0], [0.0]], [[0.1], [30.0]]))
    assert hellinger(p, q, [0.5, 0.5]) ** 2 == pytest.approx((1 - np.exp(-(0.1**2) / 8) + 1) / 2, rel=1e-6)


def test_a_much_narrower_component_has_its_own_edges():
    """At the same mean, with a tenth of the deviation: the edges of the wide one would step over it."""
    p, q = Tabulated([[1.0]], [[0.0]], [1.0]), Tabulated([[1.0]], [[0.3]], [1e-4])
    overlap = np.sqrt(2 * 0.01 / (1 + 1e-4)) * np.exp(-(0.3**2) / 4 / (1 + 1e-4))
    assert hellinger(p, q, [1.0]) ** 2 == pytest.approx(1 - overlap, rel=1e-6)
