"""Density estimation with the softmax gate: Hellinger and total variation, exact and over-specified."""

from moetheory import (
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    RandomStarts,
    SoftmaxGate,
    Splits,
    Uniform,
)
from moetheory.study import Claim, Evidence, Rate, Simulation, log_spaced

TRUTH = MixtureOfExperts(
    gate=SoftmaxGate(intercept=[-8.0, 0.0], slope=[[25.0], [0.0]]),
    expert=LinearExpert(slope=[[-20.0], [20.0]], intercept=[15.0, -5.0]),
    variance=[0.3**2, 0.4**2],
)
BOX = ParameterBox(gate=40.0, expert=40.0, variance=(0.01, 100.0))
RATES = (
    Rate("hellinger", "Hellinger distance", exponents=(0.5, 0.5), rivals=(0.25,), log_power=0.5),
    Rate("total_variation", "total variation", exponents=(0.5, 0.5), rivals=(0.25,), log_power=0.5),
)
DEVIATIONS = "The proposition has no published figure; truth and inputs are those of the published simulation, inputs random."
STATEMENT = "The conditional density of the maximum likelihood estimate converges at the rate (log n / n)^(1/2)"

EXACT = Claim(
    name="exact",
    title="Density rate, K = 2 exact",
    statement=f"{STATEMENT} when k = k*.",
    source="arXiv 2305.03288, Proposition 2",
    evidence=Evidence.PUBLISHED,
    variant="ours",
    truth=TRUTH,
    inputs=Uniform(low=(0.0,), high=(1.0,)),
    num_experts=2,
    estimator=MaximumLikelihood(starts=(NearTruth(0.05), RandomStarts(3)), box=BOX),
    sizes={
        "quick": log_spaced(1e3, 1e4, 5),
        "standard": log_spaced(1e3, 1e5, 9),
        "paper": log_spaced(1e3, 1e6, 13),
    },
    replicates={"quick": 60, "standard": 200, "paper": 100},
    checks=RATES,
    deviations=DEVIATIONS,
)

OVER = Claim(
    name="overspecified",
    title="Density rate, K = 3 over-specified",
    statement=f"{STATEMENT} when k = 3 > k* = 2.",
    source="arXiv 2305.03288, Proposition 2",
    evidence=Evidence.PUBLISHED,
    variant="ours",
    truth=TRUTH,
    inputs=Uniform(low=(0.0,), high=(1.0,)),
    num_experts=3,
    estimator=MaximumLikelihood(starts=(NearTruth(0.05), Splits(0.2), RandomStarts(8)), box=BOX),
    sizes={
        "quick": log_spaced(1e3, 1e4, 4),
        "standard": log_spaced(1e3, 1e5, 7),
        "paper": log_spaced(1e3, 1e6, 13),
    },
    replicates={"quick": 30, "standard": 100, "paper": 100},
    checks=RATES,
    deviations=DEVIATIONS,
)

SIMULATION = Simulation(title="Density rates, softmax gate", paper="2305.03288", claims=(EXACT, OVER))
