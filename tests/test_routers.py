"""Router metrics: worked numbers, laws, and brute force with Python sets."""

import math
import subprocess
import sys
from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax

from moetheory.routers import (
    allocation_entropy,
    change_rate,
    dead_experts,
    effective_number,
    expert_counts,
    experts_by_token_type,
    first_choice_balance_loss,
    jain_index,
    margin,
    router_trajectory,
    router_z_loss,
    sequence_balance_loss,
    set_saturation,
    slot_saturation,
    switch_balance_loss,
    token_shares,
    top_k,
    update_bias,
    weight_entropy,
)

E = 5
SLACK = 1e-12
ranks = st.integers(1, E)


def choices(checkpoints, k=3):
    """Expert indices of shape (checkpoints, 6, k), distinct in each token, without the function under test."""
    keys = arrays(int, (checkpoints, 6, E), elements=st.integers(0, 9))
    return keys.map(lambda key: np.argsort(key, axis=2, kind="stable")[:, :, :k])


runs = st.tuples(st.integers(1, 4), ranks).flatmap(lambda size: choices(size[0], k=size[1]))
types_of_six = arrays(int, 6, elements=st.integers(0, 3))
scores = arrays(float, (6, E), elements=st.integers(-3, 3).map(float))
loads = arrays(float, E, elements=st.floats(0, 1e6)).filter(np.any)
relabellings = st.permutations(range(E)).map(np.array)


def positive(*shape):
    return arrays(float, shape, elements=st.floats(0.01, 1))


def normalise(weights):
    return weights / weights.sum(axis=-1, keepdims=True)


def relabelled(chosen, new):
    """The same routing after expert e is renamed new[e]."""
    return new[chosen]


@given(scores, ranks)
def test_top_k_takes_the_largest_scores_and_then_the_smallest_indices(scores, k):
    brute = [sorted(range(E), key=lambda e: (-row[e], e))[:k] for row in scores]
    assert top_k(scores, k).tolist() == brute
    assert top_k(scores[None], k).tolist() == [brute]


@given(scores, st.integers(1, E - 1))
def test_margin_is_the_gap_at_the_border_of_the_choice(scores, k):
    falling = [sorted(row, reverse=True) for row in scores]
    assert margin(scores, k).tolist() == [row[k - 1] - row[k] for row in falling]


@given(positive(6, E), arrays(float, (6, E), elements=st.floats(-0.499, 0.499)), st.integers(1, E - 1))
def test_changes_below_half_the_margin_keep_the_choice(scores, change, k):
    moved = top_k(scores + change * margin(scores, k)[:, None], k)
    decided = margin(scores, k) > 1e-9
    assert [set(row) for row in top_k(scores, k)[decided]] == [set(row) for row in moved[decided]]


@given(scores, st.integers(1, E - 1), relabellings)
def test_without_ties_top_k_follows_a_relabelling(scores, k, new):
    renamed = np.empty_like(scores)
    renamed[:, new] = scores
    decided = margin(scores, k) > 0
    followed = relabelled(top_k(scores, k), new)
    assert [set(row) for row in followed[decided]] == [set(row) for row in top_k(renamed, k)[decided]]


def test_a_tie_makes_the_choice_depend_on_the_labels():
    tied = np.array([[1.0, 1.0, 0.0]])
    assert top_k(tied, 1).tolist() == top_k(tied[:, [1, 0, 2]], 1).tolist() == [[0]]


@given(runs)
def test_dynamics_against_sets(chosen):
    sets = [[set(row.tolist()) for row in checkpoint] for checkpoint in chosen]
    k = chosen.shape[2]
    kept = [np.mean([len(now & last) / k for now, last in zip(one, sets[-1], strict=True)]) for one in sets]
    steps = list(zip(sets[:-1], sets[1:], strict=True))
    new = [np.mean([len(after - now) / k for now, after in zip(*step, strict=True)]) for step in steps]
    both = [np.mean([len(after & now) / k for now, after in zip(*step, strict=True)]) for step in steps]
    np.testing.assert_allclose(set_saturation(chosen), kept, rtol=1e-14)
    np.testing.assert_allclose(change_rate(chosen), new, atol=1e-14)
    np.testing.assert_allclose(1 - change_rate(chosen), both, atol=1e-14)


