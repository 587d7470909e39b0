"""The published protocol and the certified MLE on the same samples: likelihood gap, loss, slope, radius of the start."""

from moetheory import ExpectationMaximisation, NearTruth
from moetheory.published.arxiv_2305_03288 import BOX, EXACT, INPUTS, OVERSPECIFIED, TRUTH
from moetheory.study import Claim, Evidence, Gap, Rate, Simulation, log_spaced

CERTIFIED = {2: EXACT, 3: OVERSPECIFIED}
SIZES = {
    "quick": log_spaced(1e3, 1e4, 4),
    "standard": log_spaced(1e3, 1e5, 4),
    "paper": log_spaced(1e3, 1e6, 4),
}
LOSSES = {2: "softmax_d1", 3: "softmax_d2"}


def claim(k, name, title, estimator, statement, against=None):
    loss = LOSSES[k]
    gap = (Gap("log_likelihood", "nats below the certified MLE", against=against),) if against else ()
    return Claim(
        name=f"k{k}_{name}",
        title=f"K = {k}: {title}",
        statement=statement,
        source="protocol of the public code of arXiv 2305.03288, on our samples" if against else "this package",
        evidence=Evidence.DERIVED,
        variant="ours",
        truth=TRUTH,
        inputs=INPUTS,
        num_experts=k,
        estimator=estimator,
        sizes=SIZES,
        replicates={"quick": 30, "standard": 100, "paper": 100},
        checks=(
            Rate(loss, f"Voronoi loss {loss[-2:].upper()}", exponents=(0.5, 0.5), rivals=(0.25,), log_power=0.5),
            *gap,
        ),
        deviations="All protocols of one K see the same samples (random inputs), so that differences are due to the fit alone.",
    )


def claims(k, tries):
    stopped = ExpectationMaximisation.as_published(tries=tries)
    yield claim(k, "certified", "certified MLE", CERTIFIED[k], "The reference: every fit run to a certified maximum.")
    yield claim(
        k,
        "published",
        "published protocol",
        stopped,
        "EM stopped at a relative change of 1e-6 beside the truth is not the maximum likelihood estimate.",
        against=f"k{k}_certified",
    )
    for radius in (0.005, 0.05, 0.5):
        yield claim(
            k,
            f"radius_{radius:g}".replace(".", "_"),
            f"EM to 1e-6 from radius {radius:g}",
            ExpectationMaximisation(starts=(NearTruth(radius, tries),), box=BOX),
            "The loss of an EM run stopped at 1e-6 depends on the radius of its start.",
            against=f"k{k}_certified",
        )


SIMULATION = Simulation(
    title="Published protocol against certified MLE", paper="2305.03288", claims=(*claims(2, 1), *claims(3, 5))
)
