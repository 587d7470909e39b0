"""When the fitted model of a claim surely contains the truth, and how its estimator is printed."""

from dataclasses import replace

import numpy as np
import pytest

from moetheory import (
    CompetitionGate,
    LeastSquares,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    RandomStarts,
    SharedExperts,
    SigmoidGate,
    SoftmaxGate,
    Uniform,
    cli,
)
from moetheory.study import ChiSquared, Claim, Evidence, Rate, Settings, Simulation, log_spaced
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
    assert one.beyond_copies() is (one.num_experts > 2 and not holds)


def test_a_regression_function_does_not_hold_a_density():
    """Their likelihoods are not of one kind: least squares reports half mean squares."""
    density = claim(SOFTMAX, 2)
    regression = replace(density.truth.family, regression=True)
    function = replace(density, estimator=LeastSquares((RandomStarts(1),)), family=regression)
    assert density.holds_truth() and not function.holds_truth()


def test_settings_of_an_estimator_are_printed_where_they_are_set():
    one = claim(SOFTMAX, 2)
    parts = replace(one, name="parts", estimator=replace(one.estimator, parts_from=500))
    simulation = Simulation("Two", "0000.00000", (one, parts), name="two")
    printed = [describe(simulation, each, 0, Settings("quick"))["setting"]["estimator"] for each in (one, parts)]
    assert printed == ["MaximumLikelihood, tolerance 1e-09, max steps 300" + words for words in ("", ", parts from 500")]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"exponents": 0.5}, TypeError, "exponents=0.5; need a tuple"),
        ({"rivals": 0.25}, TypeError, "rivals=0.25; need a tuple"),
        ({"exponents": (0.5, np.inf)}, ValueError, "need finite numbers"),
        ({"rivals": (np.inf,)}, ValueError, "need finite numbers"),
        ({"log_power": np.nan}, ValueError, "need finite numbers"),
        ({"log_power": -1.0}, ValueError, "log_power of at least 0"),
        ({"half_width": np.inf}, ValueError, "need finite numbers"),
        ({"beside": 0.5}, ValueError, "beside=0.5; need an exponent above 0.5"),
        ({"beside": np.inf}, ValueError, "beside=inf; need an exponent above 0.5"),
        ({"exponents": (0.25, 0.5), "rivals": (0.3,)}, ValueError, "a rival inside the prediction"),
        ({"exponents": (0.5, 0.25)}, ValueError, "smallest <= largest"),
    ],
)
def test_a_rate_that_no_study_could_judge_is_refused(changes, error, words):
    with pytest.raises(error, match=words):
        Rate(**({"quantity": "l2", "label": "L2", "exponents": (0.5, 0.5), "rivals": (0.25,)} | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"evidence": "bogus"}, "evidence='bogus'; need one of"),
        ({"checks": ()}, "need a tuple of checks"),
        ({"checks": ("softmax_d1",)}, "need a tuple of checks"),
        ({"checks": Rate("l2", "L2", (0.5, 0.5), (0.25,))}, "need a tuple of checks"),
    ],
)
def test_a_claim_without_evidence_or_checks_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(claim(SOFTMAX, 2), **changes)


def test_degrees_of_freedom_are_an_integer():
    with pytest.raises(ValueError, match="need an integer of degrees"):
        ChiSquared("likelihood_ratio", "ratio", degrees=8.5)


def test_the_law_of_the_inputs_is_printed_as_intervals():
    one = replace(claim(SOFTMAX, 2), name="one")
    printed = describe(Simulation("One", "0000.00000", (one,), name="one"), one, 0, Settings("quick"))["setting"]
    assert printed["inputs"] == "Uniform on [-1, 1]"
    assert printed["truth"].startswith("k* = 2; beta_0 = (0.5, 0); beta_1 = (2, 0)")


def test_sizes_spaced_evenly_occur_once():
    assert log_spaced(1, 3, 9) == (1, 2, 3)


@pytest.mark.parametrize(("low", "high", "count"), [(0, 100, 3), (10, 5, 3), (10, np.inf, 3), (10, 100, 0)])
def test_sample_sizes_that_cannot_be_spaced_are_refused(low, high, count):
    with pytest.raises(ValueError, match=f"low={low}, high={high}, count={count}; need sizes 0 < low <= high"):
        log_spaced(low, high, count)


def test_a_run_names_claims_that_copies_may_not_attain(capsys):
    beyond = claim(SigmoidGate([0.5, 1.0], [[2.0], [-3.0]]), 3)
    names = [replace(beyond, name=f"c{number}") for number in range(5)]
    cli._tell_what_copies_cannot_reach([Simulation("A title.", "a paper", (claim(SOFTMAX, 3),), "few")])
    assert not capsys.readouterr().err
    cli._tell_what_copies_cannot_reach([Simulation("A title.", "a paper", (claim(SOFTMAX, 3), *names), "many")])
    assert "may not attain the truth in many/c0, many/c1, many/c2 and 2 more;" in capsys.readouterr().err


def test_upper_bounds_have_the_logarithm_of_their_theorems():
    """(log n / n)^a; what is stated from both sides has none, and what is given counts."""
    sizes = (1000, 100_000)
    bound = Rate("e2.nu.split", "variance", (0.25, 0.25), (0.0,))
    low, high = bound.predicted(sizes)
    assert low == pytest.approx(-0.25)
    assert high == pytest.approx(-0.25 + 0.25 * np.log(np.log(1e5) / np.log(1e3)) / np.log(100))
    assert replace(bound, log_power=0.0).predicted(sizes) == pytest.approx((-0.25, -0.25))
    assert replace(bound, upper_bound=False).predicted(sizes) == pytest.approx((-0.25, -0.25))
