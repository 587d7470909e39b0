"""Who computes the blocks of a run: this process, processes of this machine, or the workers of a dask cluster."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import cloudpickle
import jax
import joblib
from joblib.externals.loky import get_reusable_executor

from moetheory._config import single_threaded_workers
from moetheory._integers import is_integer
from moetheory.estimators import ALGORITHM
from moetheory.study.block import Block, BlockRows, run_block
from moetheory.study.simulation_modules import Sources, mentioned, prepare

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_TO_CONNECT = 60
SECONDS_FOR_WORKERS = 3600
"""A queue may keep the workers of a cluster for a while."""
TASKS_AHEAD = 20_000
"""Tasks that a scheduler holds at once: workers that come late find work, and kilobytes each do not fill its memory."""
TASK_COST = 5e6
"""Cost of the blocks that a worker gets at once: a worker that changes to another program takes a second to load it."""
MOST_TASKS = 50_000
"""Large sweeps have larger tasks: each costs the scheduler a millisecond."""
BACKENDS = ("processes", "dask")
HOST_AND_PORT = re.compile(r"[^/:]+:\d+")
REPLACED = "A worker stopped while some jobs were given"
"""Loky replaces workers that have grown, as those do that compiled many models, and warns; no block is lost."""


class WorkersError(ValueError):
    """The workers asked for are not to be had; the message says what to do."""


class WorkersLost(WorkersError):
    """Workers, or their scheduler, ended during a run; the same command goes on."""


def _silent(words: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Workers:
    """Where blocks are computed; results never depend on it.

    Parameters
    ----------
    jobs : int, optional
        Processes, by default as many as the machine has cores. A cluster that is already there has its own number.
    backend : {"processes", "dask"}
        Processes of this machine, or workers of a dask.distributed scheduler, through joblib both.
    scheduler : str, optional
        Address of the scheduler (``tcp://host:8786``) or the path of its scheduler file; by default the ``dask`` backend
        starts a scheduler and ``jobs`` worker processes on this machine.

    Raises
    ------
    WorkersError
        If the number of processes is none, the backend is unknown, or a scheduler is given to processes.
    """

    jobs: int | None = None
    backend: str = "processes"
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and not is_integer(self.jobs, 1):
            raise WorkersError(f"jobs={self.jobs!r}; need a number of processes of at least 1, or None for one per core.")
        if self.backend not in BACKENDS:
            raise WorkersError(f"backend={self.backend!r}; choose one of {list(BACKENDS)}.")
        if self.scheduler is not None and self.backend != "dask":
            raise WorkersError(f"scheduler={self.scheduler!r} with backend={self.backend!r}; it belongs to backend='dask'.")

    @property
    def number(self) -> int:
        """Processes on this machine."""
        return self.jobs or joblib.cpu_count()

    def results(self, blocks: Sequence[Block], tell: Callable[[str], None] = _silent) -> Iterator[BlockRows]:
        """Rows of the blocks, as workers send them: those of a task together; ``tell`` hears of waiting for workers."""
        if self.backend == "dask":
            yield from self._on_cluster(blocks, tell)
        elif self.number == 1 or len(blocks) == 1:
            yield from map(_run_block, blocks)
        else:
            yield from self._in_processes(blocks)

    def _in_processes(self, blocks: Sequence[Block]) -> Iterator[BlockRows]:
        single_threaded_workers()
        warnings.filterwarnings("ignore", message=REPLACED, category=UserWarning)
        try:
            options = {"initializer": _start_worker, "initargs": (os.getpid(),)}
            parallel = joblib.Parallel(n_jobs=self.number, return_as="generator_unordered", **options)
            yield from _rows(parallel, blocks)
        except (KeyboardInterrupt, GeneratorExit):
            get_reusable_executor().shutdown(wait=False, kill_workers=True)
            raise
        except BrokenProcessPool as error:
            raise WorkersLost(
                "a worker process was killed, perhaps for want of memory; all other rows are stored: run the same command again,"
                " with fewer --jobs if it happens again."
            ) from error

    def _on_cluster(self, blocks: Sequence[Block], tell: Callable[[str], None]) -> Iterator[BlockRows]:
        with self._client(tell) as client:
            from moetheory.study.dask_backend import ErrorTellingBackend, FutureCancelledError, KilledWorker

            with joblib.parallel_config(ErrorTellingBackend(client=client, pure=False)):
                parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch=TASKS_AHEAD)
                try:
                    yield from _rows(parallel, blocks)
                except KilledWorker as error:
                    raise WorkersLost(
                        f"the dask scheduler gave a task up whose workers died again and again ({error}); all other rows are"
                        " stored: look at the workers' memory and logs, and run the same command again."
                    ) from error
                except FutureCancelledError as error:
                    raise WorkersLost(
                        f"the dask scheduler is gone ({error}); the rows that came back are stored: run the same command again."
                    ) from error

    @contextmanager
    def _client(self, tell: Callable[[str], None]) -> Iterator[Any]:
        try:
            from dask.distributed import Client, LocalCluster
        except ImportError as error:
            raise WorkersError("the dask backend needs dask.distributed: pip install 'moetheory[dask]'.") from error
        if self.scheduler is None:
            single_threaded_workers()
            options = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": "ERROR"}
            with LocalCluster(n_workers=self.number, **options) as cluster, Client(cluster) as client:
                yield client
            return
        with _connected(Client, self.scheduler, tell) as client:
            yield client


def in_tasks(blocks: Sequence[Block]) -> list[list[Block]]:
    """Blocks that a worker computes in a row, of one compiled program each; the first task of every program comes first.

    So every program is compiled once, by one worker, while the others compile other ones; later workers find it on the disk.
    """
    tasks: dict[tuple, list[list[Block]]] = {}
    most = max(TASK_COST, sum(block.cost for block in blocks) / MOST_TASKS)
    for block in blocks:
        mine = tasks.setdefault(block.cell.program, [])
        if not mine or sum(one.cost for one in mine[-1]) + block.cost > most:
            mine.append([])
        mine[-1].append(block)
    later = (task for mine in tasks.values() for task in mine[1:])
    return [*(mine[0] for mine in tasks.values()), *later]


def _rows(parallel: joblib.Parallel, blocks: Sequence[Block]) -> Iterator[BlockRows]:
    tasks = (joblib.delayed(_run_task)(ALGORITHM, *_sent(task)) for task in in_tasks(blocks))
    return chain.from_iterable(parallel(tasks))


def _sent(task: Sequence[Block]) -> tuple[Sources, bytes]:
    """A task as workers get it: classes of a simulation file travel as its text, since equinox takes none without a module."""
    families = {family for block in task for family in (block.cell.truth.family, block.cell.fitted)}
    kinds = {kind for one in families for kind in (one.gate, one.expert, one.shared) if kind is not None}
    if own := sorted(kind.part.__name__ for kind in kinds if kind.part.__module__ == "__main__"):
        raise WorkersError(f"{', '.join(own)} of __main__ cannot travel to worker processes; put it into a module and import it.")
    pickled = cloudpickle.dumps(task)
    return mentioned(pickled), pickled


def _run_task(algorithm: int, sources: Sources, pickled: bytes) -> list[BlockRows]:
    if algorithm != ALGORITHM:
        raise WorkersError(
            f"a worker on {socket.gethostname()} has version {ALGORITHM} of the algorithm, the run version {algorithm}; its rows"
            " are not taken: install the same version of moetheory everywhere."
        )
    prepare(sources)
    return [_run_block(block) for block in cloudpickle.loads(pickled)]


def _run_block(block: Block) -> BlockRows:
    _keep_only(block.cell.program)
    return run_block(block)


@lru_cache(maxsize=1)
def _keep_only(_program) -> None:
    """Forget what other programs compiled when the program changes: 10 to 20 MB for each model, which no limit bounds else."""
    jax.clear_caches()


def _connected(make_client, scheduler: str, tell: Callable[[str], None]):
    """A client of the scheduler, once it has a worker; an address has ``://`` in it, all else is a file."""
    if HOST_AND_PORT.fullmatch(scheduler) and not Path(scheduler).exists():
        raise WorkersError(f"scheduler={scheduler!r}; an address begins with its protocol: tcp://{scheduler}.")
    try:
        if "://" in scheduler:
            client = make_client(scheduler, timeout=SECONDS_TO_CONNECT)
        else:
            client = make_client(scheduler_file=_written(Path(scheduler)), timeout=SECONDS_TO_CONNECT)
    except (OSError, ValueError) as error:
        raise WorkersError(
            f"no dask scheduler at {scheduler!r} ({error}); give its address, such as tcp://host:8786, or its scheduler file."
        ) from error
    tell(f"waiting for workers of {scheduler}")
    try:
        client.wait_for_workers(1, timeout=SECONDS_FOR_WORKERS)
    except TimeoutError as error:
        client.close()
        raise WorkersError(f"the scheduler {scheduler!r} had no worker for {SECONDS_FOR_WORKERS} s; start some.") from error
    tell("the first worker is there")
    return client


def _written(file: Path) -> str:
    """The scheduler file, once it is there."""
    begin = time.monotonic()
    while not file.is_file():
        if time.monotonic() - begin > SECONDS_TO_CONNECT:
            raise FileNotFoundError("there is no such file")
        time.sleep(0.1)
    return str(file)


def _start_worker(parent: int) -> None:
    """Leave Ctrl-C to the parent process, and end when it ends, however and however soon it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)
