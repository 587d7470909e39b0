"""When the fitted model of a claim surely contains the truth, and how its estimator is printed."""

from dataclasses import replace

import pytest

from moetheory import (
    CompetitionGate,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    SharedExperts,
    SigmoidGate,
    SoftmaxGate,
    Uniform,
)
from moetheory.study import Claim, Evidence, Rate, Settings, Simulation
from moetheory.study.describe import describe

LINES = LinearExpert([[1.0], [-1.0]], [0.5, 1.0])
SHARED = SharedExperts(LinearExpert([[0.5]], [4.0]), [0.2], [1.0])
SOFTMAX = SoftmaxGate([0.5, 0.0], [[2.0], [0.0]])


def claim(gate, num_experts, shared=None, limit=20.0, fitted_shared=None):
    truth = MixtureOfExperts(gate, LINES, [0.1, 0.2], shared)
    return Claim(
        name="one",
        title="One",
        statement="A statement.",
        source="here",
        evidence=Evidence.DERIVED,
        variant="ours",
        truth=truth,
        inputs=Uniform((-1.0,), (1.0,)),
        num_experts=num_experts,
        family=None if fitted_shared is None else replace(truth.family, num_shared=fitted_shared),
        estimator=MaximumLikelihood((NearTruth(0.1),), ParameterBox(gate=limit, expert=20.0)),
        sizes=dict.fromkeys(("quick", "standard", "paper"), (100, 1000)),
        replicates=dict.fromkeys(("quick", "standard", "paper"), 2),
        checks=(Rate("hellinger", "Hellinger distance", (0.5, 0.5), (0.25,)),),
        deviations="None.",
    )


@pytest.mark.parametrize(
    ("one", "holds"),
    [
        (claim(SOFTMAX, 2), True),
        (claim(SOFTMAX, 3), True),
        (claim(CompetitionGate("softplus", intercept=[0.2, 0.0]), 3), True),
        (claim(CompetitionGate("softplus"), 3), False),
        (claim(SigmoidGate([0.5, 1.0], [[2.0], [-3.0]]), 2), True),
        (claim(SigmoidGate([0.5, 1.0], [[2.0], [-3.0]]), 3), False),
        (claim(SoftmaxGate([0.5, 0.0], [[2.0], [0.0]], top_k=1), 3), False),
        (claim(SOFTMAX, 2, SHARED), True),
        (claim(SOFTMAX, 2, SHARED, fitted_shared=2), True),
        (claim(SOFTMAX, 2, limit=1.0), False),
    ],
)
def test_which_fitted_models_hold_the_truth(one, holds):
    assert one.holds_truth() is holds


def test_settings_of_an_estimator_are_printed_where_they_are_set():
    one = claim(SOFTMAX, 2)
    parts = replace(one, name="parts", estimator=replace(one.estimator, parts_from=500))
    simulation = Simulation("Two", "0000.00000", (one, parts), name="two")
    printed = [describe(simulation, each, 0, Settings("quick"))["setting"]["estimator"] for each in (one, parts)]
    assert printed == ["MaximumLikelihood, tolerance 1e-09, max steps 300" + words for words in ("", ", parts from 500")]
