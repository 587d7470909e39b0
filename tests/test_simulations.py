"""Every simulation file loads, says what it claims and why, and runs end to end."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from moetheory.estimators import Status
from moetheory.study import Evidence, Settings, Store, Workers, evaluate_claims, run_simulations
from moetheory.study.discovery import load

SIMULATIONS = {simulation.name: simulation for simulation in load([Path(__file__).parents[1] / "simulations"])}
CLAIMS = [(name, claim) for name, simulation in SIMULATIONS.items() for claim in simulation.claims]
CHEAP = {
    "competition_contrast": ("identity",),
    "competition_exact": ("softplus",),
    "cosine_regression": ("perturbed_fibre",),
    "efficiency_of_all_gates": ("input_free_linear",),
    "efficiency_of_other_models": ("squares_softmax_linear",),
    "gaussian_gated": ("type1_k4_one_pass",),
    "hyper_router": ("outside_linear2",),
    "laplace": ("exact_printed_mle",),
    "least_favourable": ("softmax_moving",),
    "likelihood_or_squares": ("squares_linear_near",),
    "number_of_experts": ("two_k1",),
    "published_versus_certified": ("k2_certified", "k2_published"),
    "shared_or_not": ("shared",),
    "shared_sigmoid": ("theorem3",),
    "shared_softmax": ("theorem1_printed_mle",),
    "shared_top_k": ("exact",),
    "sigmoid_regression": ("first_linear_near",),
    "softmax_density": ("exact",),
    "softmax_efficiency": ("regular",),
    "softmax_exact": ("ours",),
    "softmax_overspecified": ("k3_printed",),
    "temperature": ("plain_exact",),
    "top_k_sparse": ("exact",),
}


def test_a_cheap_claim_of_every_simulation_is_named():
    assert set(CHEAP) == set(SIMULATIONS)


@pytest.mark.parametrize(("simulation", "claim"), CLAIMS, ids=[f"{name}-{claim.name}" for name, claim in CLAIMS])
def test_every_claim_says_what_by_whom_and_how_it_deviates(simulation, claim):
    assert re.fullmatch(r"\d{4}\.\d{4,5}", SIMULATIONS[simulation].paper)
    assert isinstance(claim.evidence, Evidence)
    assert len(claim.statement) > 30
    assert len(claim.deviations) > 20
    assert claim.title
    assert claim.checks
    if claim.evidence is Evidence.PUBLISHED:
        assert re.search(r"arXiv \d{4}\.\d{4,5}, (Theorem|Proposition|simulation|Figure)|public code", claim.source)
    else:
        assert claim.source


@pytest.mark.parametrize(("simulation", "claim"), CLAIMS, ids=[f"{name}-{claim.name}" for name, claim in CLAIMS])
def test_presets_grow(simulation, claim):
    cost = {preset: sum(claim.sizes[preset]) * claim.replicates[preset] for preset in ("quick", "standard", "paper")}
    assert cost["quick"] < cost["standard"] <= cost["paper"]
    assert max(claim.sizes["standard"]) <= (2**20 if simulation == "competition_contrast" else 100_000)
    assert max(claim.sizes["paper"]) <= (2**22 if simulation == "competition_contrast" else 1_000_000)
    for preset, sizes in claim.sizes.items():
        assert list(sizes) == sorted(sizes), preset


@pytest.mark.parametrize("name", sorted(CHEAP))
def test_one_claim_of_each_runs_end_to_end(tmp_path, name):
    simulation = SIMULATIONS[name]
    claims = tuple(claim for claim in simulation.claims if claim.name in CHEAP[name])
    assert len(claims) == len(CHEAP[name])
    settings = Settings(sizes=(200, 400), replicates=2)
    assert run_simulations([replace(simulation, claims=claims)], Store(tmp_path), settings, workers=Workers(1)) == 2 * len(claims)
    results = evaluate_claims(Store(tmp_path), settings.label, [name])
    assert tuple(result.claim for result in results) == CHEAP[name]
    for claim, result in zip(claims, results, strict=True):
        assert set(result.statuses["status"]) <= set(Status)
        assert result.statuses.groupby("n")["count"].sum().to_dict() == {200: 2, 400: 2}
        assert [check.name for check in result.checks] == [check.name for check in claim.checks]
        for check in result.checks:
            if check.kind == "fibre":
                assert len(check.values)
            else:
                assert check.values.groupby("n")["replicate"].nunique().to_dict() == {200: 2, 400: 2}
            assert check.judgement is not None
