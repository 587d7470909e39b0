"""Long arrays of numbers: in memory up to a budget, above it in a temporary file that has no name and ends with the process.

The operating system keeps of such a file what there is memory for, so samples may be longer than memory.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import shutil
import sys
import tempfile

import numpy as np

IN_MEMORY = 2**25
"""Bytes of one array that stays in memory: 4,194,304 numbers."""
LARGE_PAGES = 2**19
"""Bytes from which an array is worth pages of two megabytes: small ones take longer to hand out than to fill."""
SLAB = 2**14
"""Rows of a long sample whose weights, means and densities are in memory at once: few enough to stay in a cache."""
SPARSE = sys.platform == "linux"
"""Whether zeros that are not used take no memory, however many they are."""
UNRESERVED = 0x4000
"""``MAP_NORESERVE`` of Linux, which :mod:`mmap` does not name: addresses may be more than there is memory."""


def empty(shape: tuple[int, ...]) -> np.ndarray:
    """Numbers about to be written."""
    return np.empty(shape) if 8 * math.prod(shape) <= IN_MEMORY else _in_file(shape, math.prod(shape))


def zeros(shape: tuple[int, ...], used: int) -> np.ndarray:
    """Zeros at the start of a page, which JAX on a CPU uses in place, ``used`` of them about to be written.

    The others take neither memory nor disk where arrays are sparse. OSError where the system does not hand out so many addresses.
    """
    if 8 * used > IN_MEMORY:
        return _in_file(shape, used)
    if not SPARSE:
        return np.zeros(shape)
    pages = mmap.mmap(-1, 8 * math.prod(shape), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | UNRESERVED)
    if 8 * used >= LARGE_PAGES:
        with contextlib.suppress(OSError):  # a kernel without them
            pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages).reshape(shape)


def slabs(size: int) -> list[slice]:
    """The rows of a long sample in turn."""
    return [slice(begin, min(begin + SLAB, size)) for begin in range(0, size, SLAB)]


def _in_file(shape: tuple[int, ...], used: int) -> np.ndarray:
    folder = tempfile.gettempdir()
    needed, free = 8 * used, shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"an array of {needed / 1e9:.3g} GB is kept in {folder}, where {free / 1e9:.3g} GB are free; set TMPDIR to a folder"
            " on a larger disk, or take smaller samples."
        )
    with tempfile.TemporaryFile(dir=folder) as file:
        size = 8 * math.prod(shape)
        file.truncate(size)
        return np.frombuffer(mmap.mmap(file.fileno(), size)).reshape(shape)
