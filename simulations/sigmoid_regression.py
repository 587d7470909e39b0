"""Sigmoid-gated regression by least squares: Figure 1 of arXiv 2405.13997 in both regimes, printed and corrected."""

from dataclasses import replace

from moetheory.identifiability.regression_fibres import gate_as_expert, split_expert, with_zero_expert
from moetheory.published.arxiv_2405_13997 import (
    ANYWHERE,
    CERTIFIED,
    FIRST_LINEAR,
    FIRST_RELU,
    FLAT_GATE,
    INPUTS,
    LINES,
    NEAR,
    NOISE,
    PRINTED_INPUTS,
    PROTOCOL,
    SAME_START,
    SECOND_LINEAR,
    SECOND_RELU,
    STEEP_GATE,
    neural,
)
from moetheory.regression import RegressionMixture
from moetheory.study import Claim, Evidence, Fibre, Rate, Simulation, floor, log_spaced

PAPER = "2405.13997"
PRINTED = {
    "sizes": {"quick": (300, 1000), "standard": log_spaced(1e3, 1e4, 3), "paper": log_spaced(1e3, 1e5, 9)},
    "replicates": {"quick": 2, "standard": 6, "paper": 20},
}
OURS = {
    "sizes": {"quick": (300, 3000), "standard": log_spaced(100, 1e4, 5), "paper": log_spaced(100, 1e5, 11)},
    "replicates": {"quick": 4, "standard": 20, "paper": 100},
}
WORDS = {"beta_1": "gate slope", "eta_1": "expert slope", "eta_b": "expert bias", "eta_0": "expert intercept"}
DISTANCE = Rate("l2", "L2 distance of the functions", (0.5, 0.5), (0.25,), log_power=0.5, half_width=0.06)


def block(name, cells, exponent, rival):
    label = "split cell" if cells == "split" else "cell of one atom"
    return Rate(
        f"e2.{name}.{cells}", f"error of {WORDS[name]}, {label}", (exponent,) * 2, (rival,), location="median", half_width=0.05
    )


def printed(name, figure, truth, loss, published, evidence):
    """The printed protocol and a minimum from the same start; linear experts with flat gates are stated to have no rate."""
    exponent = float(published.rpartition("-")[2])
    rate = {"exponents": (0.5, 0.5), "rivals": (0.0,), "log_power": 0.5}
    slow = {"exponents": (0.0, exponent), "rivals": (0.5,), "upper_bound": False}
    setting = {
        "source": f"arXiv {PAPER}, Figure {figure}",
        "evidence": Evidence.PUBLISHED,
        "variant": "printed",
        "truth": truth,
        "inputs": PRINTED_INPUTS,
        "num_experts": 9,
        "checks": (Rate(loss, "loss as printed", published=published, **(slow if truth is FIRST_LINEAR else rate)), DISTANCE),
    }
    deviations = f"Truth drawn once by us; batch of 32 and a start at radius 0.05 are our guess. {evidence}"
    yield Claim(
        name=f"{name}_printed_sgd",
        title=f"Figure {figure} as printed, ten epochs",
        statement=f"The printed curve falls like {published}; ten epochs of gradient steps measure how far optimisation got.",
        estimator=PROTOCOL,
        deviations=deviations,
        **setting,
        **PRINTED,
    )
    yield Claim(
        name=f"{name}_printed_ls",
        title=f"Figure {figure} as printed, run to a minimum",
        statement="The same truth and start, least squares run until the gradient vanishes.",
        estimator=SAME_START,
        deviations=f"{deviations} Small sizes: a step has 594 parameters.",
        **setting,
        sizes={"quick": (100, 200), "standard": (300, 1000), "paper": log_spaced(1e3, 1e4, 4)},
        replicates={"quick": 1, "standard": 3, "paper": 20},
    )


def ours(name, title, statement, gate, expert, checks, estimator=CERTIFIED, **changes):
    setting = {
        "source": f"arXiv {PAPER}",
        "evidence": Evidence.PUBLISHED,
        "variant": "ours",
        "inputs": INPUTS,
        "num_experts": 3,
        "deviations": "Two inputs, two experts, three fitted; least squares run until the gradient vanishes.",
        **OURS,
    }
    truth = RegressionMixture(gate, expert, NOISE)
    return Claim(
        name=name, title=title, statement=statement, truth=truth, checks=checks, estimator=estimator, **(setting | changes)
    )


FIRST = RegressionMixture(FLAT_GATE, LINES, NOISE)
SECOND = RegressionMixture(STEEP_GATE, neural("tanh"), NOISE)
SPLITS = tuple((shift, split_expert(FIRST, shift)) for shift in (0.1, 1.0, 5.0))
LOGISTIC_SECOND = RegressionMixture(STEEP_GATE, neural("logistic"), NOISE)
EXCHANGED = tuple((float(atom + 1), gate_as_expert(LOGISTIC_SECOND, atom)) for atom in range(2))
ZERO = tuple((intercept, with_zero_expert(SECOND, intercept)) for intercept in (-2.0, 0.0, 2.0))

