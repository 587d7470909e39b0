"""Gates confined to a known set, as by a frozen hypernetwork (arXiv 2312.07035): rate inside the set, floor outside."""

from dataclasses import replace

from moetheory.published.arxiv_2312_07035 import (
    ESTIMATOR,
    FROZEN,
    INPUTS,
    LOW_RANK,
    NUMBERS,
    OUTSIDE,
    SEARCH,
    THOROUGH,
    family,
    inside,
    linear,
    network,
)
from moetheory.study import Claim, Evidence, Rate, Simulation, floor, log_spaced

WORDS = {"beta_1": "gate slope", "eta_1": "expert slope", "eta_0": "expert intercept", "nu": "variance"}


def block(name):
    label = f"error of {WORDS[name]}, cell of one atom"
    return Rate(f"e2.{name}.single", label, (0.5, 0.5), (0.25,), location="median", half_width=0.05)


FAST = Rate("hellinger", "Hellinger distance", (0.5, 0.5), (0.25,), log_power=0.5, half_width=0.06)
FLOOR = floor("hellinger", "Hellinger distance")

LEARNED = Claim(
    name="learned",
    title="Learned gate",
    statement="A gate of which everything is trained: density and every block converge like n^(-1/2).",
    source="derived: classical theory of maximum likelihood",
    evidence=Evidence.DERIVED,
    variant="ours",
    truth=OUTSIDE,
    inputs=INPUTS,
    num_experts=4,
    estimator=ESTIMATOR,
    sizes={"quick": (500, 1000), "standard": log_spaced(1e3, 1e4, 3), "paper": log_spaced(1e3, 1e6, 7)},
    replicates={"quick": 2, "standard": 16, "paper": 100},
    checks=(FAST, *map(block, WORDS)),
    deviations="arXiv 2312.07035 states no theorem: its statistical version is derived here. Distances by 4,096 Sobol points.",
)


def within(name, title, constraint):
    return replace(
        LEARNED,
        name=name,
        title=title,
        statement=f"With the true gate in a known set of {constraint.size} trainable parameters the density and every block"
        " converge like n^(-1/2).",
        truth=inside(constraint),
        family=family(constraint),
    )


def beyond(name, title, constraint, statement, estimator=SEARCH):
    starts = sum(rule.count for rule in estimator.starts)
    return replace(
        LEARNED,
        name=name,
        title=title,
        statement=statement,
        family=family(constraint),
        estimator=estimator,
        replicates=LEARNED.replicates | {"standard": 8},
        checks=(FLOOR,),
        truth=OUTSIDE,
        deviations=f"{LEARNED.deviations} {starts} starts, most from the data: beside the truth there is nothing to find.",
    )


OUT = "With the true gate outside the set the estimate goes to the closest density of the set: the distance stays above a floor."
FEWER = "The floor falls as the number of trainable parameters grows; at 16 random directions the set holds every gate."


def outside(kind, title, size, constraint, estimator):
    return beyond(f"outside_{kind}{size}", f"{title} of {size}, truth outside", constraint, f"{OUT} {FEWER}", estimator)


LINEAR8 = outside("linear", "Linear set", 8, linear(8), THOROUGH)
LINEAR8 = replace(
    LINEAR8,
    sizes=LINEAR8.sizes | {"standard": (3162, 10_000), "paper": log_spaced(3162, 1e6, 6)},
    deviations=f"{LINEAR8.deviations} From n = 3,162 on: at 1,000 the statistical error is as large as this floor.",
)


SIMULATION = Simulation(
    title="Hyper-routers: gates in known sets",
    paper="2312.07035",
    claims=(
        LEARNED,
        within("inside_linear4", "Linear set of 4 parameters, truth inside", linear(4)),
        within("inside_network4", "Frozen network of 4 parameters, truth inside", network(4)),
        *(outside("linear", "Linear set", m, linear(m), SEARCH) for m in NUMBERS if m < 8),
        LINEAR8,
        replace(
            LEARNED,
            name="linear16",
            title="Linear set of 16 parameters",
            statement="Sixteen random directions span all gates: the floor is gone.",
            family=family(linear(16)),
            checks=(FAST,),
        ),
        *(outside("network", "Frozen network", m, network(m), THOROUGH if m > 2 else SEARCH) for m in NUMBERS),
        beyond("outside_low_rank", "Slopes of rank one, truth of rank three", LOW_RANK, OUT),
        beyond("frozen", "Frozen gate of equal weights", FROZEN, "A gate that is not trained leaves the largest floor."),
    ),
)
