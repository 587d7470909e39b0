"""The documented gate and expert, one file each in the folders, work everywhere; the documented estimator obeys the laws."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from study_cases import TRUTH

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
)
from moetheory._discovery import classes_by_file
from moetheory.estimators.layout import layout_of
from moetheory.identifiability import cramer_rao
from moetheory.sklearn import MixtureOfExpertsRegressor
from moetheory.study import Settings, Store, Workers, own_loss, run_simulations
from moetheory.study.discovery import load
from moetheory.study.own_losses import by_quantity
from moetheory.study.quantities import check_quantity, measure
from moetheory.testing import check_estimator, check_expert, check_gate, check_loss, check_model

pytestmark = pytest.mark.usefixtures("quick_compiler")

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text()
LOSS = re.search(r"## A loss\n.*?```python\n(.*?)```", PAGE, flags=re.DOTALL)[1]
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

SIGMOID = MixtureOfExperts(SigmoidGate([0.5, -0.5], [[2.0], [-1.0]]), LinearExpert([[2.0], [-1.0]], [2.0, 4.0]), [0.1, 0.2])
MOVED = MixtureOfExperts(SIGMOID.gate, LinearExpert([[2.0], [-1.5]], [2.0, 4.0]), SIGMOID.variance)
LINE = Uniform((0.0,), (1.0,))
STUDY = """
from dataclasses import replace

from study_cases import MLE
from moetheory.study import Simulation

SIMULATION = Simulation("Own loss", "0000.00000", (replace(MLE, checks=(WORST,)),))
"""


@pytest.fixture
def study(tmp_path):
    """The documented loss in a simulation file, run by two processes into a store, changed by an edit."""

    def run(edit=lambda text: text):
        (tmp_path / "own.py").write_text(edit(LOSS) + STUDY)
        (simulation,) = load([tmp_path / "own.py"])
        store = Store(tmp_path / "store")
        run_simulations([simulation], store, Settings("quick"), Workers(2))
        return simulation.claims[0].checks[0], store.read("fits"), store.read("measures")

    return run


def test_the_documented_loss_is_measured_by_worker_processes(study):
    check, fits, measures = study()
    worst_atom = by_quantity(check.quantity)
    check_loss(worst_atom, MOVED.mixing_measure(), SIGMOID.mixing_measure())
    assert worst_atom(MOVED.mixing_measure(), SIGMOID.mixing_measure()) == pytest.approx(0.5)
    assert check.name == "worst_atom" and set(measures["quantity"]) == {check.quantity}
    layout = layout_of(TRUTH)
    values = [worst_atom(layout.unpack(np.array(point)).mixing_measure(), TRUTH.mixing_measure()) for point in fits["parameters"]]
    np.testing.assert_allclose(measures["value"], values, rtol=1e-12)


def test_a_loss_whose_code_changes_is_measured_anew_on_the_fits_that_are_there(study):
    before, fits, once = study()
    after, same, measures = study(lambda text: text.replace("return float(", "return 2 * float("))
    assert after.quantity != before.quantity and after.name == before.name
    pd.testing.assert_frame_equal(fits, same)
    changed = measures[measures["quantity"] == after.quantity]["value"].to_numpy()
    np.testing.assert_array_equal(changed, 2 * once["value"].to_numpy())
    with pytest.raises(ValueError, match="worst_atom has other code now; run the simulation again"):
        measure(SIGMOID, LINE, 100, SIGMOID, [before.quantity])


def test_a_loss_that_nobody_has_stops_a_study_instead_of_giving_nan():
    """A worker that lacks it would fill the store with missing values."""
    cases = {"worst_atom": "unknown quantity 'worst_atom'", "own.no_module.worst.1": "load the simulation file"}
    for quantity, words in cases.items():
        with pytest.raises(ValueError, match=words):
            measure(SIGMOID, LINE, 100, SIGMOID, [quantity])
        with pytest.raises(ValueError, match=words):
            check_quantity(quantity, SIGMOID)


@pytest.mark.parametrize("loss", [lambda estimate, truth: 0.0, "worst", np.add, float], ids=["lambda", "text", "ufunc", "type"])
def test_what_workers_cannot_find_is_no_loss(loss):
    with pytest.raises(TypeError, match="need a function at the top of a simulation file"):
        own_loss(loss)
    with pytest.raises(TypeError, match=r"need a name: of a function it is moetheory.study.own_loss|unknown"):
        check_quantity(loss if callable(loss) else 3, SIGMOID)
