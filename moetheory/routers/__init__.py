"""Metrics of which experts a router chooses, how evenly and how stably; NumPy and SciPy only.

N tokens (or inputs), E experts, k experts chosen for each token, checkpoints 0..T on a leading axis.
"""

from moetheory.routers.auxiliary_losses import (
    first_choice_balance_loss,
    router_z_loss,
    sequence_balance_loss,
    switch_balance_loss,
    update_bias,
)
from moetheory.routers.balance import (
    allocation_entropy,
    dead_experts,
    effective_number,
    expert_counts,
    jain_index,
    token_shares,
    weight_entropy,
)
from moetheory.routers.dynamics import change_rate, experts_by_token_type, set_saturation, slot_saturation
from moetheory.routers.selection import margin, top_k
from moetheory.routers.trajectory import RouterTrajectory, router_trajectory

__all__ = [
    "RouterTrajectory",
    "allocation_entropy",
    "change_rate",
    "dead_experts",
    "effective_number",
    "expert_counts",
    "experts_by_token_type",
    "first_choice_balance_loss",
    "jain_index",
    "margin",
    "router_trajectory",
    "router_z_loss",
    "sequence_balance_loss",
    "set_saturation",
    "slot_saturation",
    "switch_balance_loss",
    "token_shares",
    "top_k",
    "update_bias",
    "weight_entropy",
]
