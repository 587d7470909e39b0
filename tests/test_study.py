"""The engine computes what is missing, once, the same whatever the blocks, their order, the processes and the kills."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_cases import D1, D2, EM, MLE, SIMULATION

from moetheory import MaximumLikelihood, RandomStarts
from moetheory.estimators._base import ALGORITHM
from moetheory.study import Fibre, Rate, Recovery, Settings, Simulation, Store, StoreError, run_simulations
from moetheory.study import block as block_module
from moetheory.study import run as run_module
from moetheory.study import workers as workers_module
from moetheory.study.block import Block, Cell, run_block, sample_of
from moetheory.study.run import wanted_cells
from moetheory.study.sweep import sweep
from moetheory.study.workers import Workers

ROOT = Path(__file__).parents[1]
EXACT = ["data_id", "fit_id", "n", "replicate", "seed", "status", "log_likelihood_truth", "active_bounds", "cell_pattern"]
CELL = Cell(MLE.truth, MLE.inputs, 60, 2, MLE.estimator, seed=0)


def simulation(*claims, name="tiny"):
    return Simulation(title="Tiny", paper="0000.00000", claims=claims, name=name)


def run(folder, *simulations, jobs=1, **settings):
    run_simulations(simulations or [SIMULATION], Store(folder), Settings(**settings), Workers(jobs))
    return tables(folder)


def tables(folder):
    return Store(folder).read("fits"), Store(folder).read("measures")


def chunks(folder):
    """Bytes and time of writing of every chunk."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path(folder).glob("*/*.parquet")}


@given(st.lists(st.tuples(st.sampled_from([60, 120, 240]), st.sampled_from([2, 3]), st.integers(1, 9)), max_size=12))
def test_blocks_of_one_program_come_one_after_another_the_dearest_first(drawn):
    blocks = [Block(replace(CELL, size=size, num_experts=k), tuple(range(count)), ()) for size, k, count in drawn]
    ordered = run_module.in_order(blocks)
    assert Counter(map(id, ordered)) == Counter(map(id, blocks))
    programs = [block.cell.program for block in ordered]
    firsts = [block for n, block in enumerate(ordered) if n == 0 or programs[n] != programs[n - 1]]
    assert len(firsts) == len(set(programs))
    assert all(one.cost >= other.cost for one, other in pairwise(firsts))
    assert all(one.cost >= other.cost for one, other in pairwise(ordered) if one.cell.program == other.cell.program)


@given(st.lists(st.tuples(st.sampled_from([2, 3]), st.floats(0.1, 2.0)), max_size=12))
def test_tasks_are_of_one_program_and_the_first_of_every_program_comes_first(drawn):
    blocks = [FakeBlock(replace(CELL, num_experts=k), share * workers_module.TASK_COST) for k, share in drawn]
    tasks = workers_module.in_tasks(blocks)
    programs = [{block.cell.program for block in task} for task in tasks]
    assert all(len(program) == 1 for program in programs)
    number = len({block.cell.program for block in blocks})
    assert len({program for (program,) in programs[:number]}) == number
    for program in {block.cell.program for block in blocks}:
        mine = [task for task in tasks if task[0].cell.program == program]
        assert [id(block) for task in mine for block in task] == [id(one) for one in blocks if one.cell.program == program]
        sums = [sum(block.cost for block in task) for task in mine]
        assert all(total <= workers_module.TASK_COST for total, task in zip(sums, mine, strict=True) if len(task) > 1)
        assert all(total + later[0].cost > workers_module.TASK_COST for total, later in zip(sums, mine[1:], strict=False))


def test_large_sweeps_have_no_more_tasks_than_a_scheduler_takes(monkeypatch):
    monkeypatch.setattr(workers_module, "MOST_TASKS", 10)
    blocks = [FakeBlock(CELL, workers_module.TASK_COST) for _ in range(100)]
    assert [len(task) for task in workers_module.in_tasks(blocks)] == [10] * 10
    assert [len(task) for task in workers_module.in_tasks(blocks[:10])] == [1] * 10


class FakeBlock(NamedTuple):
    cell: Cell
    cost: float


def stored_rows(folder, table):
    """Number of rows on the disk, repeated ones counted."""
    return sum(len(pd.read_parquet(path)) for path in (Path(folder) / table).glob("*.parquet"))


def assert_same_tables(found, expected):
    """Equal data, bit by bit; equal fits and measures, to a relative 1e-9."""
    for one, other in zip(found, expected, strict=True):
        exact = [column for column in EXACT if column in one] + (["quantity"] if "quantity" in one else [])
        pd.testing.assert_frame_equal(one[exact], other[exact])
        close = [column for column in one if column not in [*exact, "seconds", "parameters"]]
        pd.testing.assert_frame_equal(one[close], other[close], rtol=1e-9, atol=1e-12, check_exact=False)
    np.testing.assert_allclose(np.stack(found[0]["parameters"]), np.stack(expected[0]["parameters"]), rtol=1e-9, atol=1e-12)


@pytest.fixture
def computed(monkeypatch):
    """Blocks computed in this process."""
    blocks = []

    def recorded(block):
        blocks.append(block)
        return run_block(block)

    monkeypatch.setattr(workers_module, "run_block", recorded)
    return blocks


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return run(tmp_path_factory.mktemp("uninterrupted"))


def work(blocks):
    """(fit, n, replicate) of everything fitted, each as often as it was fitted."""
    fitted = [block for block in blocks if not block.stored]
    return Counter((block.cell.fit_id, block.cell.size, r) for block in fitted for r in block.replicates)


# -- the same rows whatever the blocks, the order and the processes ---------------------------------------------


@given(st.permutations(range(5)), st.sets(st.integers(1, 4)))
def test_rows_do_not_depend_on_the_block_they_are_computed_in(order, cuts):
    bounds = [0, *sorted(cuts), 5]
    parts = [tuple(order[a:b]) for a, b in pairwise(bounds)]
    found = [run_block(Block(CELL, part, ("softmax_d1",))) for part in parts]
    whole = run_block(Block(CELL, tuple(range(5)), ("softmax_d1",)))
    assert_same_tables(*[[_table(blocks, name) for name in ("fits", "measures")] for blocks in (found, [whole])])


def _table(blocks, name):
    rows = [row for block in blocks for row in getattr(block, name)]
    return pd.DataFrame(rows).sort_values("replicate", ignore_index=True)


@pytest.mark.parametrize("size", [1, 2])
def test_tables_do_not_depend_on_block_size_and_order(tmp_path, monkeypatch, uninterrupted, size):
    planned = run_module.missing_blocks
    monkeypatch.setattr(run_module, "capacity", lambda cell: size)
    monkeypatch.setattr(run_module, "missing_blocks", lambda *inputs: planned(*inputs)[::-1])
    assert_same_tables(run(tmp_path), uninterrupted)
    assert len(list(tmp_path.glob("fits/*"))) == 4 * -(-3 // size)


def test_progress_counts_the_first_block_of_a_program_for_more_and_ends_with_the_last(tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "capacity", lambda cell: 1)
    run(tmp_path)
    found = re.findall(r"(\d+)% of the work, [^,]* left", (tmp_path / "run.log").read_text())
    *others, one, another = sorted(np.diff([0, *map(int, found)]))
    assert len(others) == 10
    assert sum(others) + one + another == 100
    assert 0 < others[0] <= others[-1] < one / 2


def test_two_workers_draw_the_same_bits_and_make_the_same_fits(tmp_path, monkeypatch, uninterrupted):
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setattr(run_module, "capacity", lambda cell: 1)
    assert_same_tables(run(tmp_path, jobs=2), uninterrupted)
    there = joblib.Parallel(n_jobs=2)(joblib.delayed(sample_of)(CELL, replicate) for replicate in range(4))
    here = [sample_of(CELL, replicate) for replicate in range(4)]
    assert [(s.x.tobytes(), s.y.tobytes()) for s in there] == [(s.x.tobytes(), s.y.tobytes()) for s in here]
    assert len({s.y.tobytes() for s in here}) == 4


def test_the_seed_moves_every_row(uninterrupted, tmp_path):
    fits, _ = run(tmp_path, seed=1)
    assert set(fits["seed"]) == {1}
    assert not set(fits["log_likelihood_truth"]) & set(uninterrupted[0]["log_likelihood_truth"])


def test_all_fits_of_a_cell_see_the_same_samples(uninterrupted):
    fits, _ = uninterrupted
    assert len(fits) == 2 * 2 * 3
    for _, rows in fits.groupby(["n", "replicate"]):
        assert rows["fit_id"].nunique() == 2
        assert rows["log_likelihood_truth"].nunique() == 1


# -- later runs keep the old rows and compute the rest ------------------------------------------------------------


def test_more_of_everything_keeps_the_old_rows_and_computes_the_rest_once(tmp_path, computed):
    old_fits, old_measures = run(tmp_path, simulation(MLE), sizes=(60,), replicates=2)
    before, first = chunks(tmp_path), work(computed)
    computed.clear()
    both = simulation(replace(MLE, checks=(D1, D2)), EM)
    fits, measures = run(tmp_path, both, sizes=(60, 120), replicates=4)
    assert {path: chunks(tmp_path)[path] for path in before} == before
    old = (fits["fit_id"] == MLE.fit_id()) & (fits["n"] == 60) & (fits["replicate"] < 2)
    pd.testing.assert_frame_equal(fits[old].reset_index(drop=True), old_fits)
    kept = measures.merge(old_measures, on=list(old_measures.columns))
    pd.testing.assert_frame_equal(kept, old_measures)
    everything = {(fit, n, r) for fit in (MLE.fit_id(), EM.fit_id()) for n in (60, 120) for r in range(4)}
    assert first + work(computed) == Counter(everything)
    assert {(b.quantities, b.replicates) for b in computed if b.stored} == {(("softmax_d2",), (0, 1))}
    assert len(fits) == stored_rows(tmp_path, "fits") == 16
    assert len(measures) == stored_rows(tmp_path, "measures") == 16 + 8


def test_the_same_run_again_computes_nothing(tmp_path, computed):
    run(tmp_path)
    before, count = chunks(tmp_path), len(computed)
    assert count == 4
    run(tmp_path)
    assert (len(computed), chunks(tmp_path)) == (count, before)
    run(tmp_path, sizes=(120,), replicates=1)
    assert len(computed) == count


def test_a_new_quantity_is_measured_from_stored_parameters_without_fitting(tmp_path, monkeypatch):
    whole, parts = simulation(replace(MLE, checks=(D1, D2))), simulation(MLE)
    _, expected = run(tmp_path / "whole", whole)
    run(tmp_path / "parts", parts)

    def refuse(*_):
        raise AssertionError("fitted again")

    monkeypatch.setattr(block_module, "fits_of", refuse)
    _, measures = run(tmp_path / "parts", whole)
    pd.testing.assert_frame_equal(measures, expected)


def test_a_quantity_that_was_measured_for_some_replicates_is_completed(tmp_path, computed):
    more = replace(MLE, checks=(D1, D2))
    run(tmp_path, simulation(more), replicates=2)
    run(tmp_path, simulation(MLE), replicates=4)
    computed.clear()
    _, measures = run(tmp_path, simulation(more), replicates=4)
    assert [(b.quantities, b.replicates, bool(b.stored)) for b in computed] == [(("softmax_d2",), (2, 3), True)] * 2
    assert len(measures) == 2 * 2 * 4


def test_claims_that_share_cells_share_rows(tmp_path, computed):
    twin = replace(MLE, name="twin", checks=(D2,), replicates=dict.fromkeys(MLE.replicates, 5))
    fits, measures = run(tmp_path, simulation(MLE, name="one"), simulation(twin, name="two"))
    assert set(work(computed).values()) == {1}
    assert len(fits) == 2 * 5
    assert set(measures.groupby("quantity").size()) == {2 * 5}
    assert sorted(Store(tmp_path).documents("claim-")) == ["claim-quick-one-mle", "claim-quick-two-twin"]


def test_a_stored_fit_has_its_measures_stored(tmp_path, monkeypatch, computed):
    """The chunk of measures is written first, so a kill between the two chunks costs one block and loses nothing."""

    class Kill(BaseException):
        pass

    append = Store.append

    def killed_before_the_fits(store, table, frame, name):
        if table == "fits":
            raise Kill
        return append(store, table, frame, name)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "append", killed_before_the_fits)
        with pytest.raises(Kill):
            run(tmp_path)
    assert (stored_rows(tmp_path, "fits"), stored_rows(tmp_path, "measures")) == (0, 3)
    run(tmp_path)
    assert (stored_rows(tmp_path, "fits"), stored_rows(tmp_path, "measures")) == (12, 12)
    assert sorted(work(computed).values()) == [1] * 9 + [2] * 3


def test_samples_smaller_than_the_number_of_parameters_are_outcomes(tmp_path):
    over = replace(MLE, name="over", num_experts=3, checks=(D2, Rate("e2.eta_0.split", "error", (0.5, 0.5), (0.25,))))
    fits, measures = run(tmp_path, simulation(MLE, over), sizes=(2, 5), replicates=2)
    assert len(fits) == 8
    assert set(fits["status"]) <= {"degenerate_variance", "at_bound", "dead_atom", "saddle", "restarts_disagree", "step_limit"}
    assert len(measures) == 4 + 8


# -- settings and versions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "label"),
    [
        ({}, "quick"),
        ({"preset": "paper"}, "paper"),
        ({"sizes": (150, 100), "replicates": 4, "seed": 1}, "quick_n100_150_r4_s1"),
        ({"replicates": 4}, "quick_r4"),
        ({"seed": 4}, "quick_s4"),
    ],
)
def test_settings_have_readable_labels(overrides, label):
    assert Settings(**overrides).label == label


def test_labels_of_many_sizes_are_short_and_differ():
    labels = {Settings("standard", 7, tuple(range(100, end, 50)), 400).label for end in (2000, 2050, 2100)}
    assert len(labels) == 3
    assert max(map(len, labels)) < 45


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"preset": "fast"}, r"preset='fast'; choose one of \['quick', 'standard', 'paper'\]"),
        ({"replicates": 0}, "replicates=0; need a whole number from 1 to 10,000,000"),
        ({"replicates": 2.5}, "replicates=2.5; need a whole number"),
        ({"replicates": True}, "replicates=True; need a whole number"),
        ({"sizes": ()}, r"sizes=\(\); need different whole numbers"),
        ({"sizes": 100}, "sizes=100; need different whole numbers"),
        ({"sizes": (100, 0)}, r"sizes=\(100, 0\); need different whole numbers"),
        ({"sizes": (100, 1)}, r"sizes=\(100, 1\); need different whole numbers of at least two"),
        ({"sizes": (100, 100)}, r"sizes=\(100, 100\); need different whole numbers"),
        ({"seed": -1}, "seed=-1; need a whole number that is not negative"),
        ({"seed": True}, "seed=True; need a whole number"),
    ],
)
def test_settings_that_make_no_sense_are_refused(overrides, message):
    with pytest.raises(ValueError, match=message):
        Settings(**overrides)


def test_overrides_leave_the_documents_of_the_preset(tmp_path):
    run(tmp_path, simulation(MLE), sizes=(60,), replicates=1)
    names = ["algorithm", "claim-quick_n60_r1-tiny-mle", "simulation-quick_n60_r1-tiny"]
    assert [name for name in Store(tmp_path).documents() if not name.startswith("run-")] == names
    assert Store(tmp_path).documents("claim-")[names[1]]["label"] == "quick_n60_r1"


@pytest.mark.parametrize("compute", [run, lambda folder: sweep({"n": [60]}, replicates=1, store=folder)])
def test_a_store_keeps_to_one_version_of_the_algorithm(tmp_path, monkeypatch, compute):
    compute(tmp_path)
    assert Store(tmp_path).documents("algorithm") == {"algorithm": {"version": ALGORITHM}}
    before, documents = chunks(tmp_path), Store(tmp_path).documents()
    monkeypatch.setattr(run_module, "ALGORITHM", ALGORITHM + 1)
    words = rf"of algorithm version {ALGORITHM}, this is version {ALGORITHM + 1}; .* give --store another folder"
    with pytest.raises(StoreError, match=words):
        compute(tmp_path)
    assert (chunks(tmp_path), Store(tmp_path).documents()) == (before, documents)


def test_a_store_of_unknown_version_is_not_gone_on_with(tmp_path):
    run(tmp_path, replicates=1)
    (tmp_path / "documents" / "algorithm.json").unlink()
    with pytest.raises(StoreError, match=r"holds fits but not documents/algorithm\.json"):
        run(tmp_path, replicates=2)


def test_points_of_a_fibre_are_hundredths():
    with pytest.raises(ValueError, match="different multiples of 0.01"):
        Fibre("softmax_d1", "D1", ((0.001, CELL.truth), (0.1, CELL.truth)), "distance", 0.0, 1.0)


def test_long_names_of_claims_have_documents(tmp_path):
    long = replace(SIMULATION, name="s" * 60, claims=(replace(SIMULATION.claims[0], name="c" * 60),))
    run(tmp_path, long, sizes=tuple(range(60, 80)), replicates=1, seed=123456)
    (document,) = Store(tmp_path).documents("claim-")
    assert len(document) <= 150


def test_what_a_choice_needs_is_measured_on_every_fit_that_it_compares():
    """Without a check of their own on it."""
    choice = Recovery("icl", "ICL", against=("one",), low=0.9, high=1.0)
    numbers = {"two": 2, "one": 1, "other": 3}
    started = replace(MLE, estimator=MaximumLikelihood(starts=(RandomStarts(1),)))
    claims = [replace(started, name=name, num_experts=number) for name, number in numbers.items()]
    claims[0] = replace(claims[0], checks=(choice,))
    cells = wanted_cells([simulation(*claims)], Settings("quick"))
    measured = {entry.cell.num_experts: "classification_entropy" in entry.quantities for entry in cells}
    assert measured == {2: True, 1: True, 3: False}
