"""Progress tells the share of the work, not of the blocks, and never stops a run."""

from __future__ import annotations

import io
import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moetheory.study.progress import SECONDS_BETWEEN_LINES, Progress


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Broken(io.StringIO):
    def write(self, _):
        raise BrokenPipeError


def run(steps, stream, *, total_cost, **options):
    """What is said after the start, advancing through (seconds, cost) steps on a clock of our own."""
    clock = Clock()
    with Progress(total_cost, "softmax_exact", stream=stream, clock=clock, **options) as progress:
        for seconds, cost in steps:
            clock.now += seconds
            progress.advance(cost)
    before, _, after = stream.getvalue().partition("softmax_exact starts")
    assert not re.search(r"\d", before)
    return re.split("[\r\n]+", after)[1:]


def test_lines_weigh_blocks_by_cost():
    lines = run([(36, 31), (20, 1), (40, 64)], io.StringIO(), total_cost=100, blocks=120)
    assert lines == [
        "softmax_exact 1/120 blocks, 31% of the work, 1 min 20 s left",
        "softmax_exact 2/120 blocks, 32% of the work, 1 min 59 s left",
        "softmax_exact 3/120 blocks, 96% of the work, 4 s left",
        "softmax_exact 3/120 blocks, 96% of the work, took 1 min 36 s",
        "",
    ]


def test_time_spent_waiting_is_said_and_not_counted(tmp_path):
    stream, clock = io.StringIO(), Clock()
    with Progress(4.0, "cosine", blocks=4, stream=stream, log_path=tmp_path / "run.log", clock=clock) as progress:
        progress.restart("waiting for workers of here")
        clock.now += 3600
        progress.restart("the first worker is there")
        clock.now += 10
        progress.advance(1.0)
    said = stream.getvalue().splitlines()
    assert said[:3] == ["cosine starts", "cosine: waiting for workers of here", "cosine: the first worker is there"]
    assert said[3] == "cosine 1/4 blocks, 25% of the work, 30 s left"
    assert [line.partition(" ")[2] for line in (tmp_path / "run.log").read_text().splitlines()] == said


@given(st.lists(st.integers(0, 40), max_size=12))
def test_lines_are_never_closer_than_the_interval(seconds):
    lines = run([(wait, 1.0) for wait in seconds], io.StringIO(), total_cost=12.0)[:-2]
    expected, last, now = [], -SECONDS_BETWEEN_LINES, 0
    for block, wait in enumerate(seconds, start=1):
        now += wait
        if now - last >= SECONDS_BETWEEN_LINES:
            expected.append(block)
            last = now
    assert [int(re.search(r"exact (\d+) blocks", line)[1]) for line in lines] == expected


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=30))
def test_unequal_costs_end_at_exactly_all_of_the_work(costs):
    lines = run([(20, cost) for cost in costs], io.StringIO(), total_cost=sum(reversed(costs)))
    shares = [int(re.search(r"(\d+)% of", line)[1]) for line in lines[:-1]]
    assert shares == sorted(shares)
    assert shares[-1] == 100


def test_nothing_to_do_is_all_done():
    assert run([], io.StringIO(), total_cost=0.0, blocks=0) == [
        "softmax_exact 0/0 blocks, 100% of the work, took 0 s",
        "",
    ]


def test_blocks_without_cost_promise_no_time():
    assert "0% of the work, time left unknown" in run([(1, 0.0)], io.StringIO(), total_cost=5.0)[0]


def test_the_first_blocks_promise_no_time_until_two_minutes_have_passed():
    """Workers start and compile then: 1% of the work in 20 s would be half an hour."""
    lines = run([(20, 1), (110, 0.5), (20, 1)], io.StringIO(), total_cost=100, blocks=3)
    assert lines[0].endswith("1% of the work, time left unknown")
    assert lines[1].endswith("1% of the work, 2 h 22 min left")
    assert lines[2].endswith("2% of the work, 1 h 37 min left")


@pytest.mark.parametrize(("seconds", "text"), [(59.4, "59 s"), (59.6, "1 min 0 s"), (3600, "1 h 0 min"), (90061, "25 h 1 min")])
def test_durations_are_read_at_a_glance(seconds, text):
    assert run([(seconds, 1)], io.StringIO(), total_cost=1)[-2].endswith(f"took {text}")


def test_a_terminal_gets_a_bar_at_every_block():
    lines = run([(1, 25), (1, 25)], Terminal(), total_cost=100, blocks=4)
    assert any("1/4 blocks, 25% of the work, 3 s left |" in line for line in lines)
    half = next(line for line in lines if "2/4 blocks, 50% of the work, 2 s left |" in line)
    filled, empty = (half.split("|")[1].count(mark) for mark in "# ")
    assert filled == empty > 0


def test_the_log_has_every_block_with_its_time(tmp_path):
    log = tmp_path / "run.log"
    log.write_text("earlier run\n")
    with Progress(2.0, "cosine", blocks=2, stream=io.StringIO(), log_path=log, clock=Clock()) as progress:
        progress.advance(1.0)
        progress.advance(1.0)
    first, *lines = log.read_text().splitlines()
    assert first == "earlier run"
    assert [line.partition(" ")[2] for line in lines] == [
        "cosine starts",
        "cosine 1/2 blocks, 50% of the work, 0 s left",
        "cosine 2/2 blocks, 100% of the work, 0 s left",
        "cosine 2/2 blocks, 100% of the work, took 0 s",
    ]
    assert all(datetime.fromisoformat(line.split()[0]).utcoffset().total_seconds() == 0 for line in lines)


def test_an_interrupted_run_says_how_far_it_came():
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt), Progress(4.0, "laplace", stream=stream, clock=Clock()) as progress:
        progress.advance(1.0)
        raise KeyboardInterrupt
    assert stream.getvalue().endswith("laplace 1 blocks, 25% of the work, took 0 s\n")


def test_a_stream_or_log_that_breaks_does_not_stop_the_run(tmp_path):
    log = tmp_path / "logs" / "run.log"
    log.parent.mkdir()
    with Progress(2.0, "laplace", stream=Broken(), log_path=log) as progress:
        log.unlink()
        log.parent.rmdir()
        progress.advance(1.0)


def test_a_log_that_cannot_be_written_is_known_at_the_start(tmp_path):
    with pytest.raises(FileNotFoundError):
        Progress(1.0, "laplace", stream=io.StringIO(), log_path=tmp_path / "absent" / "run.log")


@pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf")])
def test_costs_must_be_finite_and_not_negative(cost):
    with pytest.raises(ValueError, match="total_cost="):
        Progress(cost, "laplace", stream=io.StringIO())
    with pytest.raises(ValueError, match="^cost="):
        Progress(1.0, "laplace", stream=io.StringIO()).advance(cost)
