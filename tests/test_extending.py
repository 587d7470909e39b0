"""The documented gate and expert, one file each in the folders, work everywhere; the documented estimator obeys the laws."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from moetheory import (
    Family,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    RandomStarts,
    SigmoidGate,
    Status,
    Uniform,
    draw,
    experts,
    gating,
    losses,
)
from moetheory._discovery import classes_by_file
from moetheory.identifiability import cramer_rao
from moetheory.sklearn import MixtureOfExpertsRegressor
from moetheory.study.quantities import check_quantity, measure
from moetheory.testing import check_estimator, check_expert, check_gate, check_loss, check_model

pytestmark = pytest.mark.usefixtures("quick_compiler")

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text()
LOSS = re.search(r"`moetheory/losses/worst_atom\.py`.*?```python\n(.*?)```", PAGE, flags=re.DOTALL)[1]
FILES = re.findall(r"`moetheory/(gating|experts)/(\w+)\.py`:\n\n```python\n(.*?)```", PAGE, flags=re.DOTALL)
INPUTS = np.array([[0.5, -1.0], [1.5, 0.25]])


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The two classes, from folders that are part of the packages while the tests run."""
    found = {}
    for folder, name, source in FILES:
        package = {"gating": gating, "experts": experts}[folder]
        place = tmp_path_factory.mktemp(folder)
        (place / f"{name}.py").write_text(source)
        package.__path__.append(str(place))
        module = importlib.import_module(f"{package.__name__}.{name}")
        found[name] = next(value for key, value in vars(module).items() if key.lower().startswith(name))
    yield found
    for folder, name, _ in FILES:
        package = {"gating": gating, "experts": experts}[folder]
        package.__path__.pop()
        del sys.modules[f"{package.__name__}.{name}"]


@pytest.fixture(scope="module")
def truth(parts):
    gate = parts["softplus"]([0.5, -0.5], [[2.0], [-1.0]])
    return MixtureOfExperts(gate, parts["sine"]([[2.0], [-1.0]], [2.0, 4.0]), [0.1, 0.2])


def test_both_files_are_documented():
    assert [(folder, name) for folder, name, _ in FILES] == [("gating", "softplus"), ("experts", "sine")]


def test_the_folders_list_them_and_the_laws_hold(parts):
    assert classes_by_file(gating, gating.AbstractGate)["softplus"] is parts["softplus"]
    assert classes_by_file(experts, experts.AbstractExpert)["sine"] is parts["sine"]
    for size in (1.0, 1e3):
        check_gate(parts["softplus"].example(3, 2), size * INPUTS)
    check_expert(parts["sine"].example(3, 2), INPUTS)


def test_a_model_of_them_is_fitted_and_certified(truth):
    check_model(truth, [[0.3]])
    sample = draw(truth, Uniform((-2.0,), (2.0,)), 3000, np.random.default_rng(0))
    check_estimator(MaximumLikelihood((NearTruth(0.05),)), sample, truth)
    fit = MaximumLikelihood((NearTruth(0.05), RandomStarts(2))).fit(sample, 2, np.random.default_rng(1), truth)
    assert fit.status is Status.CONVERGED
    assert fit.model.family == truth.family == Family(truth.gate.kind(), truth.expert.kind())
    errors = np.sqrt(np.diag(cramer_rao(truth, Uniform((-2.0,), (2.0,))).covariance) / sample.size)
    assert np.abs(np.sort(fit.model.representative().expert.scale) - [2.0, 4.0]).max() < 6 * errors.max()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_regressor_takes_them_by_name_and_by_class(parts, truth):
    sample = draw(truth, Uniform((-2.0,), (2.0,)), 400, np.random.default_rng(0))
    for gate, expert in (("softplus", "sine"), (parts["softplus"], parts["sine"])):
        model = MixtureOfExpertsRegressor(n_experts=2, gate=gate, expert=expert, n_starts=3, random_state=0)
        assert model.fit(sample.x, sample.y).model_.gate.own_kind().part is parts["softplus"]


@pytest.fixture
def newton():
    """The estimator of the page."""
    (source,) = re.findall(r"```python\n(from dataclasses.*?)```", PAGE, flags=re.DOTALL)
    found = {"__name__": "page"}
    exec(source, found)
    return found["Newton"]


def test_an_estimator_of_ones_own_has_a_certificate_and_obeys_the_laws(newton, truth):
    sample = draw(truth, Uniform((-2.0,), (2.0,)), 500, np.random.default_rng(0))
    check_estimator(newton((NearTruth(0.05),)), sample, truth)
    fit, stopped = (newton((NearTruth(0.05),), steps=n).fit(sample, 2, np.random.default_rng(0), truth) for n in (50, 1))
    assert fit.status is Status.CONVERGED and stopped.status is Status.STEP_LIMIT


# -- a loss -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def worst_atom(tmp_path, monkeypatch):
    """The documented loss, from a folder that is part of the package while a test runs."""
    (tmp_path / "worst_atom.py").write_text(LOSS)
    monkeypatch.setattr(losses, "__path__", [*losses.__path__, str(tmp_path)])
    losses.names.cache_clear()
    yield losses.by_name("worst_atom")
    del sys.modules["moetheory.losses.worst_atom"]
    losses.names.cache_clear()


SIGMOID = MixtureOfExperts(SigmoidGate([0.5, -0.5], [[2.0], [-1.0]]), LinearExpert([[2.0], [-1.0]], [2.0, 4.0]), [0.1, 0.2])


def test_the_documented_loss_obeys_the_laws_and_is_measured_by_its_name(worst_atom):
    moved = MixtureOfExperts(SIGMOID.gate, LinearExpert([[2.0], [-1.5]], [2.0, 4.0]), SIGMOID.variance)
    truth, estimate = SIGMOID.mixing_measure(), moved.mixing_measure()
    check_loss(worst_atom, estimate, truth)
    assert worst_atom(estimate, truth) == pytest.approx(0.5)
    check_quantity("worst_atom", SIGMOID)
    assert measure(SIGMOID, Uniform((0.0,), (1.0,)), 100, moved, ["worst_atom"]) == {"worst_atom": pytest.approx(0.5)}


def test_a_loss_that_is_not_there_stops_a_study_instead_of_giving_nan():
    """A worker whose folder lacks the loss would fill the store with missing values."""
    with pytest.raises(ValueError, match="unknown quantity 'worst_atom'"):
        measure(SIGMOID, Uniform((0.0,), (1.0,)), 100, SIGMOID, ["worst_atom"])
    for refused in (check_quantity, lambda quantity, truth: measure(truth, Uniform((0.0,), (1.0,)), 100, truth, [quantity])):
        with pytest.raises(TypeError, match=r"need a name: a loss of one's own is a file in moetheory/losses"):
            refused(lambda estimate, truth: 0.0, SIGMOID)
