"""The scikit-learn estimator with every gate, expert and shared experts; its standard errors."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from moetheory import (
    CompetitionGate,
    Family,
    FeedForwardExpert,
    LinearExpert,
    MixtureOfExperts,
    SharedExperts,
    SigmoidGate,
    SoftmaxGate,
    Status,
    Uniform,
    draw,
)
from moetheory.estimators import ParameterBox
from moetheory.identifiability import cramer_rao
from moetheory.sampling import log_likelihood
from moetheory.sklearn import MixtureOfExpertsRegressor
from moetheory.units import Standardisation

quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SETTINGS = {
    "softmax, top 2": {"n_experts": 3, "gate": "softmax", "gate_options": {"top_k": 2}},
    "sigmoid, cubic": {"gate": "sigmoid", "expert": "polynomial", "expert_options": {"degree": 3}},
    "competition": {"gate": "competition", "gate_options": {"response": "abs", "intercept": True}},
    "no gate, constant": {"gate": "input_free", "expert": "constant"},
    "shared, tanh": {
        "expert": "feed_forward",
        "expert_options": {"activation": "tanh", "scale": True},
        "n_shared": 1,
        "shared_expert": "linear",
    },
}
LINES = MixtureOfExperts(SoftmaxGate([0.5, 0.0], [[3.0], [0.0]]), LinearExpert([[-2.0], [2.0]], [1.0, -1.0]), [0.1, 0.2])


def sample_of(truth=LINES, size=300, seed=0):
    return draw(truth, Uniform((-1.5,), (1.5,)), size, np.random.default_rng(seed))


@quiet
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_reported_likelihood_is_that_of_the_model_in_data_units(settings):
    sample = sample_of()
    X, y = 10.0 + 5.0 * sample.x, 3.0 * sample.y
    model = clone(MixtureOfExpertsRegressor(n_starts=3, random_state=0, **settings)).fit(X, y)
    total = log_likelihood(model.model_, type(sample)(X, y))
    assert model.log_likelihood_ == pytest.approx(total, rel=1e-9)
    assert model.predict_log_density(X, y).sum() == pytest.approx(total, rel=1e-9)
    count = settings.get("n_experts", 2) + settings.get("n_shared", 0)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0, rtol=1e-12)
    assert model.predict_proba(X, y).shape == (len(y), count)
    assert model.model_.num_shared == settings.get("n_shared", 0)


FAMILIES = {
    "centred and scaled": (Family(SoftmaxGate.kind(), LinearExpert.kind()), True, True, True),
    "bias-free inputs keep their origin": (
        Family(SoftmaxGate.kind(), FeedForwardExpert.kind(activation="tanh", scale=True)),
        False,
        False,
        True,
    ),
    "fixed scale keeps the unit": (Family(SoftmaxGate.kind(), FeedForwardExpert.kind(bias=True)), True, False, False),
    "competition sees the size": (Family(CompetitionGate.kind(), LinearExpert.kind()), True, False, False),
    "one shared expert decides for all": (
        Family(SigmoidGate.kind(), LinearExpert.kind(), FeedForwardExpert.kind(bias=True, scale=True), 1),
        True,
        False,
        True,
    ),
}


@pytest.mark.parametrize(("family", "inputs", "shift", "scale"), FAMILIES.values(), ids=FAMILIES)
def test_data_are_standardised_as_far_as_the_family_follows(family, inputs, shift, scale):
    generator = np.random.default_rng(1)
    X, y = generator.normal(3, 2, (200, 2)), generator.normal(-4, 5, 200)
    units = Standardisation.of(family, X, y)
    sample = units.sample(X, y)
    assert np.allclose(sample.x.mean(axis=0), 0) == inputs
    assert np.isclose(sample.y.mean(), 0) == shift
    assert np.isclose(sample.y.std(), 1) == scale
    layout_model = MixtureOfExperts(family.gate.example(2, 2), family.expert.example(2, 2), [0.3, 0.5])
    if family.shared:
        shared = SharedExperts(family.shared.example(1, 2), [0.2], [1.0])
        layout_model = MixtureOfExperts(layout_model.gate, layout_model.expert, layout_model.variance, shared)
    back = units.in_data_units(layout_model)
    standard = log_likelihood(layout_model, sample) - len(y) * np.log(units.unit)
    assert log_likelihood(back, type(sample)(X, y)) == pytest.approx(standard, rel=1e-10)


def test_standard_errors_are_the_cramer_rao_bound_at_the_fit():
    sample = sample_of(size=2000)
    model = MixtureOfExpertsRegressor(n_starts=5, random_state=0).fit(sample.x, sample.y)
    errors = model.standard_errors(sample.x)
    bound = cramer_rao(model.model_, Uniform((-1.5,), (1.5,)))
    expected = np.sqrt(np.diag(bound.covariance) / sample.size)
    np.testing.assert_allclose([errors[name] for name in bound.names], expected, rtol=0.1)


def test_standard_errors_cover_the_truth():
    """Over samples, errors in units of their standard error have mean square one, within its own Monte Carlo error."""
    squares = []
    for seed in range(40):
        sample = sample_of(size=1500, seed=seed)
        model = MixtureOfExpertsRegressor(n_starts=2, random_state=0).fit(sample.x, sample.y)
        errors, expert = model.standard_errors(sample.x[:600]), model.model_.expert
        ratio = np.sqrt(600 / 1500)
        order = np.argsort(expert.slope.ravel())
        for place, atom in enumerate(order):
            gap = expert.slope[atom, 0] - LINES.expert.slope[place, 0]
            squares.append((gap / (ratio * errors[f"eta_1[{atom + 1}]"])) ** 2)
    assert np.mean(squares) == pytest.approx(1.0, abs=4 * np.sqrt(2 / len(squares)))


@quiet
def test_standard_errors_are_refused_with_the_reason():
    one_line = sample_of(MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[1.0]], [0.0]), [0.3]))
    model = MixtureOfExpertsRegressor(n_starts=2, random_state=0, box=ParameterBox(gate=0.5)).fit(one_line.x, one_line.y)
    assert model.status_ is not Status.CONVERGED
    with pytest.raises(ValueError, match=f"need an interior maximum; the status is '{model.status_.value}'"):
        model.standard_errors(one_line.x)
    sample = sample_of()
    fitted = MixtureOfExpertsRegressor(n_starts=2, random_state=0).fit(sample.x, sample.y)
    with pytest.raises(ValueError, match="standard errors do not exist: the Fisher information has .* null direction"):
        fitted.standard_errors(np.zeros_like(sample.x))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gate": LinearExpert}, "gate=<class .*LinearExpert'>; choose one of"),
        ({"gate": "competition", "expert": "constant"}, "constant experts respond alike"),
        ({"gate": SoftmaxGate.kind(), "gate_options": {"top_k": 1}}, "brings its options; leave gate_options out"),
        ({"expert": "feed_forward", "expert_options": {"activation": "sine"}}, "activation='sine'; choose one of"),
        ({"expert_options": {"degree": 2}}, r"LinearExpert has no options \['degree'\]"),
        ({"n_shared": -1}, "n_shared=-1; need an integer of at least 0"),
        ({"gate_options": {"top_k": 3}}, "top_k=3 with num_experts=2; need 1 <= top_k <= num_experts"),
    ],
)
def test_combinations_that_make_no_sense_are_refused_with_the_reason(settings, message):
    sample = sample_of()
    with pytest.raises(ValueError, match=message):
        MixtureOfExpertsRegressor(n_starts=1, **settings).fit(sample.x, sample.y)


def test_a_bad_fit_still_warns():
    sample = sample_of(size=30)
    with pytest.warns(ConvergenceWarning, match="The fit ended with status"):
        MixtureOfExpertsRegressor(n_experts=3, gate="sigmoid", n_starts=2, random_state=0).fit(sample.x, sample.y)