@given(runs)
def test_slot_saturation_against_a_loop(chosen):
    pairs = [zip(one.ravel(), chosen[-1].ravel(), strict=True) for one in chosen]
    brute = [sum(now == last for now, last in pair) / chosen[-1].size for pair in pairs]
    np.testing.assert_allclose(slot_saturation(chosen), brute, rtol=1e-14)


@given(runs)
def test_ranges_of_the_dynamics(chosen):
    least = max(0.0, 2 - E / chosen.shape[2])
    for saturation in (set_saturation(chosen), slot_saturation(chosen)):
        assert saturation.shape == chosen.shape[:1]
        assert saturation[-1] == 1
    assert np.all(slot_saturation(chosen) <= set_saturation(chosen))
    assert np.all((set_saturation(chosen) >= least - SLACK) & (set_saturation(chosen) <= 1))
    assert np.all((change_rate(chosen) >= 0) & (change_rate(chosen) <= 1 - least + SLACK))


@given(runs, relabellings)
def test_dynamics_do_not_see_the_labels(chosen, new):
    for metric in (set_saturation, slot_saturation, change_rate):
        assert metric(relabelled(chosen, new)).tolist() == metric(chosen).tolist()


@given(choices(3), st.permutations(range(3)))
def test_only_the_slot_wise_saturation_sees_the_order_in_a_token(chosen, order):
    shuffled = np.concatenate([chosen[:2, :, order], chosen[2:]])
    assert set_saturation(shuffled).tolist() == set_saturation(chosen).tolist()
    np.testing.assert_array_equal(change_rate(shuffled), change_rate(chosen))


def test_swapped_slots_saturate_as_a_set_only():
    swapped = [[[0, 1], [2, 3]], [[1, 0], [3, 2]]]
    assert set_saturation(swapped).tolist() == [1, 1]
    assert slot_saturation(swapped).tolist() == [0, 1]
    assert change_rate(swapped).tolist() == [0]


def test_random_choices_agree_in_k_of_e():
    keys = np.random.default_rng(0).random((2, 20_000, 8))
    assert set_saturation(np.argsort(keys, axis=2)[:, :, :2])[0] == pytest.approx(2 / 8, abs=0.01)


@given(runs, types_of_six)
def test_experts_of_token_types_against_counters(chosen, token_types):
    types, experts = experts_by_token_type(chosen, token_types)
    occurrences = Counter(token_types.tolist())
    assert types.tolist() == sorted(occurrences, key=lambda name: (-occurrences[name], name))
    for t, checkpoint in enumerate(chosen):
        for m, name in enumerate(types):
            counts = Counter(checkpoint[token_types == name].ravel().tolist())
            assert experts[t, m].tolist() == sorted(counts, key=lambda e: (-counts[e], e))[: chosen.shape[2]]


@given(choices(3))
def test_types_that_occur_once_leave_the_sets_alone(chosen):
    _, experts = experts_by_token_type(chosen, np.arange(chosen.shape[1]))
    assert experts.tolist() == np.sort(chosen, axis=2).tolist()
    assert set_saturation(experts).tolist() == set_saturation(chosen).tolist()


def test_a_type_counts_once_however_often_it_occurs():
    chosen = [[[0], [0], [0], [1]], [[0], [0], [0], [2]]]
    types, experts = experts_by_token_type(chosen, [9, 9, 9, 4])
    assert types.tolist() == [9, 4]
    assert (set_saturation(chosen)[0], set_saturation(experts)[0]) == (0.75, 0.5)
    assert set_saturation(experts[:, :1])[0] == 1


