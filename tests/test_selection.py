"""Number of experts: criteria against scikit-learn, laws of the dendrogram, the automatic choice, how often it is right."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import is_valid_linkage
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from moetheory import (
    ConstantExpert,
    Family,
    InputFreeGate,
    LeastSquares,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    ParameterBox,
    RandomStarts,
    Sample,
    SigmoidGate,
    SoftmaxGate,
    Status,
    Uniform,
    bic,
    dendrogram,
    draw,
    icl,
    select_number,
)
from moetheory.sampling import log_likelihood
from moetheory.selection import classification_entropy, dendrogram_criterion
from moetheory.sklearn import MixtureOfExpertsRegressor
from moetheory.study import Recovery, Settings, Simulation, Store, Workers, evaluate_claims, run_simulations
from moetheory.study.discovery import load
from moetheory.study.selection_rates import recovered
from moetheory.testing import seeds, truths

pytestmark = pytest.mark.usefixtures("quick_compiler")

TWO = MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[2.0], [0.0]]), LinearExpert([[1.5], [-1.0]], [1.5, -1.5]), [0.3, 0.3])
ONE_START = MaximumLikelihood((RandomStarts(1),))
SAMPLE = draw(TWO, Uniform((-1.5,), (1.5,)), 600, np.random.default_rng(0))


def test_criteria_are_those_of_a_normal_mixture():
    """Without inputs and with constant experts the model is a normal mixture: scikit-learn knows its BIC and responsibilities."""
    family = Family(InputFreeGate.kind(), ConstantExpert.kind())
    fit = MaximumLikelihood((RandomStarts(4),)).fit(SAMPLE, 2, np.random.default_rng(0), family=family)
    y = SAMPLE.y[:, None]
    theirs = GaussianMixture(2, tol=1e-12, max_iter=5000, reg_covar=0.0, n_init=4, random_state=0).fit(y)
    shares = theirs.predict_proba(y)
    entropy = -np.sum(shares * np.log(np.maximum(shares, 1e-300)))
    assert bic(fit, SAMPLE) == pytest.approx(theirs.bic(y), rel=1e-6)
    assert classification_entropy(fit.model, SAMPLE) == pytest.approx(entropy, rel=1e-3)
    assert icl(fit, SAMPLE) == pytest.approx(theirs.bic(y) + 2 * entropy, rel=1e-3)


def test_a_fit_without_a_model_is_never_chosen():
    failed = MaximumLikelihood((RandomStarts(1),)).fit(SAMPLE, 1, np.random.default_rng(0))
    failed = replace(failed, model=None)
    assert bic(failed, SAMPLE) == icl(failed, SAMPLE) == np.inf


def test_auto_takes_a_degenerate_fit_before_one_without_a_model(monkeypatch):
    real = MaximumLikelihood.fit

    def fit(self, sample, number, generator, truth=None, family=None):
        found = real(self, sample, 1, generator, truth, family)
        return replace(found, status=Status.DEGENERATE_VARIANCE) if number == 1 else replace(found, model=None)

    monkeypatch.setattr(MaximumLikelihood, "fit", fit)
    assert select_number(ONE_START, SAMPLE, 2, "bic", 0, TWO.family).number == 1


def test_a_merge_of_unequal_atoms_by_hand():
    """Masses 0.8 and 0.2 times 0.5; gate slopes (3, 4) apart, intercepts 0.5, expert slopes (0.6, 0.8), variances 0.1."""
    gate = SoftmaxGate(np.log([0.4, 0.1, 0.5]), [[3.0, 4.0], [0.0, 0.0], [40.0, 0.0]])
    expert = LinearExpert([[0.6, 0.8], [0.0, 0.0], [9.0, 9.0]], [0.5, 0.0, 9.0])
    tree = dendrogram(MixtureOfExperts(gate, expert, [0.3, 0.2, 0.9]))
    assert tree.height(3) == pytest.approx((25 + 0.25 + 1 + 0.1) / (1 / 0.4 + 1 / 0.1))
    merged = tree.with_atoms(2)
    cross = 0.8 * 0.2 * 0.5
    np.testing.assert_allclose(merged.gate.slope[0], [2.4, 3.2])
    np.testing.assert_allclose(merged.expert.slope[0], [0.48 + cross * 3, 0.64 + cross * 4])
    np.testing.assert_allclose([merged.expert.intercept[0], merged.variance[0]], [0.4, 0.28 + 0.8 * 0.2 * 0.25])


def test_levels_of_a_dendrogram_are_judged_by_heights_and_likelihoods_of_its_models():
    estimator = MaximumLikelihood((RandomStarts(4),))
    tree = dendrogram(estimator.fit(SAMPLE, 3, np.random.default_rng(0)).model)
    values = {n: log_likelihood(tree.with_atoms(n), SAMPLE) for n in (3, 2)}
    by_hand = {n: -(tree.height(n) + np.log(600) * value / 600) for n, value in values.items()}
    assert dendrogram_criterion(tree, SAMPLE) == pytest.approx(by_hand)
    standard = Sample((SAMPLE.x - SAMPLE.x.mean()) / SAMPLE.x.std(), (SAMPLE.y - SAMPLE.y.mean()) / SAMPLE.y.std())
    table = select_number(estimator, standard, 3, "dendrogram", 0, TWO.family).table.set_index("n_experts")
    tree = dendrogram(estimator.fit(standard, 3, np.random.default_rng(0)).model)
    values = {n: log_likelihood(tree.with_atoms(n), standard) for n in (3, 2)}
    assert table["log_likelihood"].to_dict() == pytest.approx(values)
    assert table["value"].to_dict() == pytest.approx(dendrogram_criterion(tree, standard))


@pytest.mark.parametrize("shift", [-5.0, 3.0])
def test_the_dendrogram_chooses_alike_wherever_the_inputs_have_their_origin(shift):
    """Masses at an origin far from the data are zero and one, and every height vanishes: the largest number would be chosen."""
    estimator = MaximumLikelihood((RandomStarts(4),), ParameterBox(gate=60.0, expert=60.0))
    moved = Sample(4.0 * SAMPLE.x + shift, 10.0 * SAMPLE.y - 7.0)
    chosen, as_is = (select_number(estimator, one, 3, "dendrogram", 0, TWO.family) for one in (moved, SAMPLE))
    assert chosen.number == as_is.number == 2
    both = [one.table.set_index("n_experts").loc[2] for one in (chosen, as_is)]
    assert both[0]["log_likelihood"] == pytest.approx(both[1]["log_likelihood"] - SAMPLE.size * np.log(10.0), abs=3.0)
    assert both[0]["height"] == pytest.approx(both[1]["height"], rel=0.2)


@pytest.mark.parametrize("response", [np.zeros(60), np.full(60, 0.1)])
def test_columns_and_responses_that_do_not_vary_have_the_unit_one(response):
    sample = Sample(np.column_stack([np.linspace(-1, 1, 60), np.full(60, 0.1)]), response)
    table = select_number(MaximumLikelihood((RandomStarts(1),)), sample, 2, "dendrogram", 0, TWO.family).table
    assert np.isfinite(table[["log_likelihood", "value", "height"]]).all(axis=None)
    assert table["value"].abs().max() < 100


def test_a_tree_has_no_level_beyond_its_atoms():
    tree = dendrogram(TWO)
    for act in (lambda: tree.with_atoms(3), lambda: tree.with_atoms(0), lambda: tree.height(1), lambda: tree.height(3)):
        with pytest.raises(ValueError, match="this tree has levels of . to 2 atoms"):
            act()


def test_atoms_without_mass_merge_first():
    gate = SoftmaxGate([0.0, -800.0, -800.0], [[1.0], [2.0], [0.0]])
    tree = dendrogram(MixtureOfExperts(gate, LinearExpert([[2.0], [1.0], [-1.0]], [0.1, 0.4, 1.0]), [0.2, 0.3, 0.4]))
    np.testing.assert_allclose(tree.heights, 0.0, atol=1e-300)
    np.testing.assert_allclose(tree.with_atoms(2).expert.intercept, [0.1, 1.0])


@settings(max_examples=20)
@given(seeds(), st.floats(-3, 3))
def test_heights_do_not_depend_on_order_or_translation(seed, shift):
    """Of atoms in general position: where two pairs tie, the order decides."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(4)
    rows = generator.standard_normal((4, 6))
    model = MixtureOfExperts(SoftmaxGate(rows[:, 0], rows[:, 1:3]), LinearExpert(rows[:, 3:5], rows[:, 5]), 0.1 + rows[:, 0] ** 2)
    gate = SoftmaxGate(np.asarray(model.gate.intercept) + shift, np.asarray(model.gate.slope) + shift)
    moved = MixtureOfExperts(gate, model.expert, model.variance).take(order)
    first, second = dendrogram(model), dendrogram(moved)
    assert np.all(first.heights >= 0)
    np.testing.assert_allclose(second.heights, first.heights, rtol=1e-8, atol=1e-12)
    for tree in (first, second):
        masses = [np.exp(level.gate.intercept).sum() for level in tree.models[1:]]
        np.testing.assert_allclose(masses, 1.0, rtol=1e-12)
        assert [level.num_experts for level in tree.models] == [4, 3, 2, 1]
        assert tree.merges[-1, 3] == 4


