"""Softmax gates with a temperature, plain and activated: arXiv 2401.13875."""

from dataclasses import replace

from moetheory.identifiability.regression_fibres import warmer
from moetheory.published.arxiv_2401_13875 import ACTIVATED, CERTIFIED, INPUTS, NEAR, PLAIN
from moetheory.study import Claim, Evidence, Fibre, Rate, Simulation, floor, log_spaced

PAPER = "2401.13875"
WORDS = {
    "beta_1": "gate slope",
    "log_T": "log temperature",
    "eta_1": "expert slope",
    "eta_0": "expert intercept",
    "nu": "variance",
}
BOUNDS = {"beta_1": 0.25, "eta_1": 0.25, "eta_0": 0.125, "nu": 0.25}
DENSITY = Rate("hellinger", "Hellinger distance", (0.5, 0.5), (0.25,), log_power=0.5, half_width=0.06)
SCALED = tuple((factor, warmer(PLAIN, factor)) for factor in (0.5, 1.5, 3.0))


def block(name, cells, exponent, rival, **options):
    label = "split cell" if cells == "split" else "cell of one atom"
    options = {"location": "median", "half_width": 0.05} | options
    return Rate(f"e2.{name}.{cells}", f"error of {WORDS[name]}, {label}", (exponent,) * 2, (rival,), **options)


ONLY_RATIOS = Claim(
    name="plain_exact",
    title="Temperature, exact-specified",
    statement="Slopes, intercepts and temperature act through their ratios only: noise, start and steps choose the temperature,"
    " far from the truth at every n, while experts, variances and density converge like n^(-1/2).",
    source=f"derived; arXiv {PAPER} (abstract) states rates slower than any polynomial",
    evidence=Evidence.DERIVED,
    variant="ours",
    truth=PLAIN,
    inputs=INPUTS,
    num_experts=2,
    estimator=NEAR,
    sizes={"quick": (1000, 4000), "standard": log_spaced(1e3, 1e5, 5), "paper": log_spaced(1e3, 1e6, 9)},
    replicates={"quick": 4, "standard": 240, "paper": 240},
    checks=(
        DENSITY,
        floor("e2.log_T.single", "log temperature"),
        *(block(name, "single", 0.5, 0.25) for name in ("eta_1", "eta_0", "nu")),
        Fibre("hellinger", "Hellinger distance, all scaled", SCALED, "common factor", 0.0, 1e-7),
        Fibre("e2.log_T.single", "error of the log temperature, all scaled", SCALED, "common factor", 0.3, 10.0),
    ),
    deviations="The form of the gate is our reading of the abstract; setting ours.",
)
ACTIVATED_EXACT = replace(
    ONLY_RATIOS,
    name="activated_exact",
    title="Activated temperature, exact-specified",
    statement="With an activation in front of the softmax, temperature and slopes are told apart: every block converges like"
    " n^(-1/2).",
    source=f"arXiv {PAPER}, abstract",
    evidence=Evidence.UNCONFIRMED,
    truth=ACTIVATED,
    checks=(DENSITY, *(block(name, "single", 0.5, 0.25) for name in WORDS)),
)
ACTIVATED_OVER = replace(
    ACTIVATED_EXACT,
    name="activated_over",
    title="Activated temperature, three fitted experts",
    statement="Over-specified, the rates stay polynomial: in a split cell at least n^(-1/4) for slopes and variance and n^(-1/8)"
    " for the intercept of linear experts.",
    num_experts=3,
    estimator=CERTIFIED,
    sizes={"quick": (1000, 3000), "standard": log_spaced(1e3, 31_623, 4), "paper": log_spaced(1e3, 1e6, 9)},
    replicates={"quick": 3, "standard": 320, "paper": 320},
    checks=(
        DENSITY,
        *(block(name, "split", exponent, 0.0) for name, exponent in BOUNDS.items()),
    ),
)

SIMULATION = Simulation(
    title="Softmax gates with a temperature", paper=PAPER, claims=(ONLY_RATIOS, ACTIVATED_EXACT, ACTIVATED_OVER)
)
