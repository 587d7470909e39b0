"""Mapped gates, joint models and regression functions, exact-specified: Cramer-Rao bound and law of the likelihood ratio."""

from moetheory import (
    ActivatedTemperatureGate,
    FeedForwardExpert,
    GaussianGate,
    GaussianMixtureInputs,
    LaplaceGate,
    LeastSquares,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    RegressionMixture,
    SoftmaxGate,
    Uniform,
    UnnormalisedSigmoidGate,
)
from moetheory.estimators.layout import layout_of
from moetheory.study import ChiSquared, Claim, Evidence, Levels, Simulation

ONE, WIDE, TWO = Uniform((-2.0,), (2.0,)), Uniform((-3.0,), (3.0,)), Uniform((-1.5, -1.5), (1.5, 1.5))
BOX = ParameterBox(gate=20.0, expert=20.0, variance=(0.01, 100.0))
LINES = LinearExpert([[1.5], [-1.0]], [1.5, 0.6])
PLANES = LinearExpert([[1.0, 0.5], [-1.0, 0.5]], [1.0, -1.0])
TANH = FeedForwardExpert([[1.5], [-1.0]], bias=[0.5, -0.7], activation="tanh")
GAUSSIAN = GaussianGate([-0.5, 0.5], [[-1.0], [1.0]], [[-1.2], [-0.7]])
ACTIVATED = ActivatedTemperatureGate([0.5, 0.5], [[1.5], [0.5]], [-1.2, -1.2], activation="tanh")
LAPLACE = LaplaceGate([0.0, 0.0], [[0.8, 0.0], [-0.8, 0.0]])
VARIANCE = [0.1, 0.2]
SIZES = {"quick": (5_000,), "standard": (10_000,), "paper": (100_000,)}
LARGE = {"quick": (20_000,), "standard": (100_000,), "paper": (1_000_000,)}
"""For the activated temperature: at 10,000 a standard error of its slope is 0.2, too much for the asymptotic law."""

MODELS = {
    "laplace_linear": ("Laplace gate, linear experts, two inputs", MixtureOfExperts(LAPLACE, PLANES, VARIANCE), TWO),
    "activated_temperature_linear": (
        "activated temperature, linear experts",
        MixtureOfExperts(ACTIVATED, LINES, VARIANCE),
        WIDE,
    ),
    "gaussian_linear": (
        "Gaussian gate, joint density, linear experts",
        MixtureOfExperts(GAUSSIAN, LINES, VARIANCE),
        GaussianMixtureInputs.of(GAUSSIAN),
    ),
    "squares_softmax_linear": (
        "least squares, softmax gate, linear experts",
        RegressionMixture(SoftmaxGate([-0.5, 0.0], [[3.0], [0.0]]), LINES, 0.01),
        ONE,
    ),
    "squares_softmax_tanh": (
        "least squares, softmax gate, tanh experts",
        RegressionMixture(SoftmaxGate([-0.5, 0.0], [[3.0], [0.0]]), TANH, 0.001),
        ONE,
    ),
    "squares_sigmoid_linear": (
        "least squares, unnormalised sigmoid gate, linear experts",
        RegressionMixture(UnnormalisedSigmoidGate([0.5, 1.0], [[2.0], [-3.0]]), LINES, 0.001),
        ONE,
    ),
}


def claim(name, title, truth, inputs):
    size, start = layout_of(truth).size, (NearTruth(0.02),)
    regression = isinstance(truth, RegressionMixture)
    return Claim(
        name=name,
        title=f"Efficiency: {title}",
        statement="n times the squared error of every parameter tends to its Cramer-Rao bound, and twice the log-likelihood gain"
        f" over the truth is chi-squared with {size} degrees of freedom.",
        source=f"classical theory of {'least squares' if regression else 'maximum likelihood'}",
        evidence=Evidence.DERIVED,
        variant="ours",
        truth=truth,
        inputs=inputs,
        num_experts=2,
        estimator=LeastSquares(starts=start, box=BOX) if regression else MaximumLikelihood(starts=start, box=BOX),
        sizes=LARGE if name == "activated_temperature_linear" else SIZES,
        replicates={"quick": 10, "standard": 600, "paper": 10_000},
        checks=(
            Levels("efficiency", "n error² / Cramér-Rao bound", low=0.85, high=1.15),
            ChiSquared("likelihood_ratio", "2 (l(fit) - l(truth))", degrees=size),
        ),
        deviations="No published counterpart. Cosine gates and plain temperatures are left out: their information is singular.",
    )


SIMULATION = Simulation(
    title="Efficiency: mapped gates, joint models, regression functions",
    paper="2405.13997",
    claims=tuple(claim(name, *model) for name, model in MODELS.items()),
)
