"""Linear experts under likelihood and under least squares, beside other experts: arXiv 2402.02952 and 2405.14124."""

from dataclasses import replace

from moetheory.identifiability.regression_fibres import split_expert
from moetheory.published.arxiv_2402_02952 import (
    ANYWHERE,
    CERTIFIED,
    DENSITY,
    INPUTS,
    LIKELIHOOD,
    LINES,
    NEAR,
    NETWORKS,
    SQUARES,
    function,
)
from moetheory.study import Claim, Evidence, Fibre, Rate, Simulation, floor, log_spaced

SOURCE = "arXiv 2402.02952, Theorem 4.6, and arXiv 2405.14124, Theorem A.1"
WORDS = {"beta_1": "gate slope", "eta_1": "expert slope", "eta_0": "expert intercept", "eta_b": "expert bias", "nu": "variance"}
DISTANCE = Rate("l2", "L2 distance of the functions", (0.5, 0.5), (0.25,), log_power=0.5, half_width=0.06)
SIZES = {"quick": (300, 3000), "standard": log_spaced(1e3, 31_623, 4), "paper": log_spaced(1e3, 1e6, 7)}
REPLICATES = {"quick": 3, "standard": 24, "paper": 200}


def block(name, cells, exponent, rival, **options):
    label = "split cell" if cells == "split" else "cell of one atom"
    options = {"location": "median", "half_width": 0.05} | options
    return Rate(f"e2.{name}.{cells}", f"error of {WORDS[name]}, {label}", (exponent,) * 2, (rival,), **options)


TRUTH = function(LINES)
SPLIT = tuple((shift, split_expert(TRUTH, shift)) for shift in (0.1, 1.0, 5.0))
FLOOR = floor("e2.eta_0.split", "expert intercept, split cell")

SQUARES_NEAR = Claim(
    name="squares_linear_near",
    title="Least squares, linear experts, start near the truth",
    statement="A linear expert can be split by any distance without a change of the function, so least squares cannot estimate"
    " the intercepts in a split cell: even from a near start they end far from the truth, while the function converges like"
    " n^(-1/2).",
    source=f"derived; the published statement is {SOURCE} (minimax, slower than any polynomial)",
    evidence=Evidence.DERIVED,
    variant="ours",
    truth=TRUTH,
    inputs=INPUTS,
    num_experts=3,
    estimator=NEAR,
    sizes=SIZES,
    replicates=REPLICATES,
    checks=(
        DISTANCE,
        FLOOR,
        Fibre("l2", "L2 distance of the split function", SPLIT, "distance of the intercepts", 0.0, 1e-12),
        Fibre("e2.eta_0.split", "intercept error of the split function", SPLIT, "distance of the intercepts", 0.09, 6.0),
    ),
    deviations="Theorem texts unconfirmed; setting ours.",
)
SQUARES_ANY = replace(
    SQUARES_NEAR,
    name="squares_linear_random",
    title="Least squares, linear experts, starts from the data",
    statement="From starts that know nothing of the truth the intercepts in a split cell are far off at every n.",
    estimator=ANYWHERE,
    checks=(DISTANCE, FLOOR),
)
LIKELIHOOD_LINEAR = replace(
    SQUARES_NEAR,
    name="likelihood_linear",
    title="Likelihood, the same linear experts",
    statement="Under a Gaussian likelihood the same gate and experts have polynomial rates: in a split cell intercept and"
    " gate slope at least n^(-1/8), the other blocks n^(-1/4), because each response shows one expert.",
    source="arXiv 2305.03288, Theorem 2",
    evidence=Evidence.PUBLISHED,
    truth=DENSITY,
    estimator=LIKELIHOOD,
    sizes={"quick": (1000, 3000), "standard": log_spaced(1e3, 1e4, 3), "paper": log_spaced(1e3, 1e6, 9)},
    replicates={"quick": 3, "standard": 780, "paper": 780},
    checks=(
        Rate("hellinger", "Hellinger distance", (0.5, 0.5), (0.25,), log_power=0.5, half_width=0.06),
        *(block(name, "split", 0.125, 0.0) for name in ("eta_0", "beta_1")),
        *(block(name, "split", 0.25, 0.0) for name in ("eta_1", "nu")),
    ),
    deviations="Variance 0.01 of every atom in place of the errors' variance.",
)
NETWORK = replace(
    SQUARES_NEAR,
    name="squares_network",
    title="Least squares, tanh experts",
    statement="Experts of one hidden unit are strongly identifiable: blocks of a split cell converge at least like n^(-1/4).",
    source="arXiv 2402.02952, Theorem 3.2, as arXiv 2405.13997 quotes it",
    evidence=Evidence.UNCONFIRMED,
    truth=function(NETWORKS),
    estimator=CERTIFIED,
    checks=(DISTANCE, *(block(name, "split", 0.25, 0.0) for name in ("beta_1", "eta_1", "eta_b"))),
)
POLYNOMIAL = replace(
    NETWORK,
    name="squares_polynomial",
    title="Least squares, squares of lines",
    statement="For polynomial experts the source states rates slower than any polynomial, as a minimax statement: at this fixed"
    " truth no such slowness need show. The check asks whether the split cell's intercept is slower than n^(-1/8).",
    source=SOURCE,
    truth=function(SQUARES),
    checks=(DISTANCE, block("eta_0", "split", 0.125, 0.0), block("beta_1", "split", 0.125, 0.0)),
)

SIMULATION = Simulation(
    title="Linear experts under likelihood and under least squares",
    paper="2402.02952",
    claims=(SQUARES_NEAR, SQUARES_ANY, LIKELIHOOD_LINEAR, NETWORK, POLYNOMIAL),
)
