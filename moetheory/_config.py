"""The only file that touches ``jax.config`` and environment variables.

Importing it switches JAX to float64, makes the CPU compute in the thread that asks (handing over to another takes longer
than a small sample) and gives JAX, unless it has one, a persistent compilation cache in the user's cache folder, in workers too
(a parent's ``jax.config.update`` is not inherited by its children).
"""

from __future__ import annotations

import os
from pathlib import Path

PLATFORMS = {"cpu": "cpu", "gpu": "cuda,cpu"}
SINGLE_THREAD = "--xla_cpu_multi_thread_eigen=false"


def cache_folder() -> Path:
    """Folder of the compilation cache: ``$MOETHEORY_CACHE`` or the user's cache folder."""
    if own := os.environ.get("MOETHEORY_CACHE"):
        return Path(own)
    users = os.environ.get("XDG_CACHE_HOME")
    return (Path(users) if users else Path.home() / ".cache") / "moetheory"


def single_threaded_workers() -> None:
    """Make worker processes started from now on compute on one thread each."""
    flags = os.environ.get("XLA_FLAGS", "")
    if SINGLE_THREAD not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {SINGLE_THREAD}".strip()


def use_device(kind: str) -> str:
    """Compute on the CPU or on a GPU, in processes started from now on too; returns a line that says on what.

    Without a GPU it is the CPU. Call it before anything is computed.
    """
    import jax

    try:
        _on_platforms(PLATFORMS[kind])
        device = jax.devices()[0]
    except RuntimeError:
        _on_platforms(PLATFORMS["cpu"])
        device = jax.devices()[0]
    found = f"{device.platform}: {device.device_kind}"
    return f"computing on {found}." if device.platform == kind else f"no GPU found: computing on {found}."


def _on_platforms(platforms: str) -> None:
    import jax

    os.environ["JAX_PLATFORMS"] = platforms
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    jax.config.update("jax_platforms", platforms)


def require_float64() -> None:
    """Raise where somebody has switched JAX back to float32: data and certificates would silently be others."""
    import jax

    if not jax.config.jax_enable_x64:
        raise RuntimeError("jax_enable_x64 is False; need float64: remove jax.config.update('jax_enable_x64', False).")


def _configure_jax() -> None:
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "jax"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


_configure_jax()
