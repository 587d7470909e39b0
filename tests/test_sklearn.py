"""Laws of the scikit-learn regressor, against scikit-learn's own checks, least squares and SciPy."""

import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import kstest, norm
from sklearn.datasets import load_iris, load_linnerud
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from moetheory.estimators import ParameterBox, Status
from moetheory.sklearn import STANDARDISED_BOX, MixtureOfExpertsRegressor

pytestmark = pytest.mark.usefixtures("quick_compiler")

STARTS = 5


def crossing_lines(size=80):
    generator = np.random.default_rng(0)
    X = generator.uniform(-1, 1, (size, 1))
    steep = generator.random(size) < 1 / (1 + np.exp(-6 * X[:, 0]))
    return X, np.where(steep, 4 * X[:, 0] + 1, -2 * X[:, 0]) + 0.2 * generator.standard_normal(size)


def jump():
    generator = np.random.default_rng(1)
    X = generator.uniform(-1, 1, (80, 1))
    return X, np.where(X[:, 0] < 0, X[:, 0], 1 - X[:, 0]) + 0.05 * generator.standard_normal(80)


def two_clusters():
    generator = np.random.default_rng(2)
    X = np.concatenate([generator.uniform(-1.2, -0.8, (30, 1)), generator.uniform(0.8, 1.2, (30, 1))])
    y = np.where(X[:, 0] < 0, 6 + 5 * X[:, 0], 2 - 3 * X[:, 0]) + 0.1 * generator.standard_normal(60)
    return X, y


def setosa():
    measurements = load_iris().data[:50]
    return measurements[:, :1], measurements[:, 1]


def physiology():
    data = load_linnerud()
    return data.data, data.target[:, 0]


