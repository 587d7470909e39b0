"""Gates whose parameters act through a map: weights by hand, joint densities, ties, and independent oracles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from scipy.stats import norm
from sklearn.mixture import GaussianMixture

from moetheory import (
    ActivatedTemperatureGate,
    ConstantExpert,
    CosineGate,
    ExpectationMaximisation,
    GaussianGate,
    GaussianMixtureInputs,
    LaplaceGate,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    ParameterBox,
    RandomStarts,
    SoftmaxGate,
    Splits,
    TemperatureGate,
    Uniform,
    cramer_rao,
    draw,
)
from moetheory.estimators import PublishedGaussianStart
from moetheory.estimators.layout import Layout
from moetheory.study.density import distance
from moetheory.study.quantities import efficiency, measure

pytestmark = pytest.mark.usefixtures("quick_compiler")

TABLES = arrays(float, (3, 3), elements=st.integers(-200, 200).map(lambda count: count / 100 + 0.001))
X = np.array([0.5, -1.25])


def weights(gate, x=X):
    return np.asarray(MixtureOfExperts(gate, LinearExpert.example(3, 2), np.ones(3)).weights(x))


@given(TABLES)
def test_weights_by_hand(table):
    intercept, slope = table[:, 0], table[:, 1:]
    expected = softmax(intercept - np.linalg.norm(slope - X, axis=1))
    np.testing.assert_allclose(weights(LaplaceGate(intercept, slope)), expected, rtol=1e-11)
    for tau, rho in ((0.0, 0.0), (0.1, 0.3)):
        score = slope @ X / ((np.linalg.norm(slope, axis=1) + tau) * (np.linalg.norm(X) + rho))
        found = weights(CosineGate(intercept, slope, slope_norm=tau, input_norm=rho))
        np.testing.assert_allclose(found, softmax(score + intercept), rtol=1e-11)
        best = np.argsort(-score, kind="stable")[:2]
        chosen = weights(CosineGate(intercept, slope, slope_norm=tau, input_norm=rho, top_k=2))
        np.testing.assert_allclose(chosen[best], softmax((score + intercept)[best]), rtol=1e-10)
    warm = np.full(3, np.log(0.7))
    np.testing.assert_allclose(
        weights(TemperatureGate(intercept, slope, warm)), softmax((slope @ X + intercept) / 0.7), rtol=1e-10
    )
    found = weights(ActivatedTemperatureGate(intercept, slope, warm, activation="tanh"))
    np.testing.assert_allclose(found, softmax((np.tanh(slope @ X) + intercept) / 0.7), rtol=1e-11)
    densities = np.exp(intercept) * norm.pdf(X, slope, np.sqrt(0.5)).prod(axis=1)
    found = weights(GaussianGate(intercept, slope, np.full((3, 2), np.log(0.5))))
    np.testing.assert_allclose(found, densities / densities.sum(), rtol=1e-9)


def test_where_a_score_is_zero_over_zero_it_is_zero():
    gate = CosineGate([0.0, 0.0, 0.0], [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(weights(gate), softmax([0.0, *(X / np.linalg.norm(X))]), rtol=1e-12)
    assert np.isfinite(weights(gate, np.zeros(2))).all()


GATE = GaussianGate(np.log([0.3, 0.7]), [[-1.0], [1.0]], np.log([[0.3], [0.5]]))
JOINT = MixtureOfExperts(GATE, LinearExpert([[1.0], [-0.5]], [0.5, 0.0]), [0.2, 0.4])
LAW = GaussianMixtureInputs.of(GATE)


def test_a_joint_density_is_the_sum_of_products_of_normals():
    x, y = 0.3, -0.4
    by_hand = 0.3 * norm.pdf(x, -1, np.sqrt(0.3)) * norm.pdf(y, 0.8, np.sqrt(0.2))
    by_hand += 0.7 * norm.pdf(x, 1, np.sqrt(0.5)) * norm.pdf(y, -0.15, np.sqrt(0.4))
    assert float(np.exp(JOINT.log_density(np.array([x]), y))) == pytest.approx(by_hand, rel=1e-12)
    inputs = 0.3 * norm.pdf(x, -1, np.sqrt(0.3)) + 0.7 * norm.pdf(x, 1, np.sqrt(0.5))
    assert float(np.exp(JOINT.log_input_density(np.array([x])))) == pytest.approx(inputs, rel=1e-12)
    assert LAW.density(np.array([[x]]))[0] == pytest.approx(inputs, rel=1e-12)
    assert float(np.exp(JOINT.conditional_log_density(np.array([x]), y))) == pytest.approx(by_hand / inputs, rel=1e-12)


@pytest.mark.parametrize(
    "estimator", [MaximumLikelihood((RandomStarts(4),)), ExpectationMaximisation((RandomStarts(4),), tolerance=1e-13)]
)
def test_constant_experts_behind_gaussian_gates_are_a_gaussian_mixture(estimator):
    """With constant experts the joint model is a mixture of normals of (x, y) with diagonal covariance: scikit-learn fits it."""
    truth = MixtureOfExperts(GATE, ConstantExpert([1.5, -1.0]), [0.2, 0.4])
    sample = draw(truth, LAW, 2000, np.random.default_rng(0))
    fit = estimator.fit(sample, 2, np.random.default_rng(1), family=truth.family)
    table = np.column_stack([sample.x, sample.y])
    theirs = GaussianMixture(2, covariance_type="diag", tol=1e-12, max_iter=2000, reg_covar=0.0, n_init=3, random_state=0).fit(
        table
    )
    assert fit.log_likelihood == pytest.approx(theirs.score(table) * 2000, rel=1e-9)
    mass = np.exp(fit.model.gate.intercept)
    np.testing.assert_allclose(np.sort(mass / mass.sum()), np.sort(theirs.weights_), rtol=1e-4)


def test_inputs_of_a_joint_model_have_the_moments_of_their_law():
    x = LAW.inputs(100_000, np.random.default_rng(0))[:, 0]
    mean, square = 0.3 * -1 + 0.7 * 1, 0.3 * (1 + 0.3) + 0.7 * (1 + 0.5)
    error = 5 / np.sqrt(len(x))
    assert x.mean() == pytest.approx(mean, abs=error * np.sqrt(square - mean**2))
    assert (x**2).mean() == pytest.approx(square, abs=error * np.std(x**2))


def test_distances_of_joint_models_count_the_inputs_too():
    moved = MixtureOfExperts(GaussianGate([0.0], [[0.5]], [[0.0]]), LinearExpert([[0.0]], [0.0]), [1.0])
    still = MixtureOfExperts(GaussianGate([0.0], [[-0.5]], [[0.0]]), LinearExpert([[0.0]], [0.0]), [1.0])
    law = GaussianMixtureInputs.of(still.gate)
    found = distance(still, law, moved, "hellinger")
    assert found**2 == pytest.approx(1 - np.exp(-1 / 8), rel=1e-6)


def test_joint_errors_have_the_variance_of_the_cramer_rao_bound():
    bound, ratios = cramer_rao(JOINT, LAW), []
    for seed in range(40):
        sample = draw(JOINT, LAW, 5000, np.random.default_rng(seed))
        fit = MaximumLikelihood((NearTruth(0.05),)).fit(sample, 2, np.random.default_rng(seed), JOINT)
        ratios.append(list(efficiency(JOINT, LAW, 5000, fit.model).values()))
    per_fit = np.mean(ratios, axis=1)
    assert np.shape(ratios) == (40, len(bound.names))
    assert per_fit.mean() == pytest.approx(1.0, abs=4 * per_fit.std() / np.sqrt(40))
    assert per_fit.std() / np.sqrt(40) < 0.12


def test_one_temperature_is_one_coordinate():
    truth = MixtureOfExperts(TemperatureGate.example(3, 2), LinearExpert.example(3, 2), np.ones(3))
    layout = Layout(3, 2, truth.family)
    assert layout.names().count("log_T") == 1
    vector = layout.pack(truth)
    vector[layout.names().index("log_T")] = 0.25
    assert np.asarray(layout.unpack(vector).gate.log_temperature).tolist() == [0.25] * 3
    np.testing.assert_allclose(layout.pack(layout.unpack(vector)), vector, rtol=1e-14)


def test_the_published_start_stays_next_to_the_truth():
    sample = draw(JOINT, LAW, 1000, np.random.default_rng(0))
    layout = Layout(3, 1, JOINT.family)
    (point,) = PublishedGaussianStart().points(layout, sample, JOINT, np.random.default_rng(0))
    start = layout.unpack(point)
    mass = np.exp(start.gate.intercept)
    assert sorted(np.round(mass / mass.sum(), 6)) in ([0.15, 0.15, 0.7], [0.3, 0.35, 0.35])
    gaps = np.abs(np.asarray(start.gate.centre) - np.asarray(GATE.centre)[:, 0]).min(axis=1)
    assert 0 < gaps.max() < 0.05
    assert np.all(np.asarray(start.variance)[:, None] > np.min(JOINT.variance))
    with pytest.raises(ValueError, match="is for Gaussian gates with linear experts, not"):
        softmax_model = MixtureOfExperts(SoftmaxGate.example(2, 1), JOINT.expert, [0.2, 0.4])
        PublishedGaussianStart().points(layout, sample, softmax_model, np.random.default_rng(0))


def test_directions_of_cosine_slopes_are_measured_apart_from_their_lengths():
    truth = MixtureOfExperts(CosineGate([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]), LinearExpert.example(2, 2), [0.1, 0.1])
    longer = MixtureOfExperts(CosineGate([0.0, 0.0], [[2.0, 0.0], [0.0, 3.0]]), truth.expert, [0.1, 0.1])
    box = Uniform((-1.0, -1.0), (1.0, 1.0))
    found = measure(truth, box, 10, longer, ["e2.beta_1.single", "e2.beta_direction.single", "hellinger"])
    assert found["e2.beta_1.single"] == pytest.approx(np.sqrt(2.5))
    assert found["e2.beta_direction.single"] < 1e-12
    assert found["hellinger"] < 1e-7


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TemperatureGate([0.0, 0.0], [[1.0], [0.0]], [0.1, 0.2]), "all atoms share one temperature: repeat one number"),
        (lambda: TemperatureGate.kind(top_k=1), r"TemperatureGate has no options \['top_k'\]"),
        (lambda: ActivatedTemperatureGate([0.0], [[1.0]], [0.1], activation="sine"), "activation='sine'; choose one of"),
        (lambda: LaplaceGate.kind(top_k=1), r"LaplaceGate has no options \['top_k'\]"),
        (lambda: LaplaceGate([0.0], [1.0]), r"LaplaceGate got shapes .* For one input write centre"),
        (lambda: GaussianGate.kind(top_k=1), r"GaussianGate has no options \['top_k'\]"),
        (lambda: GaussianGate([0.0], [[1.0]], [[1.0, 2.0]]), "GaussianGate got shapes"),
        (lambda: CosineGate([0.0], [[1.0]], slope_norm=-0.1), "slope_norm=-0.1, input_norm=0.0; need two finite numbers"),
        (lambda: GaussianMixtureInputs((0.5,), ((0.0,),), ((1.0,),)), "need k positive weights that sum to one"),
        (lambda: LaplaceGate.example(2, 1).link(0.0), "do not act linearly: use acting"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(make, message):
    with pytest.raises((ValueError, NotImplementedError), match=message):
        make()


def test_laplace_and_cosine_fits_converge_to_the_likelihood_of_the_truth_or_above():
    box = Uniform((-1.5, -1.5), (1.5, 1.5))
    expert = LinearExpert([[1.0, 0.5], [-1.0, 0.5]], [1.0, -1.0])
    for gate in (LaplaceGate([0.0, 0.0], [[0.8, 0.0], [-0.8, 0.0]]), CosineGate([0.0, 0.0], [[1.0, 0.5], [-0.5, 1.0]], 0.1, 0.1)):
        truth = MixtureOfExperts(gate, expert, [0.25, 0.25])
        sample = draw(truth, box, 4000, np.random.default_rng(0))
        fits = [
            MaximumLikelihood(starts, box=ParameterBox()).fit(sample, 3, np.random.default_rng(0), truth)
            for starts in ((NearTruth(0.0),), (NearTruth(0.05), Splits(0.2)))
        ]
        assert all(np.isfinite(fit.log_likelihood) for fit in fits)
        assert fits[1].certificate.gradient_norm < 1e-6


@pytest.mark.parametrize("gate", [TemperatureGate, ActivatedTemperatureGate])
def test_masses_of_gates_with_a_temperature_are_weights_at_the_origin_and_divide(gate):
    whole = gate([0.6, 0.0], [[1.0], [-0.5]], [0.7, 0.7])
    experts = LinearExpert([[1.0], [-1.0]], [0.0, 0.0])
    model = MixtureOfExperts(whole, experts, [1.0, 1.0])
    mass = model.mixing_measure().mass
    np.testing.assert_allclose(mass / mass.sum(), model.weights(np.zeros(1)), rtol=1e-12)
    copies = MixtureOfExperts(whole.take([0, 0, 1]).divided(np.array([2, 2, 1])), experts.take([0, 0, 1]), [1.0] * 3)
    x = np.array([0.4])
    weights = copies.weights(x)
    np.testing.assert_allclose([weights[0] + weights[1], weights[2]], model.weights(x), rtol=1e-12)