@settings(max_examples=20)
@given(truths(2, 1, separated=False))
def test_copies_merge_first_at_height_zero(model):
    atoms, copies = [0, 0, 1], np.array([2, 2, 1])
    gate, variance = model.gate.take(atoms).divided(copies), np.asarray(model.variance)[atoms]
    tree = dendrogram(MixtureOfExperts(gate, model.expert.take(atoms), variance))
    assert tree.height(3) == pytest.approx(0.0, abs=1e-12)
    x, y = np.array([0.3]), 0.5
    assert float(tree.with_atoms(2).log_density(x, y)) == pytest.approx(float(model.log_density(x, y)), rel=1e-9, abs=1e-9)


def test_a_merge_changes_the_density_at_third_order_only():
    """Means alone would leave a second-order change: slope and variance of the merged atom make up for it."""
    changes = []
    for step in (0.2, 0.1):
        gate = SoftmaxGate(np.log([0.5, 0.5, 1.0]), [[1.0 + step], [1.0 - step], [0.0]])
        split = MixtureOfExperts(gate, LinearExpert([[2.0], [2.0], [-1.0]], [step, -step, 1.0]), [0.3, 0.3, 0.4])
        merged = dendrogram(split).with_atoms(2)
        grid = [(np.array([x]), y) for x in np.linspace(-1, 1, 9) for y in np.linspace(-3, 3, 9)]
        changes.append(max(abs(float(split.log_density(*point) - merged.log_density(*point))) for point in grid))
        assert merged.expert.slope[0, 0] == pytest.approx(2.0 + step**2)
        assert merged.variance[0] == pytest.approx(0.3 + step**2)
    assert changes[1] < changes[0] / 3