def fitted(X, y, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return MixtureOfExpertsRegressor(**{"n_starts": STARTS, "random_state": 0, **settings}).fit(X, y)


@pytest.fixture(scope="module")
def regressor():
    return fitted(*crossing_lines())


def log_joint(parameters, X, y, k):
    """Gate, expert and log-variance in the packed order of the library, written anew, (n, k)."""
    width = 1 + X.shape[1]
    features = np.column_stack([np.ones(len(y)), X])
    gate = np.vstack([parameters[: (k - 1) * width].reshape(k - 1, width), np.zeros(width)]) @ features.T
    means = parameters[(k - 1) * width : (2 * k - 1) * width].reshape(k, width) @ features.T
    variance = np.exp(parameters[(2 * k - 1) * width :])[:, None]
    normal = -0.5 * (np.log(2 * np.pi * variance) + (y - means) ** 2 / variance)
    return (gate - np.logaddexp.reduce(gate, axis=0) + normal).T


def packed(model):
    gate = np.column_stack([model.gate.intercept, model.gate.slope])
    expert = np.column_stack([model.expert.intercept, model.expert.slope])
    return np.concatenate([(gate - gate[-1])[:-1].ravel(), expert.ravel(), np.log(model.variance)])


@parametrize_with_checks([MixtureOfExpertsRegressor(n_starts=2, estimator=name) for name in ("mle", "em")])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learn_contract(estimator, check):
    check(estimator)


class TaggedRegressor(MixtureOfExpertsRegressor):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor"
        return tags


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_only_predict_proba_keeps_it_from_the_tag_of_a_regressor():
    only = "check_regressors_no_decision_function"
    results = check_estimator(TaggedRegressor(n_starts=2), on_fail=None, on_skip=None)
    assert {result["check_name"] for result in results if result["status"] == "failed"} == {only}


@settings(max_examples=10)
@given(st.integers(0, 2**16), st.sampled_from([1e-8, 1.0, 1e8]))
def test_one_expert_is_least_squares(seed, unit):
    generator = np.random.default_rng(seed)
    X, y = generator.normal(3, 2, (30, 3)), unit * generator.normal(-1, 1, 30)
    model = MixtureOfExpertsRegressor(n_experts=1, n_starts=1).fit(X, y)
    coefficients, residual, *_ = np.linalg.lstsq(np.column_stack([np.ones(30), X]), y, rcond=None)
    variance = residual[0] / 30
    assert model.status_ is Status.CONVERGED
    assert model.log_likelihood_ == pytest.approx(-15 * (np.log(2 * np.pi * variance) + 1), rel=1e-9)
    np.testing.assert_allclose(model.model_.variance, variance, rtol=1e-7)
    np.testing.assert_allclose(model.model_.expert.slope[0], coefficients[1:], rtol=1e-6, atol=1e-7 * unit)
    np.testing.assert_allclose(model.model_.expert.intercept, coefficients[0], rtol=1e-6, atol=1e-7 * unit)


scales = st.tuples(st.sampled_from([-1.0, 1.0]), st.floats(-8, 8)).map(lambda pair: pair[0] * 10 ** pair[1])
shifts = st.floats(-100, 100)


@given(scales, shifts, scales, shifts)
@example(1e8, 0.0, 1e8, 0.0)
@example(1e-8, 0.0, 1e-8, 0.0)
def test_units_of_the_data_do_not_matter(x_scale, x_shift, y_scale, y_shift):
    X, y = crossing_lines()
    base = fitted(X, y)
    moved_X, moved_y = x_scale * (X + x_shift), y_scale * (y + y_shift)
    moved = fitted(moved_X, moved_y)
    assert moved.status_ is base.status_
    assert moved.log_likelihood_ == pytest.approx(base.log_likelihood_ - 80 * np.log(abs(y_scale)), abs=1e-6)
    np.testing.assert_allclose(moved.predict(moved_X) / y_scale - y_shift, base.predict(X), atol=1e-6)


@settings(max_examples=10)
@given(st.permutations(range(80)))
def test_order_of_the_rows_does_not_matter(order):
    X, y = crossing_lines()
    base, moved = fitted(X, y), fitted(X[order], y[order])
    assert moved.log_likelihood_ == pytest.approx(base.log_likelihood_, rel=1e-9)
    np.testing.assert_allclose(moved.predict(X), base.predict(X), atol=1e-6)


@pytest.mark.parametrize("estimator", ["mle", "em"])
@pytest.mark.parametrize("data", [crossing_lines, jump, setosa, physiology])
def test_log_likelihood_is_that_of_the_reported_model(estimator, data):
    X, y = data()
    model = fitted(X, y, estimator=estimator)
    direct = logsumexp(log_joint(packed(model.model_), X, y, 2), axis=1)
    np.testing.assert_allclose(model.predict_log_density(X, y), direct, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.log(model.predict_density(X, y)), direct, rtol=1e-9, atol=1e-9)
    assert model.log_likelihood_ == pytest.approx(direct.sum(), rel=1e-9)


def test_responsibilities_and_weights_follow_bayes(regressor):
    X, y = crossing_lines()
    joint = np.exp(log_joint(packed(regressor.model_), X, y, 2))
    np.testing.assert_allclose(regressor.predict_proba(X, y), joint / joint.sum(axis=1, keepdims=True), atol=1e-12)
    far = np.array([[-50.0], [50.0]])
    np.testing.assert_allclose(np.sort(regressor.predict_proba(far), axis=1), [[0, 1], [0, 1]], atol=1e-9)


def test_density_has_mass_one_and_the_predicted_mean(regressor):
    x = np.array([[0.1]])

    def moment(order):
        integrand = lambda y: y**order * regressor.predict_density(x, [y])[0]  # noqa: E731
        return quad(integrand, -6, 6, points=[-0.2, 1.4], limit=200)[0]

    assert moment(0) == pytest.approx(1, abs=1e-7)
    assert moment(1) == pytest.approx(regressor.predict(x)[0], abs=1e-7)


def test_gradient_vanishes_in_units_of_the_data():
    X, y = crossing_lines()
    X, y = 50 + 20 * X, 300 + 7 * y
    model = fitted(X, y)
    assert model.status_ is Status.CONVERGED
    at, steps = packed(model.model_), np.array([1, 0.01, 10, 0.1, 10, 0.1, 1, 1])

    def log_likelihood(parameters):
        return logsumexp(log_joint(parameters, X, y, 2), axis=1).sum()

    moves = 1e-5 * np.diag(steps)
    slopes = [(log_likelihood(at + move) - log_likelihood(at - move)) / 2e-5 for move in moves]
    away = [log_likelihood(at + 1e4 * move) - log_likelihood(at) for move in moves]
    np.testing.assert_allclose(slopes, 0, atol=1e-4)
    assert max(away) < -1e-3


def best_of_scipy(X, y, starts):
    """Highest log-likelihood of L-BFGS-B runs from random points of the default box, k = 2, one input."""
    scaled_X, scaled_y = (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()
    floor, ceiling = np.log(STANDARDISED_BOX.variance)
    bounds = [(-STANDARDISED_BOX.gate, STANDARDISED_BOX.gate)] * 2
    bounds += [(-STANDARDISED_BOX.expert, STANDARDISED_BOX.expert)] * 4 + [(floor, ceiling)] * 2
    generator = np.random.default_rng(3)

    def negative(parameters):
        return -np.logaddexp.reduce(log_joint(parameters, scaled_X, scaled_y, 2), axis=1).sum()

    points = generator.normal(0, [5, 5, 1, 1, 1, 1, 1, 1], (starts, 8)) - np.array([0] * 6 + [2] * 2)
    ends = [minimize(negative, point, method="L-BFGS-B", bounds=bounds).fun for point in points]
    return -min(ends) - len(y) * np.log(y.std())


@pytest.mark.parametrize("data", [jump, two_clusters])
def test_separated_gates_are_reported_and_fitted_best(data):
    X, y = data()
    with pytest.warns(ConvergenceWarning, match="status"):
        model = MixtureOfExpertsRegressor(n_starts=20, random_state=0).fit(X, y)
    assert model.status_ in (Status.AT_BOUND, Status.FLAT, Status.RESTARTS_DISAGREE)
    best = best_of_scipy(X, y, starts=8)
    assert model.log_likelihood_ >= best - 1e-6 * abs(best)


def test_a_wider_box_raises_a_likelihood_that_touches_the_box():
    X, y = jump()
    wider = ParameterBox(gate=100.0, expert=40.0, variance=(1e-4, 100.0))
    with pytest.warns(ConvergenceWarning, match=r"Active bounds, in standardised units: beta_1\[1\]"):
        model = MixtureOfExpertsRegressor(n_starts=STARTS, random_state=0).fit(X, y)
    slope = model.model_.gate.slope
    assert np.ptp(slope) * X.std() == pytest.approx(40)
    assert fitted(X, y, box=wider).log_likelihood_ > model.log_likelihood_ + 1e-3


def test_collapsed_variance_sits_on_the_floor():
    X, y = setosa()
    model = fitted(X, y, n_starts=20)
    assert model.status_ is Status.DEGENERATE_VARIANCE
    assert min(model.model_.variance) == pytest.approx(1e-4 * y.var())


@pytest.mark.parametrize("data", [crossing_lines, jump, two_clusters, setosa, physiology])
def test_maximum_likelihood_is_at_least_as_high_as_em(data):
    X, y = data()
    newton = fitted(X, y, n_starts=20)
    em = fitted(X, y, n_starts=20, estimator="em", tol=1e-12, max_iter=5000)
    assert newton.log_likelihood_ >= em.log_likelihood_ - 1e-6 * abs(em.log_likelihood_)


def test_em_that_stops_early_says_so():
    with pytest.warns(ConvergenceWarning, match="not_stationary"):
        model = MixtureOfExpertsRegressor(estimator="em", n_starts=1, tol=1e-2).fit(*crossing_lines())
    assert model.log_likelihood_ < fitted(*crossing_lines()).log_likelihood_
    with pytest.warns(ConvergenceWarning, match="step_limit"):
        MixtureOfExpertsRegressor(estimator="em", n_starts=1, max_iter=1).fit(*crossing_lines())


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (np.full((30, 1), 3.0), np.full(30, 2.0)),
        (np.arange(30.0)[:, None], np.full(30, 2.0)),
        (np.ones((2, 1)), np.full(2, 2.0)),
    ],
    ids=["all rows equal", "constant response", "as few rows as experts"],
)
def test_constant_response_is_a_degenerate_fit(X, y):
    with pytest.warns(ConvergenceWarning, match="degenerate_variance"):
        model = MixtureOfExpertsRegressor(n_starts=2).fit(X, y)
    np.testing.assert_allclose(model.predict(X), 2.0, atol=1e-9)