THEOREM2 = ours(
    "first_tanh",
    "First regime, tanh experts",
    "Where all over-specified gate slopes are zero and experts are strongly identifiable, SG-D1 = O((log n / n)^(1/2)): blocks"
    " of a split cell converge at least like n^(-1/4), those of cells of one atom like n^(-1/2).",
    FLAT_GATE,
    neural("tanh"),
    (
        Rate("sigmoid_d1", "SG-D1", (0.5, 0.5), (0.25,), log_power=0.5, half_width=0.06),
        DISTANCE,
        *(block(name, "split", 0.25, 0.0) for name in ("beta_1", "eta_1", "eta_b")),
        *(block(name, "single", 0.5, 0.25) for name in ("beta_1", "eta_1", "eta_b")),
    ),
    source=f"arXiv {PAPER}, Theorem 2",
)
FLOOR = floor("sigmoid_d2", "SG-D2,2")
THEOREM4 = ours(
    "first_linear_near",
    "First regime, linear experts, start near the truth",
    "Lines behind gates of slope zero add up to one line, so even the true number of atoms is not identified: noise, start and"
    " the last step choose a point of a large fibre, far from the truth even from a near start.",
    FLAT_GATE,
    LINES,
    (
        DISTANCE,
        FLOOR,
        Fibre("l2", "L2 distance of the split function", SPLITS, "distance of the intercepts", 0.0, 1e-12),
        Fibre("sigmoid_d2", "SG-D2,2 of the split function", SPLITS, "distance of the intercepts", 0.01, 1e3),
    ),
    estimator=NEAR,
    source=f"derived; the published statement is Theorem 4 of arXiv {PAPER} (minimax)",
    evidence=Evidence.DERIVED,
)
ANY_START = replace(
    THEOREM4,
    name="first_linear_random",
    title="First regime, linear experts, starts from the data",
    statement="The same truth with starts that know nothing of it: the loss stays large at every n although the function"
    " converges like n^(-1/2).",
    estimator=ANYWHERE,
    sizes=OURS["sizes"] | {"standard": log_spaced(1e3, 31_623, 4)},
    checks=(DISTANCE, FLOOR),
)
THEOREM5 = ours(
    "second_tanh",
    "Second regime, tanh experts: the truth is attained",
    "With gate slopes that are not zero a third expert that vanishes everywhere still attains the truth exactly: the closest"
    " function of three atoms is the truth, and it is not unique, so the loss against it need not fall.",
    STEEP_GATE,
    neural("tanh"),
    (
        DISTANCE,
        Rate("projection.l2", "L2 distance to a closest function", (0.5, 0.5), (0.25,), log_power=0.5, half_width=0.06),
        floor("sigmoid_d3", "SG-D3 against the truth"),
        Fibre("l2", "L2 distance with a zero expert", ZERO, "its gate intercept", 0.0, 1e-12),
        Fibre("sigmoid_d3", "SG-D3 with a zero expert", ZERO, "its gate intercept", 0.5, 1e3),
    ),
    source=f"derived (against arXiv {PAPER}, Theorem 5)",
    evidence=Evidence.DERIVED,
)
LOGISTIC = ours(
    "second_logistic",
    "Second regime, logistic experts that cannot vanish",
    "With experts that cannot vanish in the box, least squares converges to the closest function of three atoms like n^(-1/2),"
    " SG-D3 against it too.",
    STEEP_GATE,
    neural("logistic"),
    (
        Rate("projection.l2", "L2 distance to the closest function", (0.5, 0.5), (0.25,), log_power=0.5, half_width=0.06),
        Rate("projection.sigmoid_d3", "SG-D3 against the closest function", (0.5, 0.5), (0.25,), location="median"),
        DISTANCE,
        Fibre("l2", "L2 distance, gate and expert of an atom exchanged", EXCHANGED, "exchanged atom", 0.0, 1e-12),
        Fibre("sigmoid_d1", "SG-D1, gate and expert of an atom exchanged", EXCHANGED, "exchanged atom", 0.3, 1e3),
    ),
    estimator=replace(CERTIFIED, box=replace(CERTIFIED.box, gate=2.0, gate_intercept=1.0, expert=3.0)),
    source=f"arXiv {PAPER}, Theorem 5",
    deviations="Box of gates 2 (intercepts 1) and experts 3, so that no atom can vanish; the closest function is computed by"
    " quadrature from many starts. Its distance to the truth, 2.0e-5, shows from n of about 25 million on: no plateau here."
    " Logistic experts are gates: an atom whose gate and expert change places has the same function, so the closest function has"
    " several measures, and so has the truth.",
)

NOT_UNIQUE = "An expert of zero is a closest function too, so the printed target is not unique: the loss is taken to the truth."
FIGURES = (
    ("first_relu", "1a", FIRST_RELU, "sigmoid_d1", "1.4 n^-0.46", "ReLU experts of fixed scale."),
    ("first_linear", "1a", FIRST_LINEAR, "sigmoid_d2", "1.6 n^-0.02", "The power r is not printed; here 2."),
    ("second_relu", "1b", SECOND_RELU, "sigmoid_d3", "0.2 n^-0.48", NOT_UNIQUE),
    ("second_linear", "1b", SECOND_LINEAR, "sigmoid_d3", "0.2 n^-0.42", NOT_UNIQUE),
)

SIMULATION = Simulation(
    title="Sigmoid gates in regression, by least squares",
    paper=PAPER,
    claims=(*(claim for figure in FIGURES for claim in printed(*figure)), THEOREM2, THEOREM4, ANY_START, THEOREM5, LOGISTIC),
)
