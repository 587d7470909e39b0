"""What a statistician meets in data: rare columns, columns that do not vary, degenerate fits, prediction intervals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from moetheory.estimators import Status
from moetheory.identifiability.fisher import cramer_rao_at
from moetheory.quantiles import mixture_quantile
from moetheory.sklearn import MixtureOfExpertsRegressor

pytestmark = pytest.mark.usefixtures("quick_compiler")


def lines(size, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=size)
    first = generator.random(size) < 1 / (1 + np.exp(-3 * x))
    return x, np.where(first, 2 * x + 1, -x - 1) + 0.3 * generator.normal(size=size)


def test_standard_errors_see_every_row():
    """Forty ones in 5,000 rows: a choice of rows has fewer or more of them than its share."""
    x, y = lines(5000)
    rare = np.zeros(5000)
    rare[np.random.default_rng(1).choice(5000, 40, replace=False)] = 1.0
    X = np.column_stack([x, rare])
    model = MixtureOfExpertsRegressor(n_starts=3, random_state=0).fit(X, y + 0.5 * rare)
    errors = list(model.standard_errors(X).values())
    shuffled = list(model.standard_errors(np.random.default_rng(2).permutation(X)).values())
    np.testing.assert_allclose(shuffled, errors, rtol=1e-9)
    exact = np.sqrt(np.diag(cramer_rao_at(model.model_, X).covariance) / len(X))
    np.testing.assert_allclose(errors, exact, rtol=1e-6)


def test_the_chosen_number_is_none_that_only_the_box_bounds():
    flowers = load_iris().data
    model = MixtureOfExpertsRegressor("auto", n_starts=3, random_state=0, max_experts=4).fit(flowers[:, [2]], flowers[:, 3])
    table = model.selection_.set_index("n_experts")
    bounded = table[table["status"] != Status.DEGENERATE_VARIANCE]
    assert model.n_experts_ == bounded["value"].idxmin()
    assert table["value"].min() < bounded["value"].min(), "BIC alone would have chosen a degenerate fit"


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (lambda x: np.ones_like(x), "Input b is constant: leave it out."),
        (lambda x: 2 * x + 1, "Inputs a, b are collinear: leave one out."),
        (lambda x: 2 * x + 1 + 1e-5 * np.cos(99 * x), "Inputs a, b are collinear: leave one out."),
    ],
    ids=["constant", "collinear", "nearly collinear"],
)
def test_columns_that_no_model_tells_apart_are_named(column, words):
    x, y = lines(300)
    frame = pd.DataFrame({"a": x, "b": column(x), "c": np.random.default_rng(3).normal(size=300)})
    with pytest.warns(ConvergenceWarning, match=words):
        MixtureOfExpertsRegressor(n_starts=2, random_state=0).fit(frame, y)


def test_columns_of_a_certified_fit_are_not_talked_about():
    x, y = lines(300)
    X = np.column_stack([x, 0.99 * x + 0.14 * np.random.default_rng(3).normal(size=300)])
    assert MixtureOfExpertsRegressor(n_starts=3, random_state=0).fit(X, y).status_ is Status.CONVERGED


def test_a_constant_response_is_named():
    with pytest.warns(ConvergenceWarning, match="The response is constant"):
        MixtureOfExpertsRegressor(n_starts=2, random_state=0).fit(np.arange(20.0)[:, None], np.full(20, 3.0))


@given(
    arrays(float, (3, 2), elements=st.floats(-5, 5)),
    arrays(float, 2, elements=st.floats(0.01, 10)),
    arrays(float, 3, elements=st.floats(0, 1)),
    st.floats(1e-6, 1 - 1e-6),
)
def test_quantiles_invert_the_distribution_function(means, deviations, share, level):
    weights = np.column_stack([share, 1 - share])
    found = mixture_quantile(weights, means, deviations, level)
    reached = np.sum(weights * norm.cdf((found[:, None] - means) / deviations), axis=1)
    np.testing.assert_allclose(reached, level, rtol=0, atol=1e-9)


def test_prediction_intervals_cover():
    x, y = lines(4000)
    model = MixtureOfExpertsRegressor(n_starts=3, random_state=0).fit(x[:2000, None], y[:2000])
    low, high = (model.predict_quantile(x[2000:, None], level) for level in (0.05, 0.95))
    covered = np.mean((low < y[2000:]) & (y[2000:] < high))
    assert abs(covered - 0.9) < 4 * np.sqrt(0.09 / 2000)
    for level in (0, 1, 95, "a"):
        with pytest.raises(ValueError, match="between 0 and 1"):
            model.predict_quantile(x[:2, None], level)


@pytest.mark.parametrize(
    ("settings", "factors", "message"),
    [
        ({}, (1e300, 1.0), r"X has numbers up to .*e\+30\d, .* need sizes between 1e-150 and 1e\+150; choose another unit"),
        ({}, (1.0, 1e200), "y has numbers up to"),
        ({}, (1.0, 1e-170), "y has .* columns that vary by .*e-1"),
        ({"n_experts": 31}, (1.0, 1.0), "n_experts=31, but n_samples=30; need at least a row for every expert"),
        ({"gate_options": 3}, (1.0, 1.0), "gate_options=3; need a dict of options"),
    ],
)
def test_sizes_and_settings_that_no_fit_can_use_are_named(settings, factors, message):
    x, y = np.random.default_rng(0).normal(size=(2, 30))
    with pytest.raises(ValueError, match=message):
        MixtureOfExpertsRegressor(n_starts=1, **settings).fit(factors[0] * x[:, None], factors[1] * y)


@pytest.mark.parametrize("size", [1e140, 1e-140])
def test_far_units_with_squares_are_fitted_as_any_other(size):
    x, y = np.random.default_rng(0).normal(size=(2, 60))
    one, other = (MixtureOfExpertsRegressor(n_experts=1, random_state=0).fit(x[:, None], u * y) for u in (1.0, size))
    np.testing.assert_allclose(other.predict(x[:, None]) / size, one.predict(x[:, None]), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shared_expert": "constant"}, "shared_expert='constant', but n_shared=0; say how many"),
        ({"shared_options": {"bias": True}}, "shared_options=.*, but n_shared=0"),
        ({"criterion": "aic"}, r"criterion='aic'; choose one of \['bic', 'icl', 'dendrogram'\]"),
    ],
)
def test_settings_that_would_not_be_used_follow_their_rules_all_the_same(settings, message):
    with pytest.raises(ValueError, match=message):
        MixtureOfExpertsRegressor(n_experts=2, **settings).fit(np.zeros((9, 1)), np.arange(9.0))
