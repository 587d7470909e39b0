"""Blocks on a dask cluster: a real scheduler with two worker processes; a killed worker costs nothing but time."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import cloudpickle
import jax
import pytest
import study_cases
from study_cases import SIMULATION
from test_study import CELL, ROOT, assert_same_tables, run, stored_rows, tables

from moetheory.cli import main
from moetheory.estimators._base import ALGORITHM
from moetheory.study import Settings, Store, Workers, WorkersError, run_simulations
from moetheory.study import run as run_module
from moetheory.study import workers as workers_module
from moetheory.study.block import Block
from moetheory.study.discovery import load
from moetheory.study.run import missing_blocks, wanted_cells
from moetheory.study.sweep import sweep

dask = pytest.importorskip("dask.distributed", reason="needs the extra 'dask'")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

HELLINGER = 'Rate("hellinger", "Hellinger distance", exponents=(0.5, 0.5), rivals=(0.25,))'
GAP = '(D1, Gap("log_likelihood", "nats below the MLE", against="mle", low=-1.0, high=1e6))'
SCHEDULER_SEES = 50_000
"""Bytes of a pickled task, at most: names, settings, replicates of some blocks; never data."""


@pytest.fixture(scope="module")
def cluster():
    options = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": "CRITICAL"}
    with dask.LocalCluster(n_workers=2, **options) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return run(tmp_path_factory.mktemp("processes"), replicates=8)


@pytest.fixture
def small_blocks(monkeypatch):
    """Two replicates a block, a block a task."""
    monkeypatch.setattr(run_module, "capacity", lambda cell: 2)
    monkeypatch.setattr(workers_module, "TASK_COST", 0.0)


def on(cluster, folder, **settings):
    workers = Workers(backend="dask", scheduler=cluster.scheduler_address)
    return run_simulations([SIMULATION], Store(folder), Settings(**settings), workers)


def test_tables_are_those_of_processes(tmp_path, cluster, expected, small_blocks):
    assert on(cluster, tmp_path, replicates=8) == 16
    assert_same_tables(tables(tmp_path), expected)
    assert on(cluster, tmp_path, replicates=8) == 0


def test_blocks_of_a_killed_worker_are_computed_again_and_none_twice(tmp_path, cluster, small_blocks):
    with dask.Client(cluster) as client:
        victims = sorted(client.run(os.getpid).values())
        stop = threading.Event()

        def kill_one():
            while not stop.is_set() and len(list(tmp_path.glob("fits/*.parquet"))) < 4:
                time.sleep(0.002)
            os.kill(victims[0], signal.SIGKILL)

        killer = threading.Thread(target=kill_one)
        killer.start()
        blocks = on(cluster, tmp_path, replicates=60)
        stop.set()
        killer.join()
        client.wait_for_workers(2, timeout=60)
        assert victims[0] not in client.run(os.getpid).values()
    fits, measures = tables(tmp_path)
    assert len(fits) == stored_rows(tmp_path, "fits") == 2 * blocks == 240
    assert len(measures) == stored_rows(tmp_path, "measures") == 240
    assert_same_tables((fits, measures), run(tmp_path / "alone", replicates=60))


def test_a_task_that_the_scheduler_gives_up_ends_the_run(tmp_path, cluster, small_blocks, monkeypatch):
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    with dask.Client(cluster) as client, ThreadPoolExecutor(1) as pool:
        victim = min(client.run(os.getpid).values())
        run_on_cluster = pool.submit(on, cluster, tmp_path, replicates=60)
        while len(list(tmp_path.glob("fits/*.parquet"))) < 4:
            time.sleep(0.002)
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(WorkersError, match="gave a task up .* all other rows are stored"):
            run_on_cluster.result(timeout=120)
        client.wait_for_workers(2, timeout=60)
    monkeypatch.undo()
    stored = stored_rows(tmp_path, "fits")
    assert 8 <= stored < 240
    on(cluster, tmp_path, replicates=60)
    assert stored_rows(tmp_path, "fits") == 240


def test_the_one_worker_that_is_there_first_gets_all_tasks(tmp_path, small_blocks, monkeypatch):
    """Where joblib sees one worker it would compute in the process of the run, and those that come later find nothing."""
    monkeypatch.setattr(workers_module, "run_block", computed_here)
    options = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": "CRITICAL"}
    with dask.LocalCluster(n_workers=1, **options) as growing:
        on(growing, tmp_path, replicates=4)
    assert stored_rows(tmp_path, "fits") == 16


def computed_here(block):
    raise AssertionError("computed in the process of the run")


def test_workers_with_another_version_of_the_algorithm_are_refused(tmp_path, cluster, small_blocks):
    with dask.Client(cluster) as client:
        client.run(set_version, ALGORITHM - 1)
        try:
            with pytest.raises(WorkersError, match=f"has version {ALGORITHM - 1} of the algorithm, the run version {ALGORITHM}"):
                on(cluster, tmp_path, replicates=4)
        finally:
            client.run(set_version, ALGORITHM)
    assert not list(tmp_path.glob("fits/*"))
    assert on(cluster, tmp_path, replicates=4) == 8


def set_version(version):
    from moetheory.study import workers

    workers.ALGORITHM = version


def test_a_cluster_is_started_where_none_is_named(tmp_path, capsys):
    table = sweep({"n": [60, 90]}, replicates=2, store=tmp_path, jobs=2, backend="dask")
    assert table["status"].eq("converged").all() and len(table) == 4


def test_the_scheduler_sees_small_blocks_and_never_data(tmp_path):
    settings = Settings(sizes=(100_000,), replicates=300)
    blocks = missing_blocks(wanted_cells([SIMULATION], settings), Store(tmp_path))
    assert max(len(cloudpickle.dumps(task)) for task in workers_module.in_tasks(blocks)) < SCHEDULER_SEES
    assert max(len(block.replicates) * block.cell.size for block in blocks) < 2**21


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backend": "slurm"}, "backend='slurm'; choose one of"),
        ({"jobs": 0}, "jobs=0; need a number of processes of at least 1"),
        ({"jobs": -1}, "jobs=-1; need a number"),
        ({"scheduler": "tcp://here:1"}, "it belongs to backend='dask'"),
    ],
)
def test_wrong_workers_are_refused(options, words):
    with pytest.raises(WorkersError, match=words):
        Workers(**options)


@pytest.mark.parametrize("scheduler", ["tcp://127.0.0.1:1", "nowhere.json"])
def test_a_scheduler_that_is_not_there_is_a_message(tmp_path, capsys, monkeypatch, scheduler):
    monkeypatch.setattr(workers_module, "SECONDS_TO_CONNECT", 1)
    options = ["--store", str(tmp_path / "store"), "--backend", "dask", "--scheduler", scheduler]
    assert main(["run", study_cases.__file__, *options]) == 2
    assert f"no dask scheduler at {scheduler!r}" in capsys.readouterr().err


def test_a_scheduler_without_workers_is_a_message(tmp_path, monkeypatch):
    monkeypatch.setattr(workers_module, "SECONDS_FOR_WORKERS", 1)
    refused = pytest.raises(WorkersError, match="had no worker for 1 s; start some")
    with dask.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs="CRITICAL") as empty, refused:
        on(empty, tmp_path)


def test_a_scheduler_is_found_by_its_file(tmp_path, cluster, expected):
    file = tmp_path / "scheduler.json"
    threading.Timer(0.5, lambda: file.write_text(json.dumps({"address": cluster.scheduler_address}))).start()
    workers = Workers(backend="dask", scheduler=str(file))
    run_simulations([SIMULATION], Store(tmp_path / "store"), Settings(replicates=8), workers)
    assert_same_tables(tables(tmp_path / "store"), expected)
    log = (tmp_path / "store" / "run.log").read_text()
    assert log.index(f"waiting for workers of {file}") < log.index("the first worker is there") < log.index("% of the work")


def test_an_address_without_its_protocol_is_refused_at_once(tmp_path):
    with pytest.raises(WorkersError, match="an address begins with its protocol: tcp://10.0.0.5:8786"):
        run_simulations([SIMULATION], Store(tmp_path), Settings(), Workers(backend="dask", scheduler="10.0.0.5:8786"))


def test_a_worker_forgets_what_it_compiled_for_another_model():
    traced = []
    compiled = jax.jit(lambda value: traced.append(value) or value)

    def compiled_after(cell):
        list(Workers(jobs=1).results([Block(cell, (0,), ())]))
        compiled(1.0)
        return len(traced)

    more = replace(CELL, num_experts=CELL.num_experts + 1)
    assert [compiled_after(cell) for cell in (CELL, CELL, replace(CELL, size=CELL.size + 1), more, CELL)] == [1, 1, 1, 2, 3]


def test_a_gate_of_a_simulation_file_travels_to_workers(tmp_path):
    """The gate of the documentation, in the file of the simulation, which workers do not have."""
    page = (ROOT / "docs" / "extending.md").read_text()
    gate = next(block for block in page.split("```python\n")[1:] if "class SoftplusGate" in block).partition("```")[0]
    source = Path(study_cases.__file__).read_text()
    truth = "gate=SoftmaxGate(intercept=[-2.0, 0.0], slope=[[4.0], [0.0]])"
    rate = source.partition("D1 = ")[2].partition("\n")[0]
    own = source.replace(truth, truth.replace("SoftmaxGate", "SoftplusGate"))
    text = gate + own.replace(rate, HELLINGER).replace(GAP, "(D1,)")
    (tmp_path / "own.py").write_text(text)
    simulations = load([tmp_path / "own.py"])
    assert type(simulations[0].claims[0].truth.gate).__name__ == "SoftplusGate"
    settings = Settings(sizes=(60, 120), replicates=2)
    for name, workers in (("one", Workers(1)), ("processes", Workers(2)), ("dask", Workers(2, "dask"))):
        run_simulations(simulations, Store(tmp_path / name), settings, workers)
    for name in ("processes", "dask"):
        assert_same_tables(tables(tmp_path / name), tables(tmp_path / "one"))


def ended_by(error):
    def rows(*_):
        raise error
        yield

    return rows


def test_a_killed_process_is_explained(tmp_path, monkeypatch, capsys):
    """And is no wrong usage: scripts may run the same command again."""
    monkeypatch.setattr(workers_module, "_rows", ended_by(BrokenProcessPool()))
    with pytest.raises(WorkersError, match="a worker process was killed, .* run the same command again"):
        run_simulations([SIMULATION], Store(tmp_path), Settings(replicates=2), Workers(2))
    assert main(["run", study_cases.__file__, "--store", str(tmp_path / "store"), "--jobs", "2"]) == 1
    assert "a worker process was killed" in capsys.readouterr().err


def test_a_scheduler_that_is_gone_is_explained(tmp_path, cluster, monkeypatch):
    monkeypatch.setattr(workers_module, "_rows", ended_by(dask.client.FutureCancelledError("task", "connection lost")))
    with pytest.raises(WorkersError, match="the dask scheduler is gone .* run the same command again"):
        on(cluster, tmp_path)
