"""Rates slower than any polynomial are minimax statements: truths that move with n beside a truth that stays."""

from dataclasses import replace
from functools import partial

from moetheory.estimators import LeastSquares, NearTruth
from moetheory.experts import LinearExpert
from moetheory.gating import SoftmaxGate, UnnormalisedSigmoidGate
from moetheory.identifiability.regression_fibres import split_expert
from moetheory.published import arxiv_2402_02952 as softmax
from moetheory.published import arxiv_2405_13997 as sigmoid
from moetheory.regression import RegressionMixture
from moetheory.study import Claim, Evidence, Fibre, Rate, Simulation, floor, log_spaced

SHIFT = 0.5
"""Distance of the intercepts of the two halves of the first expert from their middle."""
MOVING = 0.3
"""Distance of the gate slopes of the two halves, times n^(-1/2): the function moves by about the noise over n^(1/2)."""
THREE = {
    "softmax": RegressionMixture(
        SoftmaxGate([-5.0, -5.0, 0.0], [[10.0], [-10.0], [0.0]]),
        LinearExpert([[1.5], [-1.0], [0.3]], [1.5, -1.0, 3.0]),
        softmax.NOISE,
    ),
    "sigmoid": RegressionMixture(
        UnnormalisedSigmoidGate([0.5, -0.5, 0.2], [[5.0, -2.5], [-2.5, 5.0], [-5.0, -5.0]]),
        LinearExpert([[1.5, 0.5], [-1.0, 1.0], [0.5, -1.0]], [2.0, -1.0, 3.0]),
        sigmoid.NOISE,
    ),
}
"""Truths of three atoms far apart in gates and lines."""
SIZES = {"quick": (300, 3000), "standard": log_spaced(1e3, 1e5, 5), "paper": log_spaced(1e3, 1e6, 7)}
FEWER = {"quick": 4, "standard": 16, "paper": 200}
BOX = replace(softmax.BOX, gate=20.0)
ESTIMATOR = LeastSquares(starts=(NearTruth(0.5, 4),), box=BOX)
DISTANCE = Rate("l2", "L2 distance of the functions", (0.5, 0.5), (0.25,), log_power=0.5, half_width=0.06)
BASES = {
    "softmax": (softmax.function(softmax.LINES), softmax.INPUTS, "arXiv 2405.14124, Theorem A.1"),
    "sigmoid": (
        RegressionMixture(sigmoid.FLAT_GATE, sigmoid.LINES, sigmoid.NOISE),
        sigmoid.INPUTS,
        "arXiv 2405.13997, Theorem 4",
    ),
}


def moving(base, size):
    """The truth at sample size n: within n^(-1/2) of a function of two atoms, its intercepts apart all the same."""
    return split_expert(base, SHIFT, MOVING * size**-0.5)


INTERCEPT = Rate(
    "e2.eta_0.atom1",
    "expert intercept, cell of the first atom",
    (0.5, 0.5),
    (0.25,),
    location="median",
    upper_bound=False,
    half_width=0.05,
)
FLOOR = floor("e2.eta_0.atom1", "expert intercept, cell of the first half", location="median")


def claims(name):
    base, inputs, source = BASES[name]
    reach = tuple((float(size) / 100, moving(base, size)) for size in (100, 10_000, 1_000_000))
    fixed = Claim(
        name=f"{name}_fixed",
        title=f"{name.capitalize()} gate, linear experts, a truth that stays",
        statement="At a fixed truth of three atoms far apart the experts converge like n^(-1/2): a fixed truth does not show the"
        " published rate.",
        source=f"derived; the published minimax statement is {source}",
        evidence=Evidence.DERIVED,
        variant="ours",
        truth=THREE[name],
        inputs=inputs,
        num_experts=3,
        estimator=ESTIMATOR,
        sizes=SIZES,
        replicates={"quick": 4, "standard": 350, "paper": 350},
        checks=(DISTANCE, INTERCEPT),
        deviations="Least squares from four starts at radius 0.5, so that a start does not know the truth better than data do.",
    )
    sequence = replace(
        fixed,
        name=f"{name}_moving",
        title=f"{name.capitalize()} gate, linear experts, truths that move with n",
        statement="Along truths whose functions approach one of two atoms like n^(-1/2) the intercepts of the split expert cannot"
        " be estimated: their error does not fall, while the function converges like n^(-1/2).",
        truth=moving(base, 10_000),
        replicates=FEWER,
        deviations=f"{fixed.deviations} Fits whose cell of the first half is empty have no error there and are left out: the"
        " floor is that of the others.",
        moving=partial(moving, base),
        checks=(DISTANCE, FLOOR),
    )
    limit = replace(
        fixed,
        name=f"{name}_limit",
        title=f"{name.capitalize()} gate, linear experts, the limit of the sequence",
        statement="The moving truths are within n^(-1/2) of this function of two atoms, their intercepts 0.5 from its own.",
        truth=base,
        sizes=SIZES | {"standard": log_spaced(1e3, 1e4, 3)},
        replicates=FEWER,
        checks=(
            DISTANCE,
            Fibre("l2", "L2 distance of the moving truth", reach, "n / 100", 0.0, 0.05),
            Fibre("e2.eta_0.split", "intercept distance of the moving truth", reach, "n / 100", 0.49, 0.51),
        ),
    )
    return fixed, sequence, limit


SIMULATION = Simulation(
    title="Least favourable truths: what slower than any polynomial means",
    paper="2405.14124",
    claims=(*claims("softmax"), *claims("sigmoid")),
)
