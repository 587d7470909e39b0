"""Files that are whole or not there, also when the machine stops in between, and errors that say what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WRITE_REMEDY = (
    "give --store a writable folder, then run again: the rows stored before are safe and only missing rows are computed"
)
FULL = (errno.ENOSPC, errno.EDQUOT)
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
LOCK_REMEDY = "this file system has no locks: give --store a folder on another one, or mount it with them"


class StoreError(Exception):
    """The store cannot be written or read; the message names the file and the remedy."""


def write_durably(path: Path, content: bytes) -> None:
    """Give `path` all of `content` or leave it as it was, also when the machine stops in between."""
    temporary = path.with_name(f"{path.name}.tmp")
    with disk_errors("write", path, WRITE_REMEDY):
        make_folder(path.parent)
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder, and those that it lies in, on the disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(action: str, path: Path, remedy: str) -> Iterator[None]:
    """Turn an error of the disk into one of the store."""
    try:
        yield
    except OSError as error:
        remedy = LOCK_REMEDY if action == "lock" and error.errno in NO_LOCKS else remedy
        remedy = f"free disk space, or {remedy}" if error.errno in FULL else remedy
        raise StoreError(f"cannot {action} {path}: {error.strerror}; {remedy}") from error
