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
        (lambda: routers.router_trajectory([[[0.5, -0.1]]], 1), "gate_weights contains -0.1"),
        (lambda: routers.router_trajectory([[[0.0, 0.0]]], 1), "gate_weights has 1 rows of zeros"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
