"""Competition gates, exact-specified: density and every block at the root-n rate (ours; no theorem text was available)."""

from moetheory.published.arxiv_2505_13380 import EXACT, EXACT_TANH, INPUTS, TANH, competition
from moetheory.study import Claim, Evidence, Rate, Simulation, log_spaced

WORDS = {"eta_1": "expert slope", "eta_2": "expert scale", "eta_0": "expert intercept", "nu": "variance"}


def rate(quantity, label, **options):
    return Rate(quantity, label, (0.5, 0.5), rivals=(0.25,), half_width=0.06, **options)


def claim(name, title, truth):
    blocks = [block for block in WORDS if block in truth.mixing_measure().atoms]
    return Claim(
        name=name,
        title=title,
        statement="With k = k* the density, CP-D and every block converge at the rate n^(-1/2).",
        source="this package; the density theorems of arXiv 2505.13380 and 2402.02526 are unconfirmed",
        evidence=Evidence.DERIVED,
        variant="ours",
        truth=truth,
        inputs=INPUTS,
        num_experts=2,
        estimator=EXACT_TANH if truth.expert is TANH else EXACT,
        sizes={"quick": log_spaced(1e3, 8e3, 4), "standard": log_spaced(1e3, 1e5, 7), "paper": log_spaced(1e3, 1e6, 9)},
        replicates={"quick": 10, "standard": 100, "paper": 200},
        checks=(
            rate("competition_d", "CP-D", log_power=0.5),
            rate("hellinger", "Hellinger distance", log_power=0.5),
            rate("total_variation", "total variation", log_power=0.5),
            *(rate(f"e2.{block}.single", f"error of the {WORDS[block]}", upper_bound=False) for block in blocks),
        ),
        deviations="No published counterpart.",
    )


SIMULATION = Simulation(
    title="Competition gates, exact-specified",
    paper="2505.13380",
    claims=(
        claim("softplus", "Competition, softplus response", competition("softplus")),
        claim("abs", "Competition, absolute response", competition("abs")),
        claim("normalised_abs", "Competition, normalised absolute response", competition("abs", "normalised")),
        claim("softplus_tanh", "Competition, softplus response, tanh experts", competition("softplus", expert=TANH)),
    ),
)
