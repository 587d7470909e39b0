"""How often a criterion chooses the true number of experts, from stored rows, without models and without JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from moetheory.status import Status
from moetheory.study.certified import status_of_both

KEYS = ["data_id", "seed", "n", "replicate"]
ENTROPY, CHOICE = "classification_entropy", "dendrogram_choice"


def recovered(check: Mapping[str, Any], own: pd.DataFrame, fits: pd.DataFrame, measures: pd.DataFrame) -> pd.DataFrame:
    """Per replicate, 1 if the criterion chooses the true number of experts and 0 if another; (n, replicate, value, status).

    Replicates that lack one of the compared fits are left out; the status is the first of theirs that is no certified maximum.
    """
    if check["quantity"] == "dendrogram":
        (fit_id, _) = next(iter(check["compared"].items()))
        chosen = _measured(measures, fit_id, CHOICE).set_index(KEYS)["value"]
    else:
        scores = {number: _scores(check["quantity"], fit_id, fits, measures) for fit_id, number in check["compared"].items()}
        chosen = _best(pd.DataFrame(scores).dropna(), check["compared"], fits)
    rows = own.set_index(KEYS).index
    chosen = chosen[chosen.index.isin(rows)]
    if not len(chosen):
        return pd.DataFrame(columns=["n", "replicate", "value", "status"])
    status = own.set_index(KEYS)["status"].reindex(chosen.index)
    for fit_id in check["compared"]:
        compared = fits[fits["fit_id"] == fit_id].set_index(KEYS)["status"].reindex(chosen.index)
        status = status_of_both(status, compared)
    value = (chosen == check["true_number"]).astype(float)
    return pd.DataFrame({"value": value, "status": status}).reset_index()[["n", "replicate", "value", "status"]]


def _best(scores: pd.DataFrame, compared: Mapping[str, int], fits: pd.DataFrame) -> pd.Series:
    """Number with the smallest score; as `select_number` does, none whose variance is on the floor if another has it not."""
    if not len(scores):
        return pd.Series(dtype=float)
    statuses = {number: fits[fits["fit_id"] == fit_id].set_index(KEYS)["status"] for fit_id, number in compared.items()}
    degenerate = pd.DataFrame(statuses).reindex(scores.index)[scores.columns] == Status.DEGENERATE_VARIANCE
    return scores.mask(degenerate & ~degenerate.all(axis=1).to_numpy()[:, None]).idxmin(axis=1)


def _scores(criterion: str, fit_id: str, fits: pd.DataFrame, measures: pd.DataFrame) -> pd.Series:
    """BIC or ICL of the fits of one number of experts."""
    mine = fits[fits["fit_id"] == fit_id].set_index(KEYS)
    sizes = mine.index.get_level_values("n").to_numpy(dtype=float)
    score = -2 * mine["log_likelihood"] + mine["parameters"].map(len) * np.log(sizes)
    if criterion == "bic":
        return score
    return score + 2 * sizes * _measured(measures, fit_id, ENTROPY).set_index(KEYS)["value"].reindex(mine.index)


def _measured(measures: pd.DataFrame, fit_id: str, quantity: str) -> pd.DataFrame:
    return measures[(measures["fit_id"] == fit_id) & (measures["quantity"] == quantity)]
