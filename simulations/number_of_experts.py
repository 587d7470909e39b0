"""How often BIC, ICL and the dendrogram of the mixing measure find the true number of experts (arXiv 2510.12744)."""

from dataclasses import replace

from moetheory.published.arxiv_2510_12744 import ESTIMATOR, INPUTS, LARGEST, THREE, TWO
from moetheory.study import Claim, Evidence, Rate, Recovery, Simulation, floor

PAPER = "2510.12744"
SIZES = {"quick": (200, 600), "standard": (200, 1000, 5000), "paper": (200, 1000, 5000, 25_000)}
REPLICATES = {"quick": 4, "standard": 100, "paper": 200}
TRUTHS = {"two": (TWO, "two experts far apart"), "three": (THREE, "three experts close to each other")}
SETTING = {
    "source": f"arXiv {PAPER}, abstract",
    "evidence": Evidence.UNCONFIRMED,
    "variant": "ours",
    "inputs": INPUTS,
    "estimator": ESTIMATOR,
    "sizes": SIZES,
    "replicates": REPLICATES,
    "deviations": f"Fits of 1 to {LARGEST} experts from data-only starts on the same samples. Setting ours; the dissimilarity of"
    " the dendrogram is our form of it.",
}


def supporting(name, number):
    """Fits of another number of experts, for the criteria to compare with."""
    truth, words = TRUTHS[name]
    enough = number >= truth.num_experts
    converges = Rate("hellinger", "Hellinger distance", (0.5, 0.5), (0.25,), half_width=0.1)
    return Claim(
        name=f"{name}_k{number}",
        title=f"{number} fitted to {words}",
        statement=f"A fit that the criteria compare with: {number} experts "
        + ("hold the truth, the density converges." if enough else "are too few, the density keeps away from the truth."),
        truth=truth,
        num_experts=number,
        checks=(converges if enough else floor("hellinger", "Hellinger distance"),),
        **SETTING,
    )


def chosen(name):
    truth, words = TRUTHS[name]
    others = tuple(f"{name}_k{number}" for number in range(1, LARGEST))
    return Claim(
        name=f"{name}_chosen",
        title=f"Number of experts: {words}",
        statement="BIC (classical theory, in a compact box) and the dendrogram criterion (abstract) find the true number of"
        " experts with probability tending to one.",
        truth=truth,
        num_experts=LARGEST,
        checks=(
            Recovery("bic", "frequency of the true number, BIC", others, 0.9, 1.0),
            Recovery("dendrogram", "frequency of the true number, dendrogram", (), 0.9, 1.0),
        ),
        **SETTING,
    )


def by_icl(name):
    """ICL on the same fits."""
    frequency = {"two": (0.9, 1.0), "three": (0.0, 0.1)}[name]
    return replace(
        chosen(name),
        name=f"{name}_icl",
        title=f"Number of experts by ICL: {TRUTHS[name][1]}",
        statement="ICL charges for the entropy of the classification, n times a constant: where that of the true number exceeds"
        " that of fewer experts by more than these lose in likelihood, it finds the true number with probability tending to zero"
        " (three experts close to each other), where it does not, with probability tending to one (two far apart).",
        source="derived: laws of large numbers for both terms",
        evidence=Evidence.DERIVED,
        checks=(Recovery("icl", "frequency of the true number, ICL", chosen(name).checks[0].against, *frequency),),
    )


SIMULATION = Simulation(
    title="The number of experts: BIC, ICL and dendrograms",
    paper=PAPER,
    claims=tuple(
        claim
        for name in TRUTHS
        for claim in (chosen(name), by_icl(name), *(supporting(name, number) for number in range(1, LARGEST)))
    ),
)