@given(choices(2))
def test_counts_against_a_counter(chosen):
    for checkpoint, counts in zip(chosen, expert_counts(chosen, E), strict=True):
        found = Counter(checkpoint.ravel().tolist())
        assert counts.tolist() == [found[e] for e in range(E)]
        assert counts.tolist() == expert_counts(checkpoint, E).tolist()
        np.testing.assert_allclose(token_shares(checkpoint, E), counts / checkpoint.size, rtol=1e-15)


def test_worked_loads():
    assert jain_index([4, 2, 1, 1]) == pytest.approx(8 / 11, rel=1e-15)
    assert allocation_entropy([0.5, 0.25, 0.125, 0.125]) == pytest.approx(0.875, rel=1e-15)
    assert effective_number([0.5, 0.25, 0.125, 0.125]) == pytest.approx(2**1.75, rel=1e-15)
    assert weight_entropy([[0.5, 0.25, 0.125, 0.125], [1, 1, 1, 1]]) == pytest.approx(0.9375, rel=1e-15)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_loads_at_the_two_ends(size):
    single, equal = np.eye(size)[0], np.full(size, 1e308)
    assert jain_index(single) == pytest.approx(1 / size)
    assert [jain_index(equal), effective_number(single)] == pytest.approx([1, 1])
    assert effective_number(equal) == pytest.approx(size)
    assert allocation_entropy(single) == weight_entropy([single]) == 0
    assert [allocation_entropy(equal), weight_entropy([equal])] == pytest.approx([float(size > 1)] * 2)
    assert dead_experts(single).sum() == size - 1


@given(loads)
def test_ranges_and_order_of_the_load_metrics(loads):
    jain, number, used = jain_index(loads), effective_number(loads), E - dead_experts(loads).sum()
    assert 1 / E - SLACK <= jain <= 1 + SLACK
    assert -SLACK <= allocation_entropy(loads) <= 1 + SLACK
    assert 1 - SLACK <= E * jain <= number * (1 + SLACK)
    assert number <= used * (1 + SLACK)


@given(loads)
def test_load_metrics_against_their_formulas(loads):
    shares = [load / math.fsum(loads) for load in loads]
    entropy = -math.fsum(f * math.log(f) for f in shares if f > 0)
    assert jain_index(loads) == pytest.approx(math.fsum(shares) ** 2 / (E * math.fsum(f * f for f in shares)))
    assert allocation_entropy(loads) == pytest.approx(entropy / math.log(E), abs=1e-12)
    assert effective_number(loads) == pytest.approx(math.exp(entropy))
    assert dead_experts(loads).tolist() == [load == 0 for load in loads]


@pytest.mark.parametrize("metric", [jain_index, allocation_entropy, effective_number])
@given(loads=loads, new=relabellings, unit=st.sampled_from([1e-300, 0.1, 1e300]))
def test_load_metrics_see_neither_labels_nor_units(metric, loads, new, unit):
    loads = np.round(loads)
    loads[0] += 1
    assert metric(loads[new]) == pytest.approx(metric(loads), rel=1e-12, abs=1e-12)
    assert metric(unit * loads) == pytest.approx(metric(loads), rel=1e-12, abs=1e-12)
    assert metric(np.stack([loads, np.ones(E)])) == pytest.approx([metric(loads), metric(np.ones(E))])


@given(ranks.flatmap(lambda k: positive(6, k)))
def test_weight_entropy_against_a_loop(weights):
    k = weights.shape[1]
    rows = [[w / math.fsum(row) for w in row] for row in weights]
    nats = [-math.fsum(w * math.log(w) for w in row) for row in rows]
    assert weight_entropy(weights) == pytest.approx(np.mean(nats) / math.log(k) if k > 1 else 0, abs=1e-12)
    assert -SLACK <= weight_entropy(weights) <= 1 + SLACK


@given(arrays(float, (20, 3), elements=st.floats(0, 50)))
def test_softmax_over_two_probabilities_is_nearly_even(logits):
    winners = np.sort(softmax(logits, axis=1), axis=1)[:, 1:]
    weights = softmax(winners, axis=1)
    assert weights.max() <= math.e / (1 + math.e) + SLACK
    for token in weights:
        assert weight_entropy([token]) >= 0.8399


