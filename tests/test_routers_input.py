"""Bad input of the router metrics is named, with the rule it breaks."""

import numpy as np
import pytest

from moetheory import routers

HALVES = [[0.5, 0.5]]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: routers.top_k([0.1, 0.9], 1), r"scores has shape \(2,\)"),
        (lambda: routers.top_k(np.zeros((0, 3)), 1), r"scores has shape \(0, 3\)"),
        (lambda: routers.top_k([[0.1, np.nan]], 1), "scores contains 1 values that are not finite"),
        (lambda: routers.top_k([[0.1, 0.9]], 0), "k=0 but there are 2 experts"),
        (lambda: routers.top_k([[0.1, 0.9]], 3), "k=3 .* need 1 <= k <= 2"),
        (lambda: routers.margin([[0.1, 0.9]], 2), "k=2 .* need 1 <= k <= 1"),
        (lambda: routers.set_saturation([[0, 1]]), r"chosen has shape \(1, 2\): need \(T\+1, N, k\)"),
        (lambda: routers.slot_saturation([[[0.0, 1.0]]]), "dtype float64"),
        (lambda: routers.change_rate([[[0, -1]]]), "contains -1"),
        (lambda: routers.set_saturation([[[0, 1], [2, 2]]]), r"the token \[2, 2\]"),
        (lambda: routers.change_rate(np.zeros((2, 0, 1), int)), r"shape \(2, 0, 1\)"),
        (lambda: routers.experts_by_token_type([[[0], [1]]], [3]), "each of 2 tokens"),
        (lambda: routers.experts_by_token_type([[[0], [1]]], [3.0, 4.0]), "dtype float64"),
        (lambda: routers.expert_counts([[0, 4]], 4), "contains expert 4"),
        (lambda: routers.jain_index([1, -2]), "loads contains -2.0"),
        (lambda: routers.allocation_entropy([1, np.inf]), "loads contains inf"),
        (lambda: routers.effective_number([[1, 1], [0, 0]]), "loads has 1 rows of zeros"),
        (lambda: routers.dead_experts([0, 0]), "loads has 1 rows of zeros"),
        (lambda: routers.jain_index([]), r"loads has shape \(0,\)"),
        (lambda: routers.weight_entropy([0.5, 0.5]), r"weights has shape \(2,\)"),
        (lambda: routers.switch_balance_loss([[0.5, 0.6]], [[0]]), "sums to 1.1"),
        (lambda: routers.switch_balance_loss([[1.5, -0.5]], [[0]]), "minimum -0.5"),
        (lambda: routers.switch_balance_loss(HALVES, [[2]]), "contains expert 2"),
        (lambda: routers.switch_balance_loss(HALVES, [[0], [1]]), r"shapes \(1, 2\) and \(2, 1\)"),
        (lambda: routers.switch_balance_loss([HALVES], [[[0]]]), "on 1 leading axes"),
        (lambda: routers.first_choice_balance_loss(HALVES, [[0, 2]]), "contains expert 2"),
        (lambda: routers.sequence_balance_loss(HALVES, [[0]]), "on 2 leading axes"),
        (lambda: routers.router_z_loss([[np.inf, 0.0]]), "logits contains 1"),
        (lambda: routers.update_bias([0.0], [1, 2]), r"shapes \(1,\) and \(2,\)"),
        (lambda: routers.update_bias([0.0, 0.0], [1, -2]), "counts contains -2.0"),
        (lambda: routers.update_bias([0.0, 0.0], [1, 2], step=0.0), "step is 0.0"),
        (lambda: routers.router_trajectory([[0.5, 0.5]], 1), r"need \(T\+1, N, E\)"),
        (lambda: routers.router_trajectory([[[[0.5, 0.5]]]], 1), r"need \(T\+1, N, E\)"),
        (lambda: routers.top_k([[0.1, 0.9]], 1.0), "k=1.0 .* an integer"),
        (lambda: routers.top_k([[0.1], [0.2, 0.3]], 1), "scores is no array: .* give all rows the same length"),
        (lambda: routers.top_k([["a", "b"]], 1), "scores has dtype <U1: need real numbers"),
        (lambda: routers.top_k([[1j, 0.0]], 1), "scores has dtype complex128: need real numbers"),
        (lambda: routers.jain_index(np.ma.array([1.0, 5.0], mask=[0, 1])), "loads is a masked array"),
        (lambda: routers.jain_index(3), r"loads has shape \(\)"),
        (lambda: routers.jain_index([np.nan, 1]), "loads contains nan"),
        (lambda: routers.switch_balance_loss([[0.5, 0.5], [0.4, 0.4]], [[0], [0]]), "sums to 0.8"),
        (lambda: routers.switch_balance_loss([[0.5, 0.501]], [[0]]), "sums to 1.001"),
        (lambda: routers.first_choice_balance_loss([[HALVES]], [[[[0]]]]), "on 1 or 2 leading axes"),
        (lambda: routers.expert_counts([[0, 1, 0]], 2), r"the token \[0, 1, 0\]"),
        (lambda: routers.expert_counts([[True, False]], 2), "dtype bool"),
        (lambda: routers.expert_counts([[0, 1]], 2.0), "num_experts=2.0: need the number of all experts, an integer"),
        (lambda: routers.expert_counts([[0, 1]], np.nan), "num_experts=nan"),
        (lambda: routers.set_saturation([[[[0, 1]]]]), r"chosen has shape \(1, 1, 1, 2\)"),
        (lambda: routers.change_rate([[[2**62]]]), "need indices below E="),
        (lambda: routers.experts_by_token_type([[[0], [1]]], [[3], [4]]), r"token_types has shape \(2, 1\)"),
        (lambda: routers.experts_by_token_type([[[0], [1]]], [True, False]), "dtype bool"),
        (lambda: routers.update_bias([np.nan, 0.0], [1, 2]), "bias contains nan"),
        (lambda: routers.update_bias([[0.0, 0.0]], [[1, 2]]), r"need \(E,\) for both"),
        (lambda: routers.update_bias([0.0, 0.0], [1, 2], step=np.inf), "step is inf"),
        (lambda: routers.update_bias([0.0, 0.0], [1, 2], step="1"), "step is '1'"),
        (lambda: routers.router_trajectory([[[0.5, -0.1]]], 1), "gate_weights contains -0.1"),
        (lambda: routers.router_trajectory([[[0.0, 0.0]]], 1), "gate_weights has 1 rows of zeros"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_probabilities_may_miss_one_by_rounding_in_single_precision():
    assert routers.switch_balance_loss([[0.5, 0.50005]], [[0]]) == pytest.approx(1.0)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint64, np.int64])
def test_narrow_and_unsigned_integers_are_the_same_experts_and_numbers_of_them(dtype):
    largest = min(np.iinfo(dtype).max, 300)
    chosen = np.array([[[0, largest], [largest, 1]]])
    for one, other in (
        (routers.expert_counts(chosen.astype(dtype), 301), routers.expert_counts(chosen, 301)),
        (routers.experts_by_token_type(chosen.astype(dtype), [1, 1])[1], routers.experts_by_token_type(chosen, [1, 1])[1]),
        (routers.margin([[4.0, 1.0, 2.0]], dtype(1)), np.array([2.0])),
        (routers.expert_counts(np.zeros((9, 1, 1), int), dtype(100)), routers.expert_counts(np.zeros((9, 1, 1), int), 100)),
    ):
        np.testing.assert_array_equal(one, other)
