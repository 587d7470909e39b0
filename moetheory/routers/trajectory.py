"""All router metrics of gate weights along the checkpoints of a training run or the iterations of a fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from moetheory.routers.balance import allocation_entropy, dead_experts, jain_index, token_shares, weight_entropy
from moetheory.routers.checks import checked_loads
from moetheory.routers.dynamics import change_rate, set_saturation, slot_saturation
from moetheory.routers.selection import top_k


@dataclass(frozen=True, eq=False)
class RouterTrajectory:
    """Router metrics at checkpoints 0..T.

    Made by `router_trajectory`; each field is the function of the same name, applied to the top-k choices.

    Parameters
    ----------
    set_saturation, slot_saturation : (T+1,) arrays
        Shares in [0, 1].
    change_rate : (T,) array
        Share in [0, 1]; entry t compares checkpoints t and t+1.
    jain_index, allocation_entropy : (T+1,) arrays
        Of the token shares; in [1/E, 1] and [0, 1].
    weight_entropy : (T+1,) array
        Of the weights of the chosen experts, in [0, 1].
    dead_experts : (T+1, E) bool array
        Experts chosen for no token.

    References
    ----------
    arXiv 2505.10860, appendix H.1; 2411.00918.

    Examples
    --------
    >>> trajectory = router_trajectory([[[0.9, 0.1], [0.2, 0.8]], [[0.9, 0.1], [0.6, 0.4]]], 1)
    >>> trajectory.dead_experts.sum(axis=1)
    array([0, 1])
    """

    set_saturation: np.ndarray
    slot_saturation: np.ndarray
    change_rate: np.ndarray
    jain_index: np.ndarray
    allocation_entropy: np.ndarray
    weight_entropy: np.ndarray
    dead_experts: np.ndarray


def router_trajectory(gate_weights: ArrayLike, k: int) -> RouterTrajectory:
    """Compute the router metrics of the top-k experts at every checkpoint.

    Experts keep their labels over the checkpoints of one run; between two runs, match them first. With k = E every
    expert is chosen always, so that only `slot_saturation` and `weight_entropy` can vary.

    Parameters
    ----------
    gate_weights : (T+1, N, E) array
        Weights of E experts at the same N inputs at each checkpoint, at least 0; they need not sum to 1.
    k : int
        Experts per input, 1 <= k <= E.

    Returns
    -------
    RouterTrajectory

    Raises
    ------
    ValueError
        If the weights have another shape, are negative or not finite, all weights of an input are 0, or k is out of
        range.

    References
    ----------
    arXiv 2505.10860, appendix H.1; 2411.00918.

    Examples
    --------
    >>> trajectory = router_trajectory([[[0.9, 0.1], [0.2, 0.8]], [[0.9, 0.1], [0.6, 0.4]]], 1)
    >>> trajectory.set_saturation, trajectory.change_rate, trajectory.jain_index
    (array([0.5, 1. ]), array([0.5]), array([1. , 0.5]))
    """
    gate_weights = checked_loads(gate_weights, "gate_weights")
    if gate_weights.ndim != 3:
        raise ValueError(f"gate_weights has shape {gate_weights.shape}: need (T+1, N, E); put the checkpoints on the first axis.")
    chosen = top_k(gate_weights, k)
    shares = token_shares(chosen, gate_weights.shape[2])
    return RouterTrajectory(
        set_saturation=set_saturation(chosen),
        slot_saturation=slot_saturation(chosen),
        change_rate=change_rate(chosen),
        jain_index=jain_index(shares),
        allocation_entropy=allocation_entropy(shares),
        weight_entropy=weight_entropy(np.take_along_axis(gate_weights, chosen, axis=2)),
        dead_experts=dead_experts(shares),
    )