def test_softmax_over_two_probabilities_reaches_its_bounds():
    weights = softmax([[1.0, 0.0]], axis=1)
    assert weights.max() == pytest.approx(math.e / (1 + math.e), rel=1e-15)
    assert [weights.max(), weight_entropy(weights)] == pytest.approx([0.7311, 0.8399], abs=5e-5)


@given(positive(6, E).map(normalise), choices(1), positive(E).map(normalise))
def test_balance_is_one_at_uniform_load_or_uniform_probability(probabilities, chosen, row):
    even = (np.arange(E)[:, None] + np.arange(3)) % E
    assert switch_balance_loss(np.full((6, E), 1 / E), chosen[0]) == pytest.approx(1)
    assert switch_balance_loss(np.tile(row, (E, 1)), even) == pytest.approx(1)
    assert first_choice_balance_loss(probabilities[:E], even) == pytest.approx(1)


def test_uniform_balance_is_no_minimum():
    probabilities = np.array([[0.5, 0.4, 0.1], [0.1, 0.4, 0.5]])
    assert switch_balance_loss(probabilities, top_k(probabilities, 1)) == pytest.approx(0.9)


@given(positive(6, E).map(normalise), choices(1))
def test_switch_balance_against_a_loop(probabilities, chosen):
    n, k = chosen[0].shape
    total = 0.0
    for e in range(E):
        dispatched = sum(e in row for row in chosen[0].tolist()) / (n * k)
        total += E * dispatched * sum(row[e] for row in probabilities) / n
    assert switch_balance_loss(probabilities, chosen[0]) == pytest.approx(total, rel=1e-12)
    assert total <= E / k + SLACK


@given(positive(3, 6, E).map(normalise), choices(3))
def test_forms_of_the_balance_loss(probabilities, chosen):
    pairs = list(zip(probabilities, chosen, strict=True))
    first = [switch_balance_loss(p, c[:, :1]) for p, c in pairs]
    assert [first_choice_balance_loss(p, c) for p, c in pairs] == pytest.approx(first)
    coded = []
    for p, c in pairs:
        frequency = np.array([np.mean(c[:, 0] == e) for e in range(E)])
        coded.append(E**2 * np.mean(frequency * p.mean(axis=0)))
    assert first_choice_balance_loss(probabilities, chosen) == pytest.approx(np.mean(coded))
    counts = np.array([[np.sum(c == e) for e in range(E)] for c in chosen])
    published = np.sum(counts * E / (6 * 3) * probabilities.mean(axis=1), axis=1)
    assert sequence_balance_loss(probabilities, chosen) == pytest.approx(published.mean())


def test_sequences_out_of_balance_can_pool_to_balance():
    probabilities, chosen = np.array([[[0.9, 0.1]], [[0.1, 0.9]]]), np.array([[[0]], [[1]]])
    assert switch_balance_loss(probabilities.reshape(2, 2), chosen.reshape(2, 1)) == pytest.approx(1)
    assert first_choice_balance_loss(probabilities, chosen) == pytest.approx(1.8)
    assert sequence_balance_loss(probabilities, chosen) == pytest.approx(1.8)


@given(positive(2, 6, E).map(normalise), choices(2), relabellings)
def test_balance_losses_do_not_see_the_labels(probabilities, chosen, new):
    renamed = np.empty_like(probabilities)
    renamed[:, :, new] = probabilities
    for loss in (first_choice_balance_loss, sequence_balance_loss):
        assert loss(renamed, relabelled(chosen, new)) == pytest.approx(loss(probabilities, chosen))
    before, after = switch_balance_loss(probabilities[0], chosen[0]), relabelled(chosen[0], new)
    assert switch_balance_loss(renamed[0], after) == pytest.approx(before)


