"""Input rules shared by the router metrics."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from moetheory._integers import is_integer

MOST_EXPERTS = 2**31
"""Indices from here on are no experts."""


def plain_array(values: ArrayLike, name: str) -> np.ndarray:
    """Values as an array; rows of several lengths and masks are refused."""
    if np.ma.isMaskedArray(values):
        raise ValueError(f"{name} is a masked array: the mask would be lost; pass the values that count.")
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} is no array: {error}; give all rows the same length.") from error


def checked_numbers(values: ArrayLike, name: str) -> np.ndarray:
    """Real numbers as float64."""
    given = plain_array(values, name)
    if given.dtype.kind in "cOSU":
        raise ValueError(f"{name} has dtype {given.dtype}: need real numbers; convert it.")
    return given.astype(np.float64)


def checked_scores(scores: ArrayLike, name: str) -> np.ndarray:
    """Scores of shape (..., N, E) as finite float64."""
    checked = checked_numbers(scores, name)
    if checked.ndim < 2 or checked.size == 0:
        raise ValueError(f"{name} has shape {checked.shape}: need (..., N, E), none of them 0; add the missing axis.")
    if not np.all(np.isfinite(checked)):
        raise ValueError(
            f"{name} contains {np.sum(~np.isfinite(checked))} values that are not finite: every score must be finite; "
            "drop those tokens."
        )
    return checked


def checked_probabilities(probabilities: ArrayLike) -> np.ndarray:
    """Probabilities of shape (..., N, E) as float64, each row summing to one."""
    checked = checked_scores(probabilities, "probabilities")
    if checked.min() < 0:
        raise ValueError(f"probabilities has minimum {checked.min()}: need at least 0; apply softmax to logits first.")
    sums = checked.sum(axis=-1)
    worst = sums.flat[np.argmax(np.abs(sums - 1))]
    if abs(worst - 1) > 1e-4:
        raise ValueError(f"a row of probabilities sums to {worst}: every row must sum to 1; divide rows by their sums.")
    return checked


def checked_chosen(chosen: ArrayLike, num_experts: int = MOST_EXPERTS) -> np.ndarray:
    """Expert indices of shape (..., N, k): integers in 0..num_experts-1, distinct for each token, as int64."""
    if not is_integer(num_experts, 1, MOST_EXPERTS):
        raise ValueError(f"num_experts={num_experts!r}: need the number of all experts, an integer of at least 1.")
    checked = plain_array(chosen, "chosen")
    if checked.ndim < 2 or checked.size == 0:
        raise ValueError(f"chosen has shape {checked.shape}: need (..., N, k), none of them 0; add the missing axis.")
    if not np.issubdtype(checked.dtype, np.integer):
        raise ValueError(f"chosen has dtype {checked.dtype}: need integer expert indices; take them from top_k.")
    if checked.min() < 0:
        raise ValueError(f"chosen contains {checked.min()}: experts are numbered from 0; drop the padding.")
    if checked.max() >= num_experts:
        raise ValueError(f"chosen contains expert {checked.max()}: need indices below E={num_experts}; pass all experts.")
    repeated = np.any(np.diff(np.sort(checked, axis=-1), axis=-1) == 0, axis=-1)
    if repeated.any():
        raise ValueError(
            f"chosen contains the token {checked[repeated][0].tolist()}: the k experts of a token must be distinct; "
            "take them from top_k."
        )
    return checked.astype(np.int64)


def checked_checkpoints(chosen: ArrayLike) -> np.ndarray:
    """Expert indices of shape (T+1, N, k)."""
    checked = checked_chosen(chosen)
    if checked.ndim != 3:
        raise ValueError(f"chosen has shape {checked.shape}: need (T+1, N, k); put the checkpoints on the first axis.")
    return checked


def checked_loads(values: ArrayLike, name: str) -> np.ndarray:
    """Values of shape (..., m) as float64, finite and at least 0, with a positive sum over the last axis."""
    checked = checked_numbers(values, name)
    if checked.ndim == 0 or checked.size == 0:
        raise ValueError(f"{name} has shape {checked.shape}: need at least one value on the last axis; pass an array.")
    if not np.all(np.isfinite(checked) & (checked >= 0)):
        wrong = checked[~(np.isfinite(checked) & (checked >= 0))]
        raise ValueError(f"{name} contains {wrong[0]}: need finite values of at least 0; drop or correct it.")
    empty = ~np.any(checked, axis=-1)
    if np.any(empty):
        raise ValueError(f"{name} has {np.sum(empty)} rows of zeros: need a positive sum; drop those rows.")
    return checked


def normalised(values: ArrayLike, name: str) -> np.ndarray:
    """Loads divided by their sum over the last axis, without overflow."""
    checked = checked_loads(values, name)
    scaled = checked / checked.max(axis=-1, keepdims=True)
    return scaled / scaled.sum(axis=-1, keepdims=True)
