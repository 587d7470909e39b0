"""Every density model, exact-specified: Cramer-Rao bound of every parameter and chi-squared law of the likelihood ratio."""

from moetheory import (
    CompetitionGate,
    FeedForwardExpert,
    InputFreeGate,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    PolynomialExpert,
    SharedExperts,
    SigmoidGate,
    SoftmaxGate,
    Uniform,
)
from moetheory.estimators.layout import layout_of
from moetheory.experts import ConstantExpert
from moetheory.study import ChiSquared, Claim, Evidence, Levels, Simulation

SIZE = 10_000
LARGE = 100_000
"""Sample size where the intercepts of sigmoids are hard to tell: their asymptotic law needs more data."""
INPUTS = Uniform(low=(-2.0,), high=(2.0,))
BOX = ParameterBox(gate=20.0, expert=20.0, variance=(0.01, 100.0))
VARIANCE = [0.1, 0.2]

LINEAR = LinearExpert([[1.5], [-1.0]], [1.5, 0.6])
ONE_SIGN = LinearExpert([[0.5], [-0.5]], [2.0, -1.5])
"""Experts without a zero inside the inputs: |h| / sum |h| of an expert that has one gives a nearly singular information."""
CONSTANT = ConstantExpert([1.5, -1.0])
SQUARE = PolynomialExpert([[1.0], [-0.8]], [0.5, 1.6], degree=2)
CUBE = PolynomialExpert([[0.7], [-0.6]], [0.6, -0.5], degree=3)
GELU = FeedForwardExpert([[1.5], [-1.2]], scale=[1.5, 2.0], activation="gelu")
TANH = FeedForwardExpert([[1.5], [-1.0]], bias=[0.5, -0.7], scale=[2.0, 1.6], activation="tanh")
LOGISTIC = FeedForwardExpert([[2.0], [-1.5]], scale=[3.0, -3.0], activation="logistic")
FIXED_RELU = FeedForwardExpert([[1.5], [-1.0]], activation="relu")
THREE_LINES = LinearExpert([[1.0], [-1.0], [0.5]], [2.5, 0.0, -2.5])
TOP_2 = SoftmaxGate([0.3, 0.2, 0.0], [[-2.0], [-1.0], [0.0]], top_k=2)
TOP_2_SIGMOID = SigmoidGate([-1.0, 0.0, -1.0], [[-3.0], [-0.5], [3.0]], top_k=2)
SHARED_LINE = SharedExperts(LinearExpert([[0.5]], [4.0]), [0.15], [1.0])
TWO_SHARED = SharedExperts(LinearExpert([[0.5], [0.5]], [4.0, -5.0]), [0.15, 0.1], [0.4, 0.6])
SHARED_GELU = SharedExperts(FeedForwardExpert([[1.0]], scale=[-2.0], activation="gelu"), [0.1], [1.0])


SOFTMAX = SoftmaxGate([-0.5, 0.0], [[2.0], [0.0]])
SIGMOID = SigmoidGate([0.5, 1.0], [[2.0], [-3.0]])
MODELS = {
    "softmax_constant": ("softmax gate, constant experts", SOFTMAX, CONSTANT, None),
    "softmax_linear": ("softmax gate, linear experts", SOFTMAX, LINEAR, None),
    "softmax_square": ("softmax gate, quadratic experts", SOFTMAX, SQUARE, None),
    "softmax_cube": ("softmax gate, cubic experts", SOFTMAX, CUBE, None),
    "softmax_gelu": ("softmax gate, GELU experts", SOFTMAX, GELU, None),
    "softmax_tanh": ("softmax gate, tanh experts with bias", SOFTMAX, TANH, None),
    "softmax_logistic": ("softmax gate, logistic experts", SOFTMAX, LOGISTIC, None),
    "softmax_relu": ("softmax gate, ReLU experts of fixed scale", SOFTMAX, FIXED_RELU, None),
    "sigmoid_linear": ("normalised sigmoid gate, linear experts", SIGMOID, LINEAR, None),
    "sigmoid_gelu": ("normalised sigmoid gate, GELU experts", SIGMOID, GELU, None),
    "input_free_linear": ("no gate, linear experts", InputFreeGate([0.5, 0.0]), LINEAR, None),
    **{
        f"competition_{response}_{form}": (
            f"competition, {response} response, {form} form, linear experts",
            CompetitionGate(response, form, [0.2, 0.0]),
            ONE_SIGN if (response, form) == ("abs", "normalised") else LINEAR,
            None,
        )
        for response, form in (
            ("softplus", "exponential"),
            ("softplus", "normalised"),
            ("abs", "exponential"),
            ("abs", "normalised"),
            ("square", "exponential"),
            ("identity", "exponential"),
        )
    },
    "competition_abs_normalised_zero": (
        "competition, abs response, normalised form, linear experts that vanish inside the inputs",
        CompetitionGate("abs", "normalised", [0.2, 0.0]),
        LINEAR,
        None,
    ),
    "competition_bare": ("competition without masses, softplus response", CompetitionGate("softplus"), LINEAR, None),
    "competition_tanh": (
        "competition, softplus response, tanh experts",
        CompetitionGate("softplus", intercept=[0.2, 0.0]),
        TANH,
        None,
    ),
    "top_2_softmax": ("top 2 of 3, softmax gate", TOP_2, THREE_LINES, None),
    "top_2_sigmoid": ("top 2 of 3, normalised sigmoid gate", TOP_2_SIGMOID, THREE_LINES, None),
    "shared_softmax_linear": ("shared and softmax-routed linear experts", SOFTMAX, LINEAR, SHARED_LINE),
    "two_shared_softmax_linear": ("two shared and softmax-routed linear experts", SOFTMAX, LINEAR, TWO_SHARED),
    "shared_softmax_gelu": ("shared and softmax-routed GELU experts", SOFTMAX, GELU, SHARED_GELU),
    "shared_sigmoid_linear": ("shared and sigmoid-routed linear experts", SIGMOID, LINEAR, SHARED_LINE),
    "shared_top_2": ("shared and top-2-routed experts", TOP_2, THREE_LINES, SHARED_LINE),
}


def claim(name, title, gate, expert, shared):
    count = len(expert.slope) if hasattr(expert, "slope") else len(expert.intercept)
    truth = MixtureOfExperts(gate, expert, (VARIANCE * 2)[:count], shared)
    size = layout_of(truth).size
    n = LARGE if isinstance(gate, SigmoidGate) else SIZE
    return Claim(
        name=name,
        title=f"Efficiency: {title}",
        statement="n times the squared error of every parameter tends to its Cramer-Rao bound, and twice the log-likelihood"
        " gain over the"
        f" truth is chi-squared with {size} degrees of freedom.",
        source="classical theory of maximum likelihood",
        evidence=Evidence.DERIVED,
        variant="ours",
        truth=truth,
        inputs=INPUTS,
        num_experts=count,
        estimator=MaximumLikelihood(starts=(NearTruth(0.02),), box=BOX),
        sizes={"quick": (SIZE,), "standard": (n,), "paper": (10 * n,)},
        replicates={"quick": 50, "standard": 4000, "paper": 10_000},
        checks=(
            Levels("efficiency", "n error² / Cramér-Rao bound", low=0.9, high=1.1),
            ChiSquared("likelihood_ratio", "2 (l(MLE) - l(truth))", degrees=size),
        ),
        deviations="No published counterpart: the sharpest check that estimator and information are right.",
    )


SIMULATION = Simulation(
    title="Efficiency of the MLE, every density model",
    paper="2505.10860",
    claims=tuple(claim(name, *model) for name, model in MODELS.items()),
)