def test_the_tree_can_be_drawn_where_heights_increase():
    gate = SoftmaxGate([0.0, 0.0, 0.7], [[1.0], [1.0], [0.0]])
    tree = dendrogram(MixtureOfExperts(gate, LinearExpert([[2.0], [2.0], [-1.0]], [0.1, -0.1, 1.0]), [0.2, 0.2, 0.3]))
    assert is_valid_linkage(tree.merges)
    criterion = dendrogram_criterion(tree, SAMPLE)
    assert list(criterion) == [3, 2]


def test_the_tree_counts_the_atoms_of_every_cluster():
    gate = SoftmaxGate(np.zeros(4), np.zeros((4, 1)))
    tree = dendrogram(MixtureOfExperts(gate, LinearExpert(np.zeros((4, 1)), [0.0, 0.1, 9.0, 9.2]), np.ones(4)))
    assert tree.merges[:, 3].tolist() == [2, 2, 4]


def test_parameters_that_no_choice_of_one_atom_shows_are_not_counted():
    """Two lines with two variances, one slope difference: intercepts and scale of the scores do not act with K = 1."""
    family = Family(SoftmaxGate.kind(top_k=1), LinearExpert.kind())
    fit = ONE_START.fit(SAMPLE, 2, np.random.default_rng(0), family=family)
    assert (bic(fit, SAMPLE) + 2 * fit.log_likelihood) / np.log(SAMPLE.size) == pytest.approx(6.0)


