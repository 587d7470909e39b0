"""Exact-specified maximum likelihood against the Cramer-Rao bound and the chi-squared law of the likelihood ratio."""

from moetheory import LinearExpert, MaximumLikelihood, MixtureOfExperts, NearTruth, ParameterBox, SoftmaxGate, Uniform
from moetheory.study import ChiSquared, Claim, Evidence, Level, Simulation

TRUTH = MixtureOfExperts(
    gate=SoftmaxGate(intercept=[-8.0, 0.0], slope=[[25.0], [0.0]]),
    expert=LinearExpert(slope=[[-20.0], [20.0]], intercept=[15.0, -5.0]),
    variance=[0.3**2, 0.4**2],
)
COORDINATES = ("beta_0[1]", "beta_1[1]", "eta_0[1]", "eta_1[1]", "eta_0[2]", "eta_1[2]", "nu[1]", "nu[2]")

CLAIM = Claim(
    name="regular",
    title="Efficiency of the exact-specified MLE",
    statement="n times the squared error of every parameter tends to its Cramer-Rao bound, and twice the log-likelihood"
    " gain over the truth is chi-squared with 8 degrees of freedom.",
    source="classical theory of maximum likelihood, in the model of arXiv 2305.03288",
    evidence=Evidence.DERIVED,
    variant="ours",
    truth=TRUTH,
    inputs=Uniform(low=(0.0,), high=(1.0,)),
    num_experts=2,
    estimator=MaximumLikelihood(
        starts=(NearTruth(0.05),), box=ParameterBox(gate=40.0, expert=40.0, variance=(0.01, 100.0))
    ),
    sizes={"quick": (10_000,), "standard": (10_000,), "paper": (10_000, 100_000)},
    replicates={"quick": 300, "standard": 4000, "paper": 10_000},
    checks=(
        *(Level(f"efficiency.{name}", f"n error^2 / bound, {name}", low=0.9, high=1.1) for name in COORDINATES),
        ChiSquared("likelihood_ratio", "2 (l(MLE) - l(truth))", degrees=8),
    ),
    deviations="No published counterpart: the sharpest check that the estimator is right.",
)

SIMULATION = Simulation(title="Efficiency of the MLE, softmax gate", paper="2305.03288", claims=(CLAIM,))
