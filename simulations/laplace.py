"""Laplace gates with linear experts: Figure 3 of arXiv 2402.03226, printed and in two inputs."""

from dataclasses import replace

from moetheory.published.arxiv_2402_03226 import (
    CERTIFIED,
    INPUTS,
    OURS,
    PRINTED,
    PRINTED_INPUTS,
    PUBLISHED_EM,
    SAME_START,
    SEVERAL_STARTS,
)
from moetheory.study import Claim, Evidence, Rate, Simulation, log_spaced

PAPER = "2402.03226"
WORDS = {"beta_1": "gate centre", "eta_1": "expert slope", "eta_0": "expert intercept", "nu": "variance"}
BOUNDS = {"beta_1": 0.25, "eta_1": 0.25, "eta_0": 0.125, "nu": 0.25}
DENSITY = Rate("hellinger", "Hellinger distance", (0.5, 0.5), (0.25,), log_power=0.5, half_width=0.06)


def composite(loss, **options):
    return Rate(loss, loss.replace("laplace_d", "LA-D"), (0.5, 0.5), (0.25,), log_power=0.5, half_width=0.06, **options)


def block(name, cells, exponent, rival):
    label = "split cell" if cells == "split" else "cell of one atom"
    return Rate(
        f"e2.{name}.{cells}", f"error of {WORDS[name]}, {label}", (exponent,) * 2, (rival,), location="median", half_width=0.05
    )


EXACT_PRINTED = Claim(
    name="exact_printed_em",
    title="Figure 3, k = 2 as printed, EM to 1e-6",
    statement="The printed curve of LA-D1 falls like 0.2 n^-0.49.",
    source=f"arXiv {PAPER}, Figure 3",
    evidence=Evidence.PUBLISHED,
    variant="printed",
    truth=PRINTED,
    inputs=PRINTED_INPUTS,
    num_experts=2,
    estimator=PUBLISHED_EM,
    sizes={"quick": (1000, 4000), "standard": log_spaced(1e3, 31_623, 4), "paper": log_spaced(1e3, 1e5, 10)},
    replicates={"quick": 4, "standard": 20, "paper": 40},
    checks=(composite("laplace_d1", published="0.2 n^-0.49"), DENSITY),
    deviations="The law of the truth is printed, its numbers are not: drawn once by us. Radius 0.05 of the start is our guess."
    " More replicates than the five printed. With one input the score is piecewise linear: no smooth gate.",
)
OVER_PRINTED = replace(
    EXACT_PRINTED,
    name="over_printed_em",
    title="Figure 3, k = 3 as printed, EM to 1e-6",
    statement="The printed curve of LA-D2 falls like 0.2 n^-0.47.",
    num_experts=3,
    checks=(composite("laplace_d2", published="0.2 n^-0.47"), DENSITY),
)


def to_a_maximum(claim, name, title):
    return replace(
        claim,
        name=name,
        title=title,
        statement="The same truth, start and sizes, run until the gradient vanishes.",
        estimator=SAME_START,
        checks=tuple(replace(check, published="") for check in claim.checks),
    )


EXACT = Claim(
    name="exact",
    title="Two inputs, exact-specified",
    statement="With k = k* LA-D1 = O((log n / n)^(1/2)) and every block converges like n^(-1/2).",
    source=f"arXiv {PAPER}, Theorem 3.2 and appendix J.2",
    evidence=Evidence.PUBLISHED,
    variant="ours",
    truth=OURS,
    inputs=INPUTS,
    num_experts=2,
    estimator=SEVERAL_STARTS,
    sizes={"quick": (1000, 4000), "standard": log_spaced(1e3, 31_623, 4), "paper": log_spaced(1e3, 1e6, 7)},
    replicates={"quick": 4, "standard": 480, "paper": 480},
    checks=(composite("laplace_d1"), DENSITY, *(block(name, "single", 0.5, 0.25) for name in WORDS)),
    deviations="Two inputs, centres inside their box.",
)
OVER = replace(
    EXACT,
    name="over",
    title="Two inputs, three fitted experts",
    statement="LA-D2 = O((log n / n)^(1/2)): in a split cell of two atoms centre, slope and variance converge at least like"
    " n^(-1/4), the intercept like n^(-1/8); in cells of one atom every block like n^(-1/2).",
    num_experts=3,
    estimator=CERTIFIED,
    sizes={"quick": (1000, 3000), "standard": log_spaced(1e3, 1e4, 3), "paper": log_spaced(1e3, 1e6, 9)},
    replicates={"quick": 3, "standard": 1700, "paper": 1700},
    checks=(
        composite("laplace_d2"),
        DENSITY,
        *(block(name, "split", exponent, 0.0) for name, exponent in BOUNDS.items()),
        *(block(name, "single", 0.5, 0.25) for name in WORDS),
    ),
)

SIMULATION = Simulation(
    title="Laplace gates with linear experts",
    paper=PAPER,
    claims=(
        EXACT_PRINTED,
        to_a_maximum(EXACT_PRINTED, "exact_printed_mle", "Figure 3, k = 2 as printed, run to a maximum"),
        OVER_PRINTED,
        to_a_maximum(OVER_PRINTED, "over_printed_mle", "Figure 3, k = 3 as printed, run to a maximum"),
        EXACT,
        OVER,
    ),
)
