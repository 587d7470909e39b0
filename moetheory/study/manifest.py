"""What a run was made with: versions, machine, revision of the source, command line."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("moetheory", "numpy", "scipy", "jax", "jaxlib", "pandas", "pyarrow")
OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY")
"""Variables by which git inside a hook means the repository of the hook."""
_SOURCE = Path(__file__).resolve().parents[2]


def manifest() -> dict:
    """Describe the present run, without importing any of the packages named.

    Returns
    -------
    dict
        JSON-ready: ``utc``, ``pid``, ``command``, ``versions`` (None where not installed), ``platform``,
        ``cpu_count``, and of the source checkout ``git_revision`` and ``git_dirty`` (None outside of one).

    Examples
    --------
    >>> sorted(manifest())
    ['command', 'cpu_count', 'git_dirty', 'git_revision', 'pid', 'platform', 'utc', 'versions']
    """
    revision, dirty = _checkout(_SOURCE)
    return {
        "utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "pid": os.getpid(),
        "command": shlex.join(sys.argv),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu_count": os.cpu_count(),
        "git_revision": revision,
        "git_dirty": dirty,
    }


def document_name(run: dict) -> str:
    """Name the document that stores a manifest: ``run-<utc>-<pid>``, so that names sort by time.

    Parameters
    ----------
    run : dict
        A value of `manifest`.

    Examples
    --------
    >>> document_name({"utc": "2026-01-31T12:00:05+00:00", "pid": 17})
    'run-20260131T120005Z-17'
    """
    return f"run-{datetime.fromisoformat(run['utc']):%Y%m%dT%H%M%SZ}-{run['pid']}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _checkout(folder: Path) -> tuple[str | None, bool | None]:
    """Revision and dirtiness of `folder` if it is itself the top of a checkout, not merely inside one."""
    try:
        top, revision = _git(folder, "rev-parse", "--show-toplevel", "HEAD").splitlines()
        if Path(top).resolve() != folder:
            return None, None
        return revision, bool(_git(folder, "status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in OF_A_HOOK}
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, env=environment).stdout.strip()