@given(arrays(float, (6, E), elements=st.floats(-5, 5)), relabellings)
def test_z_loss(logits, new):
    brute = np.mean([math.log(math.fsum(math.exp(x) for x in row)) ** 2 for row in logits])
    assert router_z_loss(logits) == pytest.approx(brute, rel=1e-9, abs=1e-12)
    assert router_z_loss(logits[:, new]) == pytest.approx(router_z_loss(logits))
    assert router_z_loss([[800.0, 800.0]]) == pytest.approx((800 + math.log(2)) ** 2)


@given(arrays(int, E, elements=st.integers(0, 50)).filter(np.any), relabellings)
def test_bias_moves_against_the_load(counts, new):
    bias = np.linspace(-1, 1, E)
    total = int(counts.sum())
    moved = [int(total > E * c) - int(total < E * c) for c in counts.tolist()]
    np.testing.assert_allclose(update_bias(bias, counts) - bias, 0.001 * np.array(moved), atol=1e-15)
    np.testing.assert_allclose(update_bias(bias, counts, step=0.5) - bias, 0.5 * np.array(moved), atol=1e-15)
    assert update_bias(bias[new], counts[new]).tolist() == update_bias(bias, counts)[new].tolist()


def test_bias_updates_balance_a_skewed_router():
    scores = np.random.default_rng(0).random((200, 4)) + np.array([0.5, 0.0, 0.0, -0.5])
    bias = np.zeros(4)
    for _ in range(1_500):
        bias = update_bias(bias, expert_counts(top_k(scores + bias, 1), 4))
    before, after = (jain_index(expert_counts(top_k(scores + b, 1), 4)) for b in (np.zeros(4), bias))
    assert before < 0.5
    assert after > 0.99


@given(positive(3, 6, E), ranks)
def test_trajectory_against_each_checkpoint(weights, k):
    found = router_trajectory(weights, k)
    order = np.argsort(-weights, axis=2, kind="stable")[:, :, :k]
    sets = [[set(row.tolist()) for row in checkpoint] for checkpoint in order]
    for t in range(3):
        counts = Counter(e for row in sets[t] for e in row)
        loads = [counts[e] for e in range(E)]
        kept = [len(now & last) / k for now, last in zip(sets[t], sets[2], strict=True)]
        assert found.set_saturation[t] == pytest.approx(np.mean(kept))
        assert found.slot_saturation[t] == pytest.approx(np.mean(order[t] == order[2]))
        assert found.jain_index[t] == pytest.approx(sum(loads) ** 2 / (E * sum(c * c for c in loads)))
        assert found.allocation_entropy[t] == pytest.approx(allocation_entropy(loads), abs=1e-12)
        assert found.dead_experts[t].tolist() == [c == 0 for c in loads]
        chosen = [sorted(row, reverse=True)[:k] for row in weights[t].tolist()]
        assert found.weight_entropy[t] == pytest.approx(weight_entropy(chosen), abs=1e-12)
    for t in range(2):
        new = [len(after - now) / k for now, after in zip(sets[t], sets[t + 1], strict=True)]
        assert found.change_rate[t] == pytest.approx(np.mean(new), abs=1e-14)
    assert found.change_rate.shape == (2,)


@given(st.integers(0, 2**32 - 1), ranks, relabellings)
def test_trajectory_does_not_see_the_labels(seed, k, new):
    weights = np.random.default_rng(seed).random((3, 6, E))
    renamed = np.empty_like(weights)
    renamed[:, :, new] = weights
    before, after = router_trajectory(weights, k), router_trajectory(renamed, k)
    for name in {field.name for field in fields(before)} - {"dead_experts"}:
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), atol=1e-12)
    assert after.dead_experts[:, new].tolist() == before.dead_experts.tolist()


@given(positive(3, 6, E))
def test_choosing_every_expert_leaves_nothing_to_change(weights):
    trajectory = router_trajectory(weights, E)
    assert trajectory.set_saturation.tolist() == [1, 1, 1]
    assert trajectory.change_rate.tolist() == [0, 0]
    assert trajectory.jain_index == pytest.approx(1)
    assert not trajectory.dead_experts.any()


def test_router_metrics_do_not_import_jax():
    check = "import sys, moetheory.routers; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
