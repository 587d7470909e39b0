"""Gaussian-gated joint models of types I and II: the published one-pass EM of arXiv 2305.07572 beside converged fits."""

from dataclasses import replace

from moetheory.published.arxiv_2305_07572 import (
    CERTIFIED,
    INPUTS_ONE,
    INPUTS_TWO,
    ONE_PASS,
    SAME_START,
    TYPE_ONE,
    TYPE_TWO,
)
from moetheory.study import Claim, Evidence, Rate, Simulation, log_spaced

PAPER = "2305.07572"
WORDS = {"c": "gate centre", "Gamma": "gate variance", "eta_1": "expert slope", "eta_0": "expert intercept", "nu": "variance"}
EXPONENTS = {"c": 0.125, "Gamma": 0.25, "eta_1": 0.25, "eta_0": 0.125, "nu": 0.25}
"""Of both types for cells of two atoms, where r / 2 = 2."""
TYPES = {
    1: (TYPE_ONE, INPUTS_ONE, "gaussian_d_bar", "D-bar"),
    2: (TYPE_TWO, INPUTS_TWO, "gaussian_d_tilde", "D-tilde"),
}
DENSITY = Rate("hellinger", "Hellinger distance of the joint densities", (0.5, 0.5), (0.25,), log_power=0.5, half_width=0.06)
SETTING = {"evidence": Evidence.PUBLISHED, "source": f"public code of arXiv {PAPER}"}


def composite(kind, **options):
    _, _, loss, label = TYPES[kind]
    return Rate(loss, label, (0.5, 0.5), (0.25,), log_power=0.5, half_width=0.06, **options)


def block(name, cells, exponent, rival):
    label = "split cell of two" if cells == "size2" else "cell of one atom"
    return Rate(
        f"e2.{name}.{cells}", f"error of {WORDS[name]}, {label}", (exponent,) * 2, (rival,), location="median", half_width=0.05
    )


def printed(kind, number):
    truth, inputs, *_ = TYPES[kind]
    return Claim(
        name=f"type{kind}_k{number}_one_pass",
        title=f"Type {'I' * kind}, K = {number}, one EM pass as in the public code",
        statement="The stored curves fall like n^-0.502 to n^-0.517; one EM pass from a start beside the truth is no maximum.",
        variant="printed",
        truth=truth,
        inputs=inputs,
        num_experts=number,
        estimator=ONE_PASS,
        sizes={"quick": (1000, 4000), "standard": log_spaced(1e3, 31_623, 4), "paper": log_spaced(100, 1e5, 13)},
        replicates={"quick": 3, "standard": 10, "paper": 20},
        checks=(composite(kind, published="-0.502 to -0.517 (eight curves)"), DENSITY),
        deviations="Sizes spaced evenly in log n. The code's stop compares a variable with itself: all stored counters are 0.",
        **SETTING,
    )


def to_a_maximum(claim):
    return replace(
        claim,
        name=claim.name.replace("one_pass", "maximum"),
        title=claim.title.replace("one EM pass as in the public code", "run to a maximum"),
        statement="The same truth, start and sizes, run until the gradient vanishes.",
        estimator=SAME_START,
        checks=tuple(replace(check, published="") for check in claim.checks),
    )


def ours(kind):
    truth, inputs, *_ = TYPES[kind]
    return Claim(
        name=f"type{kind}_k4",
        title=f"Type {'I' * kind}, K = 4, best of several starts",
        statement="The loss is O((log n / n)^(1/2)): in a split cell of two atoms centre and intercept converge at least like"
        " n^(-1/8), variances and expert slope like n^(-1/4); in cells of one atom every block like n^(-1/2).",
        variant="ours",
        truth=truth,
        inputs=inputs,
        num_experts=4,
        estimator=CERTIFIED,
        sizes={"quick": (1000, 3000), "standard": log_spaced(1e3, 1e4, 3), "paper": log_spaced(1e3, 1e6, 9)},
        replicates={"quick": 3, "standard": 2400, "paper": 2400},
        checks=(
            composite(kind),
            DENSITY,
            *(block(name, "size2", exponent, 0.0) for name, exponent in EXPONENTS.items()),
            *(block(name, "single", 0.5, 0.25) for name in EXPONENTS),
        ),
        deviations="Exponents are those of the public loss; the theorem text was not at hand.",
        evidence=Evidence.UNCONFIRMED,
        source=f"arXiv {PAPER}, exponents of its public code",
    )


EXACT = Claim(
    name="type1_k3",
    title="Type I, exact-specified",
    statement="With K = k* every block of the estimate converges like n^(-1/2).",
    variant="ours",
    truth=TYPE_ONE,
    inputs=INPUTS_ONE,
    num_experts=3,
    estimator=SAME_START,
    sizes={"quick": (1000, 4000), "standard": log_spaced(1e3, 31_623, 4), "paper": log_spaced(1e2, 1e6, 9)},
    replicates={"quick": 4, "standard": 400, "paper": 400},
    checks=(composite(1), DENSITY, *(block(name, "single", 0.5, 0.25) for name in WORDS)),
    deviations="Not printed: the exact-specified case beside the over-specified ones.",
    evidence=Evidence.DERIVED,
    source="classical theory of maximum likelihood",
)
PRINTED = tuple(printed(kind, number) for kind in TYPES for number in (4, 5))

SIMULATION = Simulation(
    title="Gaussian-gated joint models: one EM pass against maxima",
    paper=PAPER,
    claims=(*PRINTED, *map(to_a_maximum, PRINTED), EXACT, ours(1), ours(2)),
)
