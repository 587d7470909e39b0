"""The scikit-learn estimator with every gate, expert and shared experts; its standard errors."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression

from moetheory import (
    CompetitionGate,
    Family,
    FeedForwardExpert,
    LinearExpert,
    MixtureOfExperts,
    Sample,
    SharedExperts,
    SigmoidGate,
    SoftmaxGate,
    Status,
    Uniform,
    draw,
)
from moetheory.estimators import ParameterBox
from moetheory.identifiability import cramer_rao
from moetheory.identifiability.fisher import cramer_rao_at
from moetheory.sampling import log_likelihood
from moetheory.sklearn import MixtureOfExpertsRegressor
from moetheory.units import Standardisation

pytestmark = pytest.mark.usefixtures("quick_compiler")

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
    part = model.standard_errors(sample.x[:500])
    np.testing.assert_allclose([part[name] for name in bound.names], expected, rtol=0.2)


def test_standard_errors_cover_the_truth():
    """Over samples, errors in units of their standard error have mean square one, within its own Monte Carlo error.

    A part of the inputs will do: it says how they are distributed, not how many there were.
    """
    squares = []
    for seed in range(40):
        sample = sample_of(size=1500, seed=seed)
        model = MixtureOfExpertsRegressor(n_starts=2, random_state=0).fit(sample.x, sample.y)
        errors, expert = model.standard_errors(sample.x[:600]), model.model_.expert
        order = np.argsort(expert.slope.ravel())
        for place, atom in enumerate(order):
            gap = expert.slope[atom, 0] - LINES.expert.slope[place, 0]
            squares.append((gap / errors[f"eta_1[{atom + 1}]"]) ** 2)
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
        ({"gate": "sigmoid", "gate_options": {"top_k": 2}, "n_experts": 1}, "top_k=2 with num_experts=1; need 1 <= top_k"),
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


def ordinary_score(X, y):
    return LinearRegression().fit(X, y).score(X, y)


@quiet
@pytest.mark.parametrize("gate", ["sigmoid", "laplace", "cosine", "competition", "temperature", "activated_temperature"])
def test_a_single_expert_is_least_squares_whatever_the_gate_and_the_units(gate):
    sample = sample_of(size=120)
    X, y = 1e-3 * sample.x, 200.0 + 50.0 * sample.y
    model = MixtureOfExpertsRegressor(1, gate=gate, n_starts=2, random_state=0).fit(X, y)
    assert model.status_ is Status.CONVERGED
    assert model.score(X, y) == pytest.approx(ordinary_score(X, y), abs=1e-10)
    assert len(model.standard_errors(X)) == 3


@quiet
@pytest.mark.parametrize("settings", [{"gate": "competition"}, {"gate": "laplace"}, {"gate": "cosine"}], ids=str)
def test_families_that_keep_units_get_a_box_in_those_units(settings):
    sample = sample_of(size=200)
    X, y = 1e-3 * sample.x, 200.0 + 50.0 * sample.y
    line = MixtureOfExpertsRegressor(1, random_state=0).fit(X, y)
    model = MixtureOfExpertsRegressor(2, n_starts=4, random_state=0, **settings).fit(X, y)
    assert model.log_likelihood_ > line.log_likelihood_, "two equal lines are among the models"


@quiet
@pytest.mark.parametrize("gate", ["temperature", "activated_temperature", "gaussian"])
@pytest.mark.parametrize("estimator", ["mle", "em"])
def test_the_reported_likelihood_holds_at_the_edge_of_the_box(gate, estimator):
    """Rounded inputs tempt temperatures and variances inside gates to zero, where affinities lose all their digits."""
    generator = np.random.default_rng(0)
    X, y = generator.integers(0, 6, (150, 1)).astype(float), generator.standard_normal(150)
    settings = {"max_iter": 300} if estimator == "em" else {}
    model = MixtureOfExpertsRegressor(2, gate=gate, estimator=estimator, n_starts=8, random_state=0, **settings).fit(X, y)
    assert model.log_likelihood_ == pytest.approx(log_likelihood(model.model_, Sample(X, y)), abs=1e-5)


def test_standard_errors_depend_neither_on_the_order_of_rows_nor_on_the_origin_of_inputs():
    sample = sample_of(size=4095)
    order = np.argsort(sample.x[:, 0])
    X, y = sample.x[order], sample.y[order]
    model = MixtureOfExpertsRegressor(n_starts=3, random_state=0).fit(X, y)
    errors = model.standard_errors(X)
    exact = np.sqrt(np.diag(cramer_rao_at(model.model_, X).covariance) / len(X))
    np.testing.assert_allclose(list(errors.values()), exact, rtol=0.002)
    far = MixtureOfExpertsRegressor(n_starts=3, random_state=0).fit(X + 2.46e6, y).standard_errors(X + 2.46e6)
    for name in ("beta_1[1]", "eta_1[1]", "eta_1[2]", "nu[1]", "nu[2]"):
        assert far[name] == pytest.approx(errors[name], rel=1e-4), name


@quiet
def test_a_chosen_number_leaves_no_table_behind_when_the_number_is_given():
    sample = sample_of(size=100)
    model = MixtureOfExpertsRegressor("auto", max_experts=2, n_starts=2, random_state=0).fit(sample.x, sample.y)
    assert len(model.selection_) == 2
    assert not hasattr(model.set_params(n_experts=2).fit(sample.x, sample.y), "selection_")


@pytest.mark.parametrize(
    ("response", "variances"),
    [(np.full(1000, 0.1), (1e-6, 1.0)), (np.zeros(1000), (1e-4, 100.0)), (5.0 * np.array([1.0, -1.0] * 500), (25e-4, 2500.0))],
    ids=["constant up to rounding", "zero", "size five"],
)
def test_the_box_of_a_response_that_keeps_its_unit(response, variances):
    family = Family(CompetitionGate.kind(), LinearExpert.kind())
    X = np.random.default_rng(0).normal(size=(1000, 1))
    units = Standardisation.of(family, X, response)
    box = units.box(ParameterBox(gate=40.0, expert=40.0, variance=(1e-4, 100.0)), units.sample(X, response))
    np.testing.assert_allclose(box.variance, variances, rtol=1e-9)
