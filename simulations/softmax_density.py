"""Density estimation with the softmax gate: Hellinger and total variation, exact and over-specified."""

from moetheory.published.arxiv_2305_03288 import EXACT, INPUTS, OVERSPECIFIED, TRUTH
from moetheory.study import Claim, Evidence, Rate, Simulation, log_spaced

RATES = (
    Rate("hellinger", "Hellinger distance", exponents=(0.5, 0.5), rivals=(0.25,), log_power=0.5),
    Rate("total_variation", "total variation", exponents=(0.5, 0.5), rivals=(0.25,), log_power=0.5),
)
DEVIATIONS = "The proposition has no published figure; truth and inputs are those of the published simulation, inputs random."
STATEMENT = "The conditional density of the maximum likelihood estimate converges at the rate (log n / n)^(1/2)"

ON_EXACT = Claim(
    name="exact",
    title="Density rate, K = 2 exact",
    statement=f"{STATEMENT} when k = k*.",
    source="arXiv 2305.03288, Proposition 2",
    evidence=Evidence.PUBLISHED,
    variant="ours",
    truth=TRUTH,
    inputs=INPUTS,
    num_experts=2,
    estimator=EXACT,
    sizes={
        "quick": log_spaced(1e3, 1e4, 5),
        "standard": log_spaced(1e3, 1e5, 9),
        "paper": log_spaced(1e3, 1e6, 13),
    },
    replicates={"quick": 60, "standard": 200, "paper": 100},
    checks=RATES,
    deviations=DEVIATIONS,
)

ON_OVERSPECIFIED = Claim(
    name="overspecified",
    title="Density rate, K = 3 over-specified",
    statement=f"{STATEMENT} when k = 3 > k* = 2.",
    source="arXiv 2305.03288, Proposition 2",
    evidence=Evidence.PUBLISHED,
    variant="ours",
    truth=TRUTH,
    inputs=INPUTS,
    num_experts=3,
    estimator=OVERSPECIFIED,
    sizes={
        "quick": log_spaced(1e3, 1e4, 4),
        "standard": log_spaced(1e3, 1e5, 7),
        "paper": log_spaced(1e3, 1e6, 13),
    },
    replicates={"quick": 12, "standard": 100, "paper": 100},
    checks=RATES,
    deviations=DEVIATIONS,
)

SIMULATION = Simulation(title="Density rates, softmax gate", paper="2305.03288", claims=(ON_EXACT, ON_OVERSPECIFIED))