@pytest.mark.parametrize("criterion", ["bic", "icl", "dendrogram"])
def test_two_experts_are_found(criterion):
    found = select_number(MaximumLikelihood((RandomStarts(3),)), SAMPLE, 3, criterion, 0, TWO.family)
    assert found.number == 2
    assert found.fit.model.num_experts == 2
    assert found.table.loc[found.table["value"].idxmin(), "n_experts"] == 2
    assert list(found.table["n_experts"]) == ([2, 3] if criterion == "dendrogram" else [1, 2, 3])


@pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.{ConvergenceWarning.__name__}")
def test_the_regressor_chooses_its_number_of_experts():
    model = MixtureOfExpertsRegressor("auto", max_experts=3, n_starts=3, random_state=0).fit(SAMPLE.x, SAMPLE.y)
    fixed = MixtureOfExpertsRegressor(2, n_starts=3, random_state=0).fit(SAMPLE.x, SAMPLE.y)
    assert model.n_experts_ == fixed.n_experts_ == 2
    assert isinstance(model.selection_, pd.DataFrame)
    assert not hasattr(fixed, "selection_")
    assert model.log_likelihood_ == pytest.approx(fixed.log_likelihood_, rel=1e-8)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: select_number(MaximumLikelihood((RandomStarts(1),)), SAMPLE, 3, "aic", 0, TWO.family),
            "criterion='aic'; choose",
        ),
        (lambda: select_number(MaximumLikelihood((RandomStarts(1),)), SAMPLE, 1, "dendrogram", 0, TWO.family), "at least 2"),
        (lambda: dendrogram(MixtureOfExperts(SigmoidGate.example(2, 1), TWO.expert, [1.0, 1.0])), "use BIC or ICL"),
        (lambda: MixtureOfExpertsRegressor("many").fit(SAMPLE.x, SAMPLE.y), "n_experts='many'; need an integer .* or \"auto\""),
        (lambda: MixtureOfExpertsRegressor("auto", max_experts=0).fit(SAMPLE.x, SAMPLE.y), "max_experts=0; need an integer"),
        (lambda: MixtureOfExpertsRegressor("auto", criterion="aic").fit(SAMPLE.x, SAMPLE.y), "criterion='aic'; choose one of"),
        (lambda: Recovery("aic", "frequency", (), 0.9, 1.0), "need one of bic, icl, dendrogram"),
        (lambda: Recovery("bic", "frequency", (), 0.9, 1.2), "0 <= low <= high <= 1"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(act, message):
    with pytest.raises(ValueError, match=message):
        act()


def test_frequencies_count_the_true_number_over_the_replicates_that_have_all_fits():
    def fits(fit_id, log_likelihoods, parameters):
        rows = [("cell", 0, 100, replicate, value, [0.0] * parameters) for replicate, value in enumerate(log_likelihoods)]
        table = pd.DataFrame(rows, columns=["data_id", "seed", "n", "replicate", "log_likelihood", "parameters"])
        return table.assign(fit_id=fit_id, status="converged")

    one, two = fits("one", [-50.0, -50.0, -50.0, -50.0], 3), fits("two", [-40.0, -45.0, -30.0], 8)
    check = {"quantity": "bic", "compared": {"two": 2, "one": 1}, "true_number": 2}
    found = recovered(check, two, pd.concat([one, two]), pd.DataFrame())
    penalty = 5 * np.log(100) / 2
    assert found["value"].tolist() == [float(gain > penalty) for gain in (10.0, 5.0, 20.0)]
    entropies = {"one": 0.0, "two": 0.1}
    entropy = pd.DataFrame(
        [("cell", 0, 100, r, name, "classification_entropy", value) for r in range(3) for name, value in entropies.items()],
        columns=["data_id", "seed", "n", "replicate", "fit_id", "quantity", "value"],
    )
    found = recovered(check | {"quantity": "icl"}, two, pd.concat([one, two]), entropy)
    assert found["value"].tolist() == [float(gain > penalty + 10.0) for gain in (10.0, 5.0, 20.0)]


def test_a_simulation_of_choices_names_its_comparisons():
    (simulation,) = load(["simulations/number_of_experts.py"])
    chosen = simulation.claims[0]
    with pytest.raises(ValueError, match=r"compares with \['two_k1', 'two_k2', 'two_k3'\]"):
        Simulation(title="alone", paper="2510.12744", claims=(chosen,))


def test_choices_of_stored_fits_are_of_families_whose_coordinates_all_count():
    (simulation,) = load(["simulations/number_of_experts.py"])
    gates = Family(SigmoidGate.kind(), LinearExpert.kind())
    others = [replace(claim, family=gates, estimator=ONE_START) for claim in simulation.claims]
    with pytest.raises(ValueError, match="not all coordinates of the 1 experts"):
        replace(simulation, claims=tuple(others))


def test_choices_of_stored_fits_can_be_measured_later(tmp_path):
    (simulation,) = load(["simulations/number_of_experts.py"])
    chosen = next(claim for claim in simulation.claims if claim.name == "two_chosen")
    tree = replace(chosen, checks=tuple(check for check in chosen.checks if check.quantity == "dendrogram"), num_experts=3)
    plain = replace(tree, checks=next(claim for claim in simulation.claims if claim.name == "two_k3").checks)
    sizes = Settings(sizes=(150, 300), replicates=2)
    alone = replace(simulation, claims=(plain,))
    run_simulations([alone], Store(tmp_path), sizes, workers=Workers(1))
    assert run_simulations([replace(simulation, claims=(tree,))], Store(tmp_path), sizes, workers=Workers(1)) == 2
    (result,) = evaluate_claims(Store(tmp_path), sizes.label, ["number_of_experts"])
    assert set(result.checks[0].values["value"]) <= {0.0, 1.0}
    assert len(result.checks[0].values) == 4


@pytest.mark.parametrize("gate", [SoftmaxGate.kind(top_k=2), SigmoidGate.kind(top_k=3)])
def test_fewer_experts_than_the_choice_takes_have_none(gate):
    table = select_number(ONE_START, SAMPLE, 3, "bic", 0, Family(gate, LinearExpert.kind())).table
    assert table["n_experts"].tolist() == [1, 2, 3]
    free = select_number(ONE_START, SAMPLE, 1, "bic", 0, Family(type(gate.example(2, 1)).kind(), LinearExpert.kind())).table
    assert table["value"][0] == free["value"][0]


def test_regression_functions_have_no_atom_behind_a_response():
    lines = Family(SoftmaxGate.kind(), LinearExpert.kind(), regression=True)
    squares = LeastSquares((RandomStarts(1),))
    with pytest.raises(ValueError, match="there is no ICL"):
        select_number(squares, SAMPLE, 2, "icl", 0, lines)
    with pytest.raises(ValueError, match="dendrograms are for softmax gates and linear experts"):
        select_number(squares, SAMPLE, 2, "dendrogram", 0, lines)
    fit = squares.fit(SAMPLE, 1, np.random.default_rng(0), family=lines)
    with pytest.raises(ValueError, match="there is no ICL"):
        icl(fit, SAMPLE)


def test_one_line_has_one_criterion_whether_fitted_by_squares_or_by_likelihood():
    lines = Family(SoftmaxGate.kind(), LinearExpert.kind(), regression=True)
    squares = LeastSquares((RandomStarts(1),)).fit(SAMPLE, 1, np.random.default_rng(0), family=lines)
    likelihood = ONE_START.fit(SAMPLE, 1, np.random.default_rng(0))
    assert bic(squares, SAMPLE) == pytest.approx(bic(likelihood, SAMPLE), rel=1e-9)
