"""One replicate again, from its name, beside its stored row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from moetheory.sampling import log_likelihood
from moetheory.study.block import Cell, fit_columns, fits_of, sample_of
from moetheory.study.claims import Claim, Simulation
from moetheory.study.quantities import measure, measure_on_sample
from moetheory.study.store import FROM_FITS, Store

RELATIVE_TOLERANCE = 1e-9


class ReplayError(Exception):
    """The name of a replicate does not fit the simulations or the store."""


def cell_of(simulations: Iterable[Simulation], name: str, seed: int) -> tuple[Claim, Cell, int]:
    """Claim, cell and replicate number of a name ``simulation/claim/n/replicate``."""
    try:
        simulation_name, claim_name, size, replicate = name.split("/")
        size, replicate = int(size), int(replicate)
    except ValueError as error:
        form = "simulation/claim/n/replicate, such as softmax_exact/ours/1000/7"
        raise ReplayError(f"{name!r} names no replicate; write {form}.") from error
    claims = {(simulation.name, claim.name): claim for simulation in simulations for claim in simulation.claims}
    if (simulation_name, claim_name) not in claims:
        own = [claim for simulation, claim in claims if simulation == simulation_name]
        known = f"it has {', '.join(own)}" if own else f"simulations are {', '.join(dict(claims.keys()))}"
        raise ReplayError(f"no claim {simulation_name}/{claim_name}; {known}.")
    if size < 1 or replicate < 0:
        raise ReplayError(f"n={size}, replicate={replicate}; need n >= 1 and replicate >= 0.")
    claim = claims[simulation_name, claim_name]
    cell = Cell(claim.truth_at(size), claim.inputs, size, claim.num_experts, claim.estimator, seed, claim.family)
    return claim, cell, replicate


def replay(store: Store, claim: Claim, cell: Cell, replicate: int) -> pd.DataFrame:
    """Table of every column and quantity: stored value, replayed value, whether they agree.

    Numbers agree to a relative 1e-9; a missing stored row leaves the column empty.
    """
    sample = sample_of(cell, replicate)
    of_truth = log_likelihood(cell.truth, sample)
    fit = fits_of(cell, [sample], [replicate], [of_truth])[0]
    columns = fit_columns(cell, of_truth, fit)
    replayed = {name: value for name, value in columns.items() if name != "parameters"}
    names = {name for check in claim.checks for name in check.measured(claim.truth)} - set(FROM_FITS)
    if fit.model:
        replayed |= measure(cell.truth, cell.inputs, cell.size, fit.model, sorted(names), cell.estimator.box)
        replayed |= measure_on_sample(fit.model, sample, names)
    stored = _stored(store, cell, replicate)
    rows = [(name, stored.get(name), value, _agree(stored.get(name), value)) for name, value in replayed.items()]
    return pd.DataFrame(rows, columns=["quantity", "stored", "replayed", "agree"])


def _stored(store: Store, cell: Cell, replicate: int) -> dict[str, Any]:
    found = {}
    for table in ("fits", "measures"):
        rows = store.read(table, [cell.data_id])
        mine = (rows["fit_id"] == cell.fit_id) & (rows["seed"] == cell.seed) & (rows["replicate"] == replicate)
        if table == "fits":
            found |= {name: value for row in rows[mine].to_dict("records") for name, value in row.items()}
        else:
            found |= dict(zip(rows.loc[mine, "quantity"], rows.loc[mine, "value"], strict=True))
    return found


def _agree(stored: Any, value: Any) -> bool | None:
    if stored is None:
        return None
    if isinstance(value, float):
        same = stored == value or (stored != stored and value != value)
        return bool(same or abs(stored - value) <= RELATIVE_TOLERANCE * max(1.0, abs(stored), abs(value)))
    return stored == value
