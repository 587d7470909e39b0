"""Top-K sparse softmax gates without shared experts: arXiv 2309.13850, exact and with one expert more."""

from dataclasses import replace

from moetheory import Family, LinearExpert, SoftmaxGate
from moetheory.published.arxiv_2309_13850 import CERTIFIED, INPUTS, NEAR, TRUTH
from moetheory.study import Claim, Evidence, Rate, Simulation, log_spaced

PAPER = "2309.13850"
WORDS = {"beta_1": "gate slope", "eta_1": "expert slope", "eta_0": "expert intercept", "nu": "variance"}
BOUNDS = {"beta_1": 0.125, "eta_1": 0.25, "eta_0": 0.125, "nu": 0.25}
DENSITY = Rate("hellinger", "Hellinger distance", (0.5, 0.5), (0.25,), log_power=0.5, half_width=0.06)


def fitted(active):
    return Family(SoftmaxGate.kind(top_k=active), LinearExpert.kind())


def block(name, cells, exponent, rival):
    label = "split cell of two" if cells == "size2" else "cell of one atom"
    return Rate(
        f"e2.{name}.{cells}", f"error of {WORDS[name]}, {label}", (exponent,) * 2, (rival,), location="median", half_width=0.05
    )


EXACT = Claim(
    name="exact",
    title="Two of three, exact-specified",
    statement="With k = k* and K = K* the density and every block converge like n^(-1/2).",
    source=f"arXiv {PAPER}, abstract",
    evidence=Evidence.UNCONFIRMED,
    variant="ours",
    truth=TRUTH,
    inputs=INPUTS,
    num_experts=3,
    estimator=NEAR,
    sizes={"quick": (1000, 4000), "standard": log_spaced(1e3, 1e4, 3), "paper": log_spaced(1e3, 1e6, 9)},
    replicates={"quick": 3, "standard": 660, "paper": 660},
    checks=(DENSITY, *(block(name, "single", 0.5, 0.25) for name in WORDS)),
    deviations="Theorem texts were not at hand: exponents as its abstract and arXiv 2505.10860, appendix F, have them. The"
    " loss of the paper is not used.",
)
OVER = replace(
    EXACT,
    name="over",
    title="Three of four fitted to two of three",
    statement="With K large enough for the cells of any two true atoms the density converges like n^(-1/2); in a split cell of"
    " two atoms slopes of gate and intercepts of experts converge at least like n^(-1/8), the others like n^(-1/4).",
    num_experts=4,
    family=fitted(3),
    estimator=CERTIFIED,
    sizes={"quick": (1000, 3000), "standard": log_spaced(1e3, 1e4, 3), "paper": log_spaced(1e3, 1e6, 9)},
    replicates={"quick": 3, "standard": 1700, "paper": 1700},
    checks=(
        DENSITY,
        *(block(name, "size2", exponent, 0.0) for name, exponent in BOUNDS.items()),
        *(block(name, "single", 0.5, 0.25) for name in WORDS),
    ),
)
TOO_FEW = replace(
    OVER,
    name="over_too_few",
    title="Two of four fitted to two of three",
    statement="The abstract asks for as many active experts as the cells of any two true atoms have. In one input two of four"
    " reproduce two of three all the same, the atom that is always active listed twice, so the density converges like n^(-1/2).",
    source=f"derived (against arXiv {PAPER}, abstract, as we read it); see the notes on arXiv 2505.10860",
    evidence=Evidence.DERIVED,
    family=fitted(2),
    replicates={"quick": 3, "standard": 24, "paper": 200},
    checks=(DENSITY,),
)

SIMULATION = Simulation(title="Top-K sparse softmax gates", paper=PAPER, claims=(EXACT, OVER, TOO_FEW))
