"""A simulation file of the smallest size, shared by the tests of the study: k = 2, d = 1, samples of 60 and 120."""

from dataclasses import replace

from moetheory import (
    ExpectationMaximisation,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    SoftmaxGate,
    Uniform,
)
from moetheory.study import Claim, Evidence, Gap, Rate, Simulation

TRUTH = MixtureOfExperts(
    gate=SoftmaxGate(intercept=[-2.0, 0.0], slope=[[4.0], [0.0]]),
    expert=LinearExpert(slope=[[-3.0], [3.0]], intercept=[2.0, 0.0]),
    variance=[0.1, 0.2],
)
BOX = ParameterBox(gate=20.0, expert=20.0, variance=(1e-3, 10.0))
D1 = Rate("softmax_d1", "Voronoi loss D1", exponents=(0.5, 0.5), rivals=(0.25,))
D2 = Rate("softmax_d2", "Voronoi loss D2", exponents=(0.5, 0.5), rivals=(0.25,))

MLE = Claim(
    name="mle",
    title="Certified MLE",
    statement="D1 falls like n^(-1/2).",
    source="arXiv 0000.00000, Theorem 1",
    evidence=Evidence.DERIVED,
    variant="ours",
    truth=TRUTH,
    inputs=Uniform(low=(0.0,), high=(1.0,)),
    num_experts=2,
    estimator=MaximumLikelihood(starts=(NearTruth(0.05),), box=BOX),
    sizes={"quick": (60, 120), "standard": (60, 120, 240), "paper": (60, 120, 240)},
    replicates={"quick": 3, "standard": 4, "paper": 4},
    checks=(D1,),
    deviations="None.",
)
EM = replace(
    MLE,
    name="em",
    title="EM",
    estimator=ExpectationMaximisation(starts=(NearTruth(0.05),), box=BOX),
    checks=(D1, Gap("log_likelihood", "nats below the MLE", against="mle", low=-1.0, high=1e6)),
)

SIMULATION = Simulation(title="Tiny", paper="0000.00000", claims=(MLE, EM), name="tiny")
