"""Parameter sweeps: any factors, crossed or listed, replicated, with the keys, store and resume of the simulations."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moetheory._integers import is_integer
from moetheory.estimators import (
    AbstractEstimator,
    ExpectationMaximisation,
    MaximumLikelihood,
    NearTruth,
    ParameterBox,
    RandomStarts,
    StartRule,
)
from moetheory.experts import LinearExpert
from moetheory.gating import SoftmaxGate
from moetheory.inputs import InputLaw, Uniform, check_inputs
from moetheory.models import MixtureOfExperts
from moetheory.study.block import Cell
from moetheory.study.quantities import check_quantity
from moetheory.study.run import Wanted, compute, keep_to_one_algorithm, missing_blocks
from moetheory.study.store import FROM_FITS, Store
from moetheory.study.workers import Workers

TRUTH_FACTORS = ("k_true", "d", "noise", "separation", "gate_scale")
FIT_FACTORS = ("n", "k", "estimator", "start")
RESERVED = ("replicate", "status", "log_likelihood", "quantity", "value", "data_id", "fit_id", "seed")
BOX = ParameterBox(gate=40.0, expert=40.0, variance=(1e-4, 100.0))
STARTS: dict[str, tuple[StartRule, ...]] = {"near": (NearTruth(0.05),), "random": (RandomStarts(10),)}


def standard_truth(
    k_true: int = 2, d: int = 1, noise: float = 0.3, separation: float = 1.0, gate_scale: float = 4.0
) -> MixtureOfExperts:
    r"""A family of truths for sweeps, on inputs in [-1, 1]^d.

    Parameters
    ----------
    k_true, d : int, positive
        Number of atoms and of inputs.
    noise : float, positive
        Standard deviation of every atom, in units of the response.
    separation : float, positive
        Distance between the intercepts of neighbouring experts; their slopes alternate in sign, with
        this size in the first input, half of it in the second, and so on.
    gate_scale : float, not negative
        Length of the gate slopes, whose directions are spread evenly over the circle of the first two inputs. For
        d = 1 the slopes are spread evenly over [-gate_scale, gate_scale], ends included.

    Raises
    ------
    ValueError
        If a number is outside its domain, not finite, or not an integer where one is needed.

    Examples
    --------
    >>> standard_truth(k_true=3, d=2).num_experts
    3
    """
    reals = {"noise": noise, "separation": separation, "gate_scale": gate_scale}
    counted = is_integer(k_true, 1) and is_integer(d, 1)
    if not (counted and noise > 0 and separation > 0 and gate_scale >= 0 and np.isfinite(list(reals.values())).all()):
        raise ValueError(
            f"k_true={k_true}, d={d}, {reals}; need positive integers k_true and d, noise > 0, separation > 0,"
            " gate_scale >= 0 and finite numbers."
        )
    atom = np.arange(k_true)
    direction = np.zeros((k_true, d))
    if d == 1:
        direction[:, 0] = np.linspace(-1, 1, k_true)
    else:
        angle = 2 * np.pi * atom / k_true
        direction[:, :2] = np.column_stack([np.cos(angle), np.sin(angle)])
    sign = np.where(atom % 2 == 0, 1.0, -1.0)
    return MixtureOfExperts(
        gate=SoftmaxGate(intercept=np.zeros(k_true), slope=gate_scale * direction),
        expert=LinearExpert(slope=separation * sign[:, None] / np.arange(1, d + 1), intercept=separation * atom),
        variance=np.full(k_true, noise**2),
    )


def sweep(
    factors: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    quantities: Sequence[str] = ("softmax_d1",),
    replicates: int = 10,
    seed: int = 0,
    store: str | Path = "results/sweeps",
    jobs: int = 1,
    backend: str = "processes",
    scheduler: str | None = None,
    truth: Callable[..., MixtureOfExperts] = standard_truth,
    inputs: InputLaw | None = None,
) -> pd.DataFrame:
    """Fit replicates of every combination of factors and return one tidy table.

    Parameters
    ----------
    factors : mapping of str to sequence, or sequence of mappings
        A mapping is crossed; a sequence lists the combinations. ``n`` is needed; ``k`` (fitted atoms, default the true
        number), ``estimator`` (``"mle"``, ``"em"``, ``"published"`` or an estimator), ``start`` (``"near"``,
        ``"random"`` or a tuple of start rules) and the arguments of ``truth`` may be given.
    quantities : sequence of str
        What to measure, by the names that claims use.
    replicates : int, positive
        Replicates per combination.
    seed : int
        Seed of the study.
    store : path
        Folder of the rows; the same call again computes only what is missing.
    jobs, backend, scheduler
        Who computes, see :class:`moetheory.study.Workers`; the table does not depend on it.
    truth : callable
        Makes the truth from the remaining factors.
    inputs : InputLaw, optional
        Uniform on [-1, 1]^d by default.

    Returns
    -------
    DataFrame
        One row per combination, replicate and quantity: the factors, ``replicate, status, log_likelihood, quantity,
        value``. Unsuccessful fits are rows with their status.

    Raises
    ------
    ValueError, TypeError
        If a factor, a quantity, an estimator or a backend is unknown or out of its domain, or ``n`` is missing.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> table = sweep({"n": [100, 200], "noise": [0.2, 0.4]}, replicates=2, store=folder)
    >>> len(table), sorted(set(table["n"]))
    (8, [100, 200])
    """
    combinations = _combinations(factors)
    if isinstance(quantities, str) or not quantities:
        raise ValueError(f"quantities={quantities!r}; give a tuple of names such as ('softmax_d1',).")
    if not is_integer(replicates, 1):
        raise ValueError(f"replicates={replicates!r}; need an integer of at least one.")
    if not is_integer(seed, 0):
        raise ValueError(f"seed={seed!r}; need a whole number that is not negative.")
    if not callable(truth):
        raise TypeError(f"truth={truth!r}; give a function that makes the truth from its factors, such as lambda: model.")
    cells = [_cell(combination, truth, inputs, seed) for combination in combinations]
    for quantity in quantities:
        for cell in cells:
            check_quantity(quantity, cell.truth)
    measured = set(quantities) - set(FROM_FITS)
    wanted = {(c.data_id, c.fit_id): Wanted(c, replicates, measured) for c in cells}
    if len(wanted) < len(cells):
        ids = [(cell.data_id, cell.fit_id) for cell in cells]
        same = [one for one, own in zip(combinations, ids, strict=True) if ids.count(own) > 1]
        raise ValueError(f"combinations {same[:2]} are one and the same, and would count twice; leave one out.")
    rows, workers = Store(store), Workers(jobs, backend, scheduler)
    with rows.write_lock():
        keep_to_one_algorithm(rows)
        blocks = missing_blocks(list(wanted.values()), rows)
        if blocks:
            compute(blocks, rows, workers, "sweep")
    return _table(combinations, cells, rows, quantities, replicates)


def _combinations(factors) -> list[dict[str, Any]]:
    if isinstance(factors, Mapping):
        single = [name for name, values in factors.items() if isinstance(values, str) or not isinstance(values, Iterable)]
        if single:
            raise ValueError(f"factors {single} are no lists of values; write {{'n': [100, 200], 'noise': [0.3]}}.")
        listed = [dict(zip(factors, values, strict=True)) for values in itertools.product(*factors.values())]
    else:
        listed = [dict(combination) for combination in factors]
    if not listed or not all(is_integer(one.get("n"), 1) for one in listed):
        raise ValueError(f"factors={factors}; every combination needs a sample size 'n', a positive integer.")
    taken = set().union(*listed) & set(RESERVED)
    if taken:
        raise ValueError(f"factors {sorted(taken)} are columns of the table; give the arguments of truth other names.")
    return listed


def _cell(combination: Mapping[str, Any], make_truth, inputs: InputLaw | None, seed: int) -> Cell:
    arguments = {name: value for name, value in combination.items() if name not in FIT_FACTORS}
    unknown = sorted(set(arguments) - set(TRUTH_FACTORS))
    if make_truth is standard_truth and unknown:
        raise ValueError(f"unknown factors {unknown}; known are {[*FIT_FACTORS, *TRUTH_FACTORS]}.")
    truth = make_truth(**arguments)
    law = inputs or Uniform(low=(-1.0,) * truth.dimension, high=(1.0,) * truth.dimension)
    check_inputs(law, truth)
    estimator = _estimator(combination.get("estimator", "mle"), combination.get("start"))
    fitted = combination.get("k", truth.num_experts)
    if not is_integer(fitted, 1):
        raise ValueError(f"k={fitted}; need a positive integer, the number of fitted atoms.")
    return Cell(truth, law, int(combination["n"]), int(fitted), estimator, seed)


def _estimator(estimator: str | AbstractEstimator, start: str | tuple[StartRule, ...] | None) -> AbstractEstimator:
    if start is not None and (isinstance(estimator, AbstractEstimator) or estimator == "published"):
        raise ValueError(f"start={start!r} has no effect on estimator={estimator!r}, which brings its own; leave it out.")
    if isinstance(estimator, AbstractEstimator):
        return estimator
    start = "near" if start is None else start
    if isinstance(start, str) and start not in STARTS:
        raise ValueError(f"start={start!r}; known are {list(STARTS)}, or give a tuple of start rules.")
    starts = STARTS[start] if isinstance(start, str) else tuple(start)
    if estimator == "mle":
        return MaximumLikelihood(starts=starts, box=BOX)
    if estimator == "em":
        return ExpectationMaximisation(starts=starts, box=BOX, tolerance=1e-12, max_steps=20_000)
    if estimator == "published":
        return ExpectationMaximisation.as_published(box=BOX)
    raise ValueError(f"estimator={estimator!r}; known are 'mle', 'em', 'published', or give an estimator.")


def _table(combinations, cells: Sequence[Cell], store: Store, quantities: Sequence[str], replicates: int) -> pd.DataFrame:
    ids = sorted({cell.data_id for cell in cells})
    fits = store.read("fits", ids)
    fits["likelihood_ratio"] = 2 * (fits["log_likelihood"] - fits["log_likelihood_truth"])
    measures = store.read("measures", ids)
    keys = ["data_id", "fit_id", "seed", "n", "replicate"]
    direct = fits.melt(keys, list(FROM_FITS), var_name="quantity")
    values = pd.concat([measures, direct]).merge(fits[[*keys, "status"]], on=keys)
    values = values[values["quantity"].isin(quantities) & (values["replicate"] < replicates)]
    values = values.merge(fits[[*keys, "log_likelihood"]], on=keys)
    pairs = zip(combinations, cells, strict=True)
    names = pd.DataFrame([{**given, "data_id": c.data_id, "fit_id": c.fit_id, "seed": c.seed} for given, c in pairs])
    table = names.merge(values.drop(columns="n"), on=["data_id", "fit_id", "seed"])
    order = [*dict.fromkeys(itertools.chain(*combinations)), "replicate", "status", "log_likelihood", "quantity", "value"]
    return table[order].sort_values(["n", "replicate", "quantity"], kind="stable").reset_index(drop=True)
