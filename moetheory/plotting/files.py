"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> Path:
    """Give `path` all of `content`, making its folder, or leave it as it was.

    Parameters
    ----------
    path : Path
        File to write.
    content : bytes
        All of its content.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    OSError
        The folder cannot be made or written, or the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_atomically(folder / "new" / "table.csv", b"n").read_bytes()
    b'n'
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise OSError(
            f"cannot write {path}: {error.strerror}; its folder must be writable and the disk not full; "
            "choose another folder or make room."
        ) from error
    return path
