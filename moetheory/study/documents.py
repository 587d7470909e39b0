"""Names of the JSON documents in a store, and of the settings they belong to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

PRESETS = ("quick", "standard", "paper")
LARGEST_STUDY = 10_000_000
"""Replicates: more than anybody computes, few enough to list."""
READABLE_LENGTH = 24
LONGEST_NAME = 150


def setting_label(preset: str, seed: int = 0, sizes: Sequence[int] | None = None, replicates: int | None = None) -> str:
    """Name of a preset and what overrides it, without a dash, so that it can lead the name of a document.

    Examples
    --------
    >>> setting_label("quick"), setting_label("quick", seed=1, sizes=(100, 150), replicates=4)
    ('quick', 'quick_n100_150_r4_s1')
    >>> setting_label("quick", sizes=range(100, 1000, 50))
    'quick_n18sizes_2cefbaa5'
    """
    parts = [f"n{_sizes(sizes)}"] if sizes else []
    parts += [f"r{replicates}"] if replicates else []
    parts += [f"s{seed}"] if seed else []
    return "_".join([preset, *parts])


def _sizes(sizes: Sequence[int]) -> str:
    listed = "_".join(str(size) for size in sorted(sizes))
    if len(listed) <= READABLE_LENGTH:
        return listed
    return f"{len(sizes)}sizes_{hashlib.sha256(listed.encode()).hexdigest()[:8]}"


def label_of(document: Mapping[str, Any]) -> str:
    """Label of a claim's document; those of earlier versions have their preset only."""
    return document.get("label", document["preset"])


def claim_document(simulation: str, claim: str, label: str) -> str:
    """Name of a claim's document, which becomes a file name."""
    name = f"claim-{label}-{simulation}-{claim}"
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: LONGEST_NAME - 1 - len(digest)]}-{digest}"


def simulation_document(simulation: str, label: str) -> str:
    """Name of the document that lists the claims a simulation has now; others in the store are of earlier versions."""
    return f"simulation-{label}-{simulation}"
