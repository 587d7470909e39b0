"""joblib's dask backend, told when the scheduler gives a task up: by itself it waits for that task for ever (joblib 1.6)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from distributed.client import FutureCancelledError as FutureCancelledError
from distributed.scheduler import KilledWorker as KilledWorker
from joblib._dask import DaskDistributedBackend


class ErrorTellingBackend(DaskDistributedBackend):
    """Calls back with the future of a task that the scheduler ends, as joblib does for those that workers end."""

    def effective_n_jobs(self, n_jobs: int) -> int:
        """At least two: with the one worker that is there first joblib would compute everything in this process."""
        return max(2, super().effective_n_jobs(n_jobs))

    def submit(self, func: Any, callback: Callable) -> Future:
        future = super().submit(func, callback)
        future.add_done_callback(lambda done: callback(done) if done.exception() else None)
        return future

    def retrieve_result_callback(self, out: Any) -> Any:
        if isinstance(out, Future):
            return out.result()
        return super().retrieve_result_callback(out)
