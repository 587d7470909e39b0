"""Runs that are killed or interrupted leave no process behind, and go on where they stopped."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import study_cases
from test_study import ROOT, assert_same_tables, chunks, run, stored_rows, tables

from moetheory import cli

DRIVER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job starts with SIGINT ignored
from moetheory import cli
from moetheory.study import run
run.capacity = lambda cell: 2
sys.exit(cli.main())
"""
BLOCKS_PER_KILL = 16


@pytest.fixture
def start(tmp_path):
    """Start the command line in a process group of its own, with blocks of two replicates; all ends with the test."""
    shutil.copy(study_cases.__file__, tmp_path / "tiny.py")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    started = []

    def start(*arguments):
        command = [sys.executable, "-c", DRIVER, "run", "tiny.py", "--store", "store", *map(str, arguments)]
        options = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": path}, "start_new_session": True}
        with open(tmp_path / "output.txt", "w") as output:
            started.append(subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **options))
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for_blocks(process, folder, count):
    """Wait until the process has stored so many blocks, or has ended."""
    before = len(list(folder.glob("store/fits/*.parquet")))
    while process.poll() is None and len(list(folder.glob("store/fits/*.parquet"))) < before + count:
        time.sleep(0.002)


def assert_no_process_is_left(group):
    for _ in range(300):
        if not processes_of(group):
            return
        time.sleep(0.05)
    raise AssertionError(f"processes of group {group} go on: {processes_of(group)}")


def processes_of(group):
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, own_group = file.read_text().rpartition(")")[2].split()[:3]
            found += [file.parent.name] if int(own_group) == group and state != "Z" else []
    return found


def kill_and_resume(start, folder, sizes, kills):
    dice, acknowledged = random.Random(kills), {}
    options = ["--sizes", ",".join(map(str, sizes)), "--reps", 4]
    for kill in range(kills):
        process = start(*options, "--jobs", 2 if kill % 4 == 1 else 1)
        wait_for_blocks(process, folder, dice.randint(0, BLOCKS_PER_KILL // 2))
        time.sleep(dice.uniform(0, 0.05))
        process.kill()
        process.wait()
        assert_no_process_is_left(process.pid)
        stored = {path: written for path, written in chunks(folder / "store").items() if path.parent.name == "fits"}
        assert {path: stored[path] for path in acknowledged} == acknowledged
        acknowledged = stored
    assert 0 < len(acknowledged) < BLOCKS_PER_KILL * kills
    assert start(*options, "--jobs", 1).wait() == 0, (folder / "output.txt").read_text()
    assert {path: chunks(folder / "store")[path] for path in acknowledged} == acknowledged


def assert_nothing_was_computed_twice(store, blocks, kills):
    """But for blocks in flight: a kill may fall between storing the two chunks and logging the block."""
    fits, measures = tables(store)
    assert stored_rows(store, "fits") == len(fits) == 2 * blocks
    assert stored_rows(store, "measures") == len(measures) == 2 * blocks
    finished = sum("blocks," in line and line.endswith("left") for line in (store / "run.log").read_text().splitlines())
    assert blocks - kills <= finished <= blocks
    assert not list(store.rglob("*.tmp"))


@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_and_resumed_runs_give_the_tables_of_an_uninterrupted_one(start, tmp_path, kills):
    sizes = tuple(range(60, 60 + 20 * kills, 5))
    kill_and_resume(start, tmp_path, sizes, kills)
    assert "report:" in (tmp_path / "output.txt").read_text()
    assert_nothing_was_computed_twice(tmp_path / "store", BLOCKS_PER_KILL * kills, kills)
    expected = run(tmp_path / "uninterrupted", sizes=sizes, replicates=4)
    assert_same_tables(tables(tmp_path / "store"), expected)


@pytest.mark.parametrize(("jobs", "sent"), [(1, signal.SIGINT), (2, signal.SIGINT), (2, signal.SIGTERM)])
def test_ctrl_c_says_what_to_do_and_exits_with_130(start, tmp_path, jobs, sent):
    process = start("--reps", 4000, "--jobs", jobs)
    wait_for_blocks(process, tmp_path, 2)
    os.killpg(process.pid, signal.SIGINT) if sent == signal.SIGINT else process.send_signal(sent)
    assert process.wait(timeout=60) == 130
    output = (tmp_path / "output.txt").read_text()
    assert "blocks that were done are stored, those under way begin anew: run the same command again" in output
    assert "Traceback" not in output
    assert_no_process_is_left(process.pid)
    fits, measures = tables(tmp_path / "store")
    assert len(fits) >= 4
    assert len(measures) in (len(fits), len(fits) + 2)


def test_workers_end_with_a_run_that_is_killed_as_soon_as_they_start(start):
    process = start("--sizes", "60,70,80,90", "--reps", 40, "--jobs", 2)
    while process.poll() is None and len(processes_of(process.pid)) < 3:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert_no_process_is_left(process.pid)


def test_a_command_leaves_termination_as_it_was(capsys):
    """Inside it SIGTERM is Ctrl-C, also where another thread runs it, which may set no signals."""
    before = signal.getsignal(signal.SIGTERM)
    with ThreadPoolExecutor() as pool:
        assert pool.submit(cli.main, ["list", str(ROOT / "simulations")]).result() == 0
    assert cli.main(["list", str(ROOT / "simulations")]) == 0
    assert signal.getsignal(signal.SIGTERM) is before
    assert capsys.readouterr().out