def test_constant_input_is_ignored():
    X, y = crossing_lines()
    constants = np.tile([7.0, -1e8], (80, 1))
    model = fitted(np.hstack([X, constants]), y)
    base = fitted(X, y)
    assert model.log_likelihood_ == pytest.approx(base.log_likelihood_, rel=1e-8)
    np.testing.assert_allclose(model.predict(np.hstack([X, constants])), base.predict(X), atol=1e-6)


def test_fewer_rows_than_parameters_is_said():
    X, y = crossing_lines(7)
    with pytest.warns(ConvergenceWarning, match="7 rows cannot determine 8 parameters"):
        MixtureOfExpertsRegressor(n_starts=2).fit(X, y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_experts": 0}, "n_experts=0; need an integer of at least 1"),
        ({"n_experts": 2.0}, "n_experts=2.0; need an integer"),
        ({"n_starts": True}, "n_starts=True; need an integer"),
        ({"max_iter": 0}, "max_iter=0; need an integer"),
        ({"tol": -1.0}, "tol=-1.0; need a number of at least 0"),
        ({"gate": "hard"}, r"gate='hard'; choose one of \['activated_temperature', 'competition', .*'softmax', 'temperature'\]"),
        ({"expert": "cubic"}, r"expert='cubic'; choose one of \['constant', 'feed_forward', 'linear', 'polynomial'\]"),
        ({"estimator": "moments"}, r"estimator='moments'; choose one of \['mle', 'em'\]"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        MixtureOfExpertsRegressor(**settings).fit(*crossing_lines())


def test_box_must_be_a_box():
    with pytest.raises(TypeError, match="need a ParameterBox in standardised units"):
        MixtureOfExpertsRegressor(box=40.0).fit(*crossing_lines())


def test_bad_data_are_refused(regressor):
    X, y = crossing_lines()
    with pytest.raises(ValueError, match="NaN"):
        MixtureOfExpertsRegressor().fit(np.where(X > 0.5, np.nan, X), y)
    with pytest.raises(ValueError, match="infinity"):
        MixtureOfExpertsRegressor().fit(X, np.where(y > 1, np.inf, y))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        regressor.predict_density(X, y[:-1])
    with pytest.raises(NotFittedError):
        MixtureOfExpertsRegressor().sample(X)


def test_drawn_responses_follow_the_fitted_density(regressor):
    X = np.random.default_rng(4).uniform(-1, 1, (4000, 1))
    y = regressor.sample(X, random_state=0)
    model = regressor.model_
    means = X @ model.expert.slope.T + model.expert.intercept
    levels = np.sum(regressor.predict_proba(X) * norm.cdf(y[:, None], means, np.sqrt(model.variance)), axis=1)
    assert kstest(levels, "uniform").pvalue > 1e-3
    np.testing.assert_array_equal(regressor.sample(X, random_state=0), y)
    assert not np.array_equal(regressor.sample(X, random_state=1), y)


def test_score_is_r_squared_and_folds_work(regressor):
    X, y = crossing_lines()
    assert regressor.score(X, y) == pytest.approx(r2_score(y, regressor.predict(X)))
    assert cross_val_score(MixtureOfExpertsRegressor(n_starts=STARTS, random_state=0), X, y, cv=3).min() > 0.5


def test_random_state_decides_the_starts():
    X, y = setosa()
    settings = {"n_starts": 1, "n_experts": 2}
    likelihoods = [fitted(X, y, random_state=seed, **settings).log_likelihood_ for seed in (0, 0, *range(1, 6))]
    assert likelihoods[0] == likelihoods[1]
    assert len(set(np.round(likelihoods, 3))) > 1
    state = fitted(X, y, random_state=np.random.RandomState(0), **settings)
    assert state.log_likelihood_ == likelihoods[0]
