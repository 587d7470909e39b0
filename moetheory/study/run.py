"""Plan what is missing, compute it in blocks, store every block as it comes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from moetheory._integers import is_integer
from moetheory.estimators import ALGORITHM
from moetheory.study.block import MOST_REPLICATES, PROGRAM_COST, Block, BlockRows, Cell, capacity
from moetheory.study.claims import Claim, Simulation
from moetheory.study.describe import describe
from moetheory.study.documents import LARGEST_STUDY, PRESETS, claim_document, setting_label, simulation_document
from moetheory.study.manifest import document_name as run_name
from moetheory.study.manifest import manifest
from moetheory.study.progress import Progress
from moetheory.study.store import FROM_FITS, Store, StoreError
from moetheory.study.workers import Workers


@dataclass(frozen=True)
class Settings:
    """What the command line may override.

    Parameters
    ----------
    preset : str
        ``quick``, ``standard`` or ``paper``.
    seed : int
        Seed of the study.
    sizes : tuple of int, optional
        Sample sizes instead of the preset's.
    replicates : int, optional
        Replicates instead of the preset's.

    Raises
    ------
    ValueError
        If the preset is unknown, or sizes or replicates are no whole numbers of at least one, or replicates too many.
    """

    preset: str = "quick"
    seed: int = 0
    sizes: tuple[int, ...] | None = None
    replicates: int | None = None

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"preset={self.preset!r}; choose one of {list(PRESETS)}.")
        listed = isinstance(self.sizes, tuple | list) and self.sizes and all(is_integer(size, 2) for size in self.sizes)
        if self.sizes is not None and not (listed and len(set(self.sizes)) == len(self.sizes)):
            raise ValueError(f"sizes={self.sizes!r}; need different whole numbers of at least two, such as (100, 1000), or None.")
        if not is_integer(self.seed, 0):
            raise ValueError(f"seed={self.seed!r}; need a whole number that is not negative.")
        if self.replicates is not None and not is_integer(self.replicates, 1, LARGEST_STUDY):
            given = f"replicates={self.replicates!r}"
            raise ValueError(f"{given}; need a whole number from 1 to {LARGEST_STUDY:,}, or None for the preset's.")

    @property
    def label(self) -> str:
        """The preset, with what overrides it if anything does; names documents and the folder of results."""
        return setting_label(self.preset, self.seed, self.sizes, self.replicates)

    def sizes_of(self, claim: Claim) -> tuple[int, ...]:
        """Sample sizes of a claim."""
        return self.sizes or tuple(claim.sizes[self.preset])

    def replicates_of(self, claim: Claim) -> int:
        """Replicates of a claim."""
        return self.replicates or claim.replicates[self.preset]


@dataclass
class Wanted:
    """Replicates and quantities wanted of one cell, over all claims."""

    cell: Cell
    replicates: int = 0
    quantities: set[str] = field(default_factory=set)


def wanted_cells(simulations: Iterable[Simulation], settings: Settings) -> list[Wanted]:
    """Cells of all claims; claims that share data and fit share the cell."""
    wanted: dict[tuple[str, str], Wanted] = {}
    for simulation in simulations:
        for claim in simulation.claims:
            checks = (*claim.checks, *simulation.choices_among(claim))
            for size in settings.sizes_of(claim):
                truth, seed = claim.truth_at(size), settings.seed
                cell = Cell(truth, claim.inputs, size, claim.num_experts, claim.estimator, seed, claim.family)
                entry = wanted.setdefault((cell.data_id, cell.fit_id), Wanted(cell))
                entry.replicates = max(entry.replicates, settings.replicates_of(claim))
                entry.quantities |= {name for check in checks for name in check.measured(claim.truth)}
                entry.quantities -= set(FROM_FITS)
    return list(wanted.values())


def missing_blocks(wanted: Sequence[Wanted], store: Store) -> list[Block]:
    """Blocks that the store lacks: fits not made yet, and quantities not measured yet on fits that are."""
    ids = sorted({entry.cell.data_id for entry in wanted})
    fits, measures = store.read("fits", ids), store.read("measures", ids)
    keys = ["data_id", "fit_id", "seed"]
    fits_by_cell = dict(iter(fits.groupby(keys)))
    measures_by_cell = dict(iter(measures.groupby(keys)))
    blocks = []
    for entry in wanted:
        key = (entry.cell.data_id, entry.cell.fit_id, entry.cell.seed)
        have, measured = fits_by_cell.get(key), measures_by_cell.get(key)
        blocks += _fit_blocks(entry, have)
        if have is not None:
            blocks += _measure_blocks(entry, have, measured)
    return in_order(blocks)


def in_order(blocks: Sequence[Block]) -> list[Block]:
    """Blocks of one compiled program after another, the dearest of each and the program of the dearest first.

    So a worker loads every program once and keeps few of them, and the last blocks are cheap.
    """
    dearest_first = sorted(blocks, key=lambda block: -block.cost)
    turn = {program: number for number, program in enumerate(dict.fromkeys(block.cell.program for block in dearest_first))}
    return sorted(dearest_first, key=lambda block: turn[block.cell.program])


def _fit_blocks(entry: Wanted, have: pd.DataFrame | None) -> list[Block]:
    done = set() if have is None else set(have["replicate"])
    todo = [replicate for replicate in range(entry.replicates) if replicate not in done]
    quantities = tuple(sorted(entry.quantities))
    return [Block(entry.cell, part, quantities) for part in _parts(todo, capacity(entry.cell))]


def _measure_blocks(entry: Wanted, have: pd.DataFrame, measured: pd.DataFrame | None) -> list[Block]:
    """Blocks for quantities that fits lack; quantities lacking on the same replicates share them."""
    rows = have[have["replicate"] < entry.replicates].set_index("replicate")["parameters"]
    lacking: dict[tuple[int, ...], list[str]] = {}
    for quantity in sorted(entry.quantities):
        done = set() if measured is None else set(measured.loc[measured["quantity"] == quantity, "replicate"])
        todo = tuple(replicate for replicate in rows.index if replicate not in done)
        lacking.setdefault(todo, []).append(quantity)
    return [
        Block(entry.cell, part, tuple(quantities), stored=tuple(tuple(rows[replicate]) for replicate in part))
        for todo, quantities in lacking.items()
        for part in _parts(todo, MOST_REPLICATES)
    ]


def _parts(replicates: Sequence[int], size: int) -> list[tuple[int, ...]]:
    return [tuple(map(int, replicates[begin : begin + size])) for begin in range(0, len(replicates), size)]


def compute(blocks: Sequence[Block], store: Store, workers: Workers, label: str, log_path: Path | None = None) -> None:
    """Compute blocks and store each as it comes; the store must be locked."""
    programs = {block.cell.program for block in blocks}
    total = sum(block.cost for block in blocks) + PROGRAM_COST * len(programs)
    with Progress(total, label, blocks=len(blocks), log_path=log_path) as progress:
        for rows in workers.results(blocks, progress.restart):
            keep(rows, store)
            program = rows.block.cell.program
            progress.advance(rows.block.cost + PROGRAM_COST * (program in programs))
            programs.discard(program)


def keep(rows: BlockRows, store: Store) -> None:
    """Store the rows of a block, its fits last: a stored fit has its quantities stored.

    Block by block: a block that is computed again, since the run was killed in between, gives the same files.
    """
    if rows.measures:
        store.append("measures", pd.DataFrame(rows.measures), rows.block.name)
    if rows.fits:
        store.append("fits", pd.DataFrame(rows.fits), rows.block.name)


def run_simulations(simulations: Sequence[Simulation], store: Store, settings: Settings, workers: Workers | None = None) -> int:
    """Compute what the store lacks for these simulations; returns the number of blocks computed."""
    workers = workers or Workers()
    with store.write_lock():
        keep_to_one_algorithm(store)
        _record(simulations, store, settings, workers)
        blocks = missing_blocks(wanted_cells(simulations, settings), store)
        if blocks:
            label = simulations[0].name if len(simulations) == 1 else f"{len(simulations)} simulations"
            compute(blocks, store, workers, label, Path(store.path) / "run.log")
    return len(blocks)


def keep_to_one_algorithm(store: Store) -> None:
    """Claim a new store for the present version of the algorithm, or check that it is of this version.

    Raises
    ------
    StoreError
        If the store holds fits of another or an unknown version; names of fits do not tell them apart.
    """
    stored = store.documents("algorithm").get("algorithm")
    if stored is None and store.has_fits():
        raise StoreError(
            f"{store.path} holds fits but not documents/algorithm.json, which says which version of the algorithm they are of;"
            ' put that file back, it holds {"version": NUMBER}, or give --store another folder.'
        )
    if stored is None:
        store.put_document("algorithm", {"version": ALGORITHM})
    elif stored.get("version") != ALGORITHM:
        raise StoreError(
            f"{store.path} holds fits of algorithm version {stored.get('version')}, this is version {ALGORITHM}; "
            "a store keeps to one version: give --store another folder."
        )


def _record(simulations: Sequence[Simulation], store: Store, settings: Settings, workers: Workers) -> None:
    import jax

    facts = manifest()
    device = f"{jax.devices()[0].platform}: {jax.devices()[0].device_kind}"
    computed = {"backend": workers.backend, "jobs": workers.number, "cores": os.cpu_count()}
    details = {"device": device, "preset": settings.preset, "seed": settings.seed, **computed}
    store.put_document(run_name(facts), facts | details)
    for simulation in simulations:
        names = [claim.name for claim in simulation.claims]
        store.put_document(simulation_document(simulation.name, settings.label), {"claims": names})
        for order, claim in enumerate(simulation.claims):
            document = describe(simulation, claim, order, settings)
            store.put_document(claim_document(simulation.name, claim.name, settings.label), document)
