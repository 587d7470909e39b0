"""Shared against no shared experts on data with a common component."""

from dataclasses import replace

from moetheory.estimators import MaximumLikelihood, NearTruth, RandomStarts
from moetheory.identifiability.refits import without_shared
from moetheory.models import Family, MixtureOfExperts
from moetheory.published.arxiv_2505_10860 import BOX, FIGURE_6B_OURS, INPUTS
from moetheory.study import Claim, Evidence, Level, Rate, Simulation, floor, log_spaced

ROUTED = Family(FIGURE_6B_OURS.family.gate, FIGURE_6B_OURS.family.expert)
UNSHARED: MixtureOfExperts = without_shared(FIGURE_6B_OURS)

DENSITY = Rate("hellinger", "Hellinger distance", (0.5, 0.5), rivals=(0.25,), log_power=0.5, half_width=0.06)
WITH = Claim(
    name="shared",
    title="One shared and two routed experts",
    statement="On data with a common component the model with shared experts reaches it at the rate n^(-1/2) with 11 parameters.",
    source="derived from the model of arXiv 2505.10860, equation (1)",
    evidence=Evidence.DERIVED,
    variant="ours",
    truth=FIGURE_6B_OURS,
    inputs=INPUTS,
    num_experts=2,
    estimator=MaximumLikelihood(starts=(NearTruth(0.05), RandomStarts(8)), box=BOX),
    sizes={"quick": log_spaced(1e3, 8e3, 3), "standard": log_spaced(1e3, 31_623, 6), "paper": log_spaced(1e3, 1e6, 9)},
    replicates={"quick": 8, "standard": 120, "paper": 200},
    checks=(
        DENSITY,
        Level("effective_parameters", "8 n h², the effective number of parameters", low=9.9, high=12.1),
        Rate("e2.kappa_1.single", "shared slope", (0.5, 0.5), rivals=(0.25,), half_width=0.06, upper_bound=False),
        Rate("shared_function.single", "L2 error of the shared expert", (0.5, 0.5), rivals=(0.25,), half_width=0.06),
    ),
    deviations="The paper compares bounds of rates, prints no such simulation, and its language models differ in more than one"
    " way.",
)
FOUR = replace(
    WITH,
    name="four_routed",
    title="Four routed experts, none shared",
    statement="Four softmax-routed experts hold the same truth exactly, the common expert twice: the rate n^(-1/2) stays, with"
    " 18 parameters instead of 11, so 1.6 times the squared error.",
    truth=UNSHARED,
    num_experts=4,
    checks=(DENSITY, Level("effective_parameters", "8 n h², the effective number of parameters", low=16.2, high=19.8)),
    deviations="The truth is written with four routed experts; the density of the data is that of the first claim.",
)
THREE = replace(
    WITH,
    name="three_routed",
    title="Three routed experts, none shared",
    statement="As many experts without a shared one cannot hold a common component of constant weight 1/2: the density keeps a"
    " distance.",
    num_experts=3,
    family=ROUTED,
    estimator=MaximumLikelihood(starts=(RandomStarts(16),), box=BOX),
    checks=(floor("hellinger", "Hellinger distance"),),
    deviations="Starts from the data alone, since the truth has another form.",
)

SIMULATION = Simulation(title="Shared against no shared experts", paper="2505.10860", claims=(WITH, FOUR, THREE))
