"""Competition gates against the softmax gate, over-specified, up to n = 2^20 (ours; no theorem text was available)."""

from moetheory.published.arxiv_2505_13380 import (
    INPUTS,
    OVERSPECIFIED,
    OVERSPECIFIED_TANH,
    SOFTMAX,
    SOFTMAX_TANH,
    TANH,
    competition,
)
from moetheory.study import Claim, Evidence, Rate, Simulation

SETTING = {
    "inputs": INPUTS,
    "evidence": Evidence.DERIVED,
    "variant": "ours",
    "num_experts": 3,
    "source": "this package, derived from the second-order cone test; theorems of arXiv 2505.13380 and 2402.02526 unconfirmed",
    "deviations": "No published counterpart. Population profiles say that these contrasts show in the mean only from n of about"
    " 1e5 (absolute value) or 1e6 (softplus) on: read the local slopes.",
}
PAPER_SIZES = tuple(4**k for k in range(5, 12))
MANY = {
    "sizes": {"quick": (2**10, 2**12), "standard": PAPER_SIZES[:4], "paper": PAPER_SIZES},
    "replicates": {"quick": 8, "standard": 700, "paper": 700},
}
LARGE = {
    "sizes": MANY["sizes"] | {"standard": PAPER_SIZES[:6]},
    "replicates": {"quick": 8, "standard": 100, "paper": 200},
}
"""Softmax against softplus, to 2^20."""
LARGE_TANH = {
    "sizes": MANY["sizes"] | {"standard": (*PAPER_SIZES[:4], 2**20)},
    "replicates": {"quick": 8, "standard": 30, "paper": 200},
}
"""The same with feed-forward experts, a minute a fit at 2^20."""
WORDS = {"beta_1": "gate slope", "eta_1": "expert slope", "eta_2": "expert scale", "eta_0": "expert intercept", "nu": "variance"}


def blocks(exponents, kind, cells, label, fading=0.0, beside=None):
    """Between the exponents of pairs that keep mass and, of errors weighted by mass, that of a lighter atom that fades."""
    return tuple(
        Rate(
            f"{kind}.{block}.{cells}",
            f"{WORDS[block]}, {label}",
            (low, max(high, fading)),
            rivals=tuple(rival for rival in (0.0, 0.5) if not low <= rival <= max(high, fading)),
            upper_bound=False,
            location="median",
            half_width=0.05,
            beside=beside,
        )
        for block, (low, high) in exponents.items()
    )


def claim(name, title, truth, loss, exponents, statement, cells="split", runs=MANY):
    return Claim(
        name=name,
        title=title,
        truth=truth,
        statement=f"{statement} {FADING}",
        estimator=OVERSPECIFIED_TANH if truth.expert is TANH else OVERSPECIFIED,
        checks=(
            Rate(loss, "Voronoi loss", (0.5, 0.5), rivals=(0.25,), log_power=0.5, half_width=0.06),
            Rate("hellinger", "Hellinger distance", (0.5, 0.5), rivals=(0.25,), log_power=0.5, half_width=0.06),
            *blocks(exponents, "e2", cells, "split cell, by mass", fading=0.25, beside=0.5),
            *blocks(exponents, "max", cells, "split cell, live atoms"),
        ),
        **runs,
        **SETTING,
    )


QUARTER = (0.25, 0.25)
FAST = dict.fromkeys(("eta_1", "eta_0", "nu"), QUARTER)
SLOW = {"eta_1": (0.25, 0.375), "eta_0": (0.125, 0.25), "nu": QUARTER}
"""Intercepts apart like n^(-1/8) go with expert slopes like n^(-3/8), those like n^(-1/4) with n^(-1/4)."""
KINKED = {**FAST, "eta_1": (0.25, 1 / 3), "eta_0": (0.25, 1 / 3)}
"""Moving the kink of an absolute value costs more than tilting about it."""
FADING = (
    "Of pairs that both keep mass, that is; where the lighter atom fades like n^(-1/2) its own errors stay, and errors weighted"
    " by mass fall like n^(-1/4) in every block."
)
EVERY_BLOCK = (
    "Every block of a cell of two atoms converges like n^(-1/4): the response gate breaks the heat relation of linear experts."
)

SIMULATION = Simulation(
    title="Competition gates against the softmax gate",
    paper="2505.13380",
    claims=(
        claim(
            "softmax",
            "Softmax gate, linear experts",
            SOFTMAX,
            "softmax_d2",
            {"beta_1": QUARTER, **SLOW},
            "In a cell of two atoms that keep mass gate slope and variance converge like n^(-1/4); the expert intercepts like"
            " n^(-1/8) where they take the slow direction, expert slopes then like n^(-3/8), else both like n^(-1/4).",
            runs=LARGE,
        ),
        claim(
            "softplus",
            "Competition, softplus response",
            competition("softplus"),
            "competition_d",
            FAST,
            EVERY_BLOCK,
            runs=LARGE,
        ),
        claim(
            "abs",
            "Competition, absolute response, first atom split",
            competition("abs"),
            "competition_d",
            KINKED,
            f"{EVERY_BLOCK} Judged where the first atom is split, whose mean changes sign inside the inputs.",
            cells="split1",
        ),
        claim("square", "Competition, squared response", competition("square"), "competition_d", FAST, EVERY_BLOCK),
        claim(
            "normalised_softplus",
            "Competition, normalised softplus response",
            competition("softplus", "normalised"),
            "competition_d",
            FAST,
            EVERY_BLOCK,
        ),
        claim(
            "identity",
            "Competition, identity response",
            competition("identity"),
            "competition_d",
            SLOW,
            "The identity response with free masses is a softmax gate whose slopes are the experts': the expert intercept keeps"
            " n^(-1/8).",
        ),
        claim(
            "softplus_tanh",
            "Competition, softplus response, tanh experts",
            competition("softplus", expert=TANH),
            "competition_d",
            dict.fromkeys(("eta_1", "eta_2", "nu"), QUARTER),
            "With bias-free tanh experts every block of a cell of two atoms converges like n^(-1/4).",
            runs=LARGE_TANH,
        ),
        claim(
            "softmax_tanh",
            "Softmax gate, tanh experts",
            SOFTMAX_TANH,
            "deepseek_d1",
            dict.fromkeys(("beta_1", "eta_1", "eta_2", "nu"), QUARTER),
            "With bias-free tanh experts every block of a cell of two atoms converges like n^(-1/4) behind a softmax gate too.",
            runs=LARGE_TANH,
        ),
    ),
)
