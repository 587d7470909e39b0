"""Names of the JSON documents in a store."""

from __future__ import annotations


def claim_document(simulation: str, claim: str, preset: str) -> str:
    """Name of a claim's document."""
    return f"claim-{preset}-{simulation}-{claim}"


def simulation_document(simulation: str, preset: str) -> str:
    """Name of the document that lists the claims a simulation has now; others in the store are of earlier versions."""
    return f"simulation-{preset}-{simulation}"
