"""How far a run is and how long it still takes, weighted by the cost of its blocks."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from os import PathLike
from types import TracebackType
from typing import Self, TextIO

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 15.0
TELLING_SHARE, TELLING_SECONDS = 0.02, 120.0
"""Share of the work, or time, from which on the time left is told: before, it is that of starting workers."""


class Progress:
    """Report finished blocks as a bar on a terminal, as plain lines elsewhere, and as dated lines in a log.

    The time left is ``elapsed * (1 - share) / share`` with ``share = cost done / total cost``. A stream that
    fails while the run goes on (a closed terminal, a full disk) never stops the run.

    Parameters
    ----------
    total_cost : float
        Sum of the costs of all blocks, in any unit, >= 0.
    label : str
        What is being run.
    blocks : int, optional
        Number of blocks, shown beside the number finished.
    stream : text stream, optional
        Standard error by default; without a terminal it gets at most one line per 15 s.
    log_path : path, optional
        File to extend by one line per block, with the UTC time.
    clock : callable
        Monotonic time in seconds.

    Raises
    ------
    ValueError
        If the total cost is negative or not finite.
    OSError
        If the log cannot be written when the run starts.

    Examples
    --------
    >>> import io
    >>> stream, seconds = io.StringIO(), iter([0.0, 20.0, 80.0])
    >>> with Progress(4.0, "softmax_exact", blocks=2, stream=stream, clock=lambda: next(seconds)) as progress:
    ...     progress.advance(1.0)
    >>> print(stream.getvalue(), end="")
    softmax_exact starts
    softmax_exact 1/2 blocks, 25% of the work, 1 min 0 s left
    softmax_exact 1/2 blocks, 25% of the work, took 1 min 20 s
    """

    def __init__(
        self,
        total_cost: float,
        label: str,
        *,
        blocks: int | None = None,
        stream: TextIO | None = None,
        log_path: str | PathLike[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total_cost = _checked(total_cost, "total_cost")
        self._label = label
        self._of_blocks = "" if blocks is None else f"/{blocks}"
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._start = clock()
        self._last_line = -math.inf
        self._blocks_done = 0
        self._cost_done = 0.0
        self._log_path = log_path
        self._write_log(f"{label} starts")
        self._bar = None
        if self._stream.isatty():
            self._bar = tqdm(total=1.0, file=self._stream, bar_format="{desc} |{bar}|", dynamic_ncols=True)
        self._show(f"{label} starts")

    def restart(self, words: str) -> None:
        """Say what happened; the time for the work counts from now."""
        self._start = self._clock()
        self._log(f"{self._label}: {words}")
        self._show(f"{self._label}: {words}")

    def advance(self, cost: float) -> None:
        """Count one more block as finished.

        Parameters
        ----------
        cost : float
            Cost of the block in the unit of the total cost, >= 0.

        Raises
        ------
        ValueError
            If the cost is negative or not finite.
        """
        self._cost_done += _checked(cost, "cost")
        self._blocks_done += 1
        now = self._clock()
        line = f"{self._state()}, {self._time_left(now)}"
        self._log(line)
        if self._bar is not None or now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._show(line)

    def close(self) -> None:
        """Report the share of the work done and the total time."""
        line = f"{self._state()}, took {_duration(self._clock() - self._start)}"
        self._log(line)
        self._show(line)
        if self._bar is not None:
            with suppress(OSError):
                self._bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _share(self) -> float:
        return min(self._cost_done / self._total_cost, 1.0) if self._total_cost else 1.0

    def _time_left(self, now: float) -> str:
        share = self._share()
        passed = now - self._start
        if share == 0 or (share < TELLING_SHARE and passed < TELLING_SECONDS):
            return "time left unknown"
        return f"{_duration(passed * (1 - share) / share)} left"

    def _state(self) -> str:
        percent = math.floor(100 * self._share() + 1e-9)
        return f"{self._label} {self._blocks_done}{self._of_blocks} blocks, {percent}% of the work"

    def _show(self, line: str) -> None:
        with suppress(OSError):
            if self._bar is None:
                print(line, file=self._stream, flush=True)
            else:
                self._bar.n = self._share()
                self._bar.set_description_str(line)

    def _log(self, line: str) -> None:
        with suppress(OSError):
            self._write_log(line)

    def _write_log(self, line: str) -> None:
        if self._log_path is not None:
            with open(self._log_path, "a", encoding="utf-8") as log:
                print(datetime.now(UTC).isoformat(timespec="seconds"), line, file=log)


def _checked(cost: float, name: str) -> float:
    if not (math.isfinite(cost) and cost >= 0):
        raise ValueError(f"{name}={cost}; a cost must be finite and not negative")
    return cost


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
