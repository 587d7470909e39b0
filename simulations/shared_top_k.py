"""Shared experts with top-K softmax-routed ones: appendix F of arXiv 2505.10860, enough and too few active experts."""

from dataclasses import replace

from moetheory.gating import SoftmaxGate
from moetheory.identifiability.refits import middle_twice
from moetheory.published.arxiv_2505_10860 import FEED_FORWARD, INPUTS, TOP_K
from moetheory.study import Claim, Evidence, Fibre, Rate, Simulation, floor, log_spaced

PAPER = "2505.10860"
SETTING = {
    "variant": "ours",
    "truth": TOP_K,
    "inputs": INPUTS,
    "estimator": FEED_FORWARD,
    "sizes": {"quick": log_spaced(1e3, 4e3, 3), "standard": log_spaced(1e3, 31_623, 6), "paper": log_spaced(1e3, 1e6, 9)},
    "replicates": {"quick": 6, "standard": 20, "paper": 150},
    "deviations": "Appendix F prints no simulation; truth, inputs and sizes are ours.",
}
MANY = {"quick": 6, "standard": 240, "paper": 240}
"""What most blocks need; the other claims show a floor or the density, for which fewer do."""
WORDS = {
    "beta_1": "gate slope",
    "eta_1": "routed slope",
    "eta_2": "routed scale",
    "nu": "routed variance",
    "kappa_1": "shared slope",
    "kappa_2": "shared scale",
    "tau": "shared variance",
}


def family(active, num_shared=1):
    return replace(TOP_K.family, gate=SoftmaxGate.kind(top_k=active), num_shared=num_shared)


def rate(quantity, label, exponent=0.5, rival=0.25, **options):
    return Rate(quantity, label, (exponent, exponent), rivals=(rival,), **options)


def blocks(exponent, cells, label, rival, names=tuple(WORDS)):
    options = {"location": "median", "half_width": 0.05}
    return tuple(rate(f"e2.{name}.{cells}", f"error of {WORDS[name]}, {label}", exponent, rival, **options) for name in names)


DENSITY = rate("hellinger", "Hellinger distance", log_power=0.5, half_width=0.06)
ROUTED = ("beta_1", "eta_1", "eta_2", "nu")

EXACT = Claim(
    name="exact",
    title="Two of three active, exact-specified",
    statement="With k = k* and K active experts the density, DS-D5 and every block converge at the rate n^(-1/2).",
    source=f"arXiv {PAPER}, Theorem 5 of appendix F",
    evidence=Evidence.PUBLISHED,
    num_experts=3,
    family=family(2),
    checks=(
        rate("deepseek_d5", "DS-D5, with infimum", log_power=0.5, half_width=0.06),
        DENSITY,
        *blocks(0.5, "single", "cell of one atom", 0.25),
    ),
    **(SETTING | {"replicates": MANY | {"standard": 440, "paper": 440}}),
)
ENOUGH = replace(
    EXACT,
    name="enough",
    title="Three of four active: enough",
    statement="With k = 4 and 3 active experts the density and DS-D5 converge at the rate n^(-1/2), blocks of the split cell at"
    " least like n^(-1/4).",
    source=f"arXiv {PAPER}, Theorem 5 and Proposition 7 of appendix F",
    num_experts=4,
    family=family(3, 2),
    replicates=MANY,
    checks=(
        rate("deepseek_d5", "DS-D5, with infimum", log_power=0.5, half_width=0.06),
        DENSITY,
        *blocks(0.25, "split", "split cell", 0.0),
        *blocks(0.5, "single", "cell of one atom", 0.25, ROUTED),
    ),
)
TOO_FEW = replace(
    EXACT,
    name="too_few",
    title="One of three active: too few",
    statement="With fewer active experts than the truth needs the density does not converge: a floor.",
    source=f"arXiv {PAPER}, Proposition 6 of appendix F",
    family=family(1),
    replicates=SETTING["replicates"],
    checks=(floor("hellinger", "Hellinger distance"),),
)
TWICE = ((0.01, middle_twice(TOP_K, 0.01)), (0.1, middle_twice(TOP_K, 0.1)), (1.0, middle_twice(TOP_K, 1.0)))
COUNTEREXAMPLE = replace(
    EXACT,
    name="two_of_four",
    title="Two of four active: a counterexample to the stated necessary number",
    statement="With one input two of four active experts reproduce the truth exactly, although the cells of the active atoms"
    " hold three: the always active atom is listed twice, one copy for either sign of the input.",
    source=f"derived (against arXiv {PAPER}, Proposition 6 of appendix F, as we read it)",
    evidence=Evidence.DERIVED,
    num_experts=4,
    family=family(2),
    replicates=SETTING["replicates"],
    checks=(
        Fibre("hellinger", "Hellinger distance of two of four", TWICE, "difference of the copies' slopes", 0.0, 1e-7),
        DENSITY,
    ),
    deviations="The model is computed, the rate simulated.",
)

SIMULATION = Simulation(
    title="Shared experts with top-K softmax-routed experts", paper=PAPER, claims=(EXACT, ENOUGH, TOO_FEW, COUNTEREXAMPLE)
)
