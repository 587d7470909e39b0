"""Exact-specified maximum likelihood against the Cramer-Rao bound and the chi-squared law of the likelihood ratio."""

from moetheory import MaximumLikelihood, NearTruth
from moetheory.published.arxiv_2305_03288 import BOX, INPUTS, TRUTH
from moetheory.study import ChiSquared, Claim, Evidence, Level, Simulation

COORDINATES = ("beta_0[1]", "beta_1[1]", "eta_0[1]", "eta_1[1]", "eta_0[2]", "eta_1[2]", "nu[1]", "nu[2]")

CLAIM = Claim(
    name="regular",
    title="Efficiency of the exact-specified MLE",
    statement="n times the squared error of every parameter tends to its Cramer-Rao bound, and twice the log-likelihood gain"
    " over the truth is chi-squared with 8 degrees of freedom.",
    source="classical theory of maximum likelihood, in the model of arXiv 2305.03288",
    evidence=Evidence.DERIVED,
    variant="ours",
    truth=TRUTH,
    inputs=INPUTS,
    num_experts=2,
    estimator=MaximumLikelihood(starts=(NearTruth(0.05),), box=BOX),
    sizes={"quick": (10_000,), "standard": (10_000,), "paper": (10_000, 100_000)},
    replicates={"quick": 300, "standard": 4000, "paper": 10_000},
    checks=(
        *(Level(f"efficiency.{name}", f"n error^2 / bound, {name}", low=0.9, high=1.1) for name in COORDINATES),
        ChiSquared("likelihood_ratio", "2 (l(MLE) - l(truth))", degrees=8),
    ),
    deviations="No published counterpart: the sharpest check that the estimator is right.",
)

SIMULATION = Simulation(title="Efficiency of the MLE, softmax gate", paper="2305.03288", claims=(CLAIM,))
