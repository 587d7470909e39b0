"""Slips of users are refused where they are made, with what was given and what is needed."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import study_cases
from study_cases import MLE, TRUTH

from moetheory import (
    CompetitionGate,
    Family,
    LinearExpert,
    MaximumLikelihood,
    MixtureOfExperts,
    NearTruth,
    RegressionMixture,
    Sample,
    SigmoidGate,
    SoftmaxGate,
    Uniform,
    draw,
    sweep,
)
from moetheory.gating import AbstractGate
from moetheory.identifiability import fisher_information, solvability_order
from moetheory.identifiability.regression_fibres import split_expert
from moetheory.rates import judge_frequency
from moetheory.rates.verdict import binomial_interval
from moetheory.study import Recovery, Settings, Simulation, Store, evaluate_claims
from moetheory.study.checks import Fibre
from moetheory.study.discovery import SimulationError, load

UNIT = Uniform((0.0,), (1.0,))
SAMPLE = Sample([[0.0], [0.5], [1.0]], [0.0, 1.0, 2.0])
FUNCTION = RegressionMixture(TRUTH.gate, TRUTH.expert)
FIT = MaximumLikelihood((NearTruth(0.05),)).fit_batch


def generator():
    return np.random.default_rng(0)


def claim(**changes):
    return replace(MLE, **changes)


def fibre(**changes):
    given = {"quantity": "hellinger", "label": "h", "points": ((0.0, TRUTH),), "path": "u", "low": 0.0, "high": 1.0}
    return Fibre(**given | changes)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: MixtureOfExperts("softmax", TRUTH.expert, [1.0, 1.0]), "got 'softmax'; need parts with their parameters"),
        (lambda: RegressionMixture(TRUTH.gate, "linear"), "got 'linear'; need parts with their parameters"),
        (lambda: Family(SoftmaxGate, LinearExpert), r"need kinds: SoftmaxGate.kind\(\)"),
        (lambda: Family(LinearExpert.kind(), SoftmaxGate.kind()), r"need kinds: SoftmaxGate.kind\(\)"),
        (lambda: Family(None, LinearExpert.kind()), r"need kinds: SoftmaxGate.kind\(\)"),
        (lambda: CompetitionGate.kind(intercept="no"), "'intercept': 'no'.*need True or False"),
        (lambda: draw(TRUTH, None, 5, generator()), "inputs=None; need a law of the inputs"),
        (lambda: draw("truth", UNIT, 5, generator()), "got 'truth'; need a MixtureOfExperts"),
        (lambda: fisher_information(TRUTH, "uniform"), "inputs='uniform'; need a law of the inputs"),
        (lambda: FIT([SAMPLE], 2, [generator()], truth="a"), "truth='a'.*need a model"),
        (lambda: FIT([SAMPLE], 2, [generator()], TRUTH, "softmax"), "family='softmax'; need a model, and a Family"),
        (lambda: FIT(SAMPLE, 2, generator(), TRUTH), r"need a list of each: fit\(...\) takes one"),
        (lambda: FIT([SAMPLE], 2, generator(), TRUTH), r"need a list of each: fit\(...\) takes one"),
        (
            lambda: FIT([SAMPLE], 2, [generator()], TRUTH, Family(SoftmaxGate.kind(top_k=0), LinearExpert.kind())),
            "top_k=0 with num_experts=2; need 1 <= top_k",
        ),
        (
            lambda: FIT([SAMPLE], 2, [generator()], TRUTH, Family(SoftmaxGate.kind(top_k=1.5), LinearExpert.kind())),
            "top_k=1.5 with num_experts=2; need 1 <= top_k <= num_experts, an integer",
        ),
        (lambda: split_expert(TRUTH, 1.0), "got MixtureOfExperts; a density changes with such a split"),
        (lambda: split_expert(FUNCTION, 1.0, atom=9), "atom=9; the truth has atoms 0 to 1"),
        (lambda: solvability_order(1.5), "atoms is 1.5; it must be an integer"),
        (lambda: SigmoidGate.maximiser(np.ones((2, 2)), None, None), "SigmoidGate has no maximiser in closed form for EM"),
        (lambda: fibre(low=1.0, high=0.0), "low=1.0, high=0.0; need low <= high"),
        (lambda: fibre(low=np.nan), "need low <= high"),
        (lambda: fibre(points=()), r"points=\(\); need pairs such as"),
        (lambda: fibre(points=(0.0, TRUTH)), "need pairs such as"),
        (lambda: Recovery("bic", "frequency", "ours", 0.9, 1.0), "against='ours'; need a tuple of names"),
        (lambda: judge_frequency([0, 1], (-1.0, 1.0)), "a probability lies between 0 and 1"),
        (lambda: judge_frequency([0, 1], (0.0, 2.0)), "a probability lies between 0 and 1"),
        (lambda: binomial_interval([0.9, 0.9]), "a frequency is that of zeros and ones"),
        (lambda: binomial_interval([np.nan]), "values has no zero and no one"),
        (lambda: claim(title=5), "claim 'mle': title=5; need a text"),
        (lambda: claim(source=None), "source=None; need a text"),
        (lambda: claim(checks=(replace(study_cases.D1, label=None),)), "need texts for quantity, label and published"),
        (lambda: claim(checks=(replace(study_cases.D1, published=3),)), "need texts for quantity, label and published"),
        (lambda: claim(sizes=(100, 200)), r"sizes=\(100, 200\); need a mapping with an entry for each of \['quick'"),
        (lambda: claim(sizes=dict.fromkeys(MLE.sizes, 100)), "sizes of preset 'quick' are 100; need different integers"),
        (lambda: claim(replicates=2), "replicates=2; need a mapping"),
        (lambda: claim(replicates=dict.fromkeys(MLE.sizes, 10**8)), "need an integer from 1 to 10,000,000"),
        (lambda: claim(truth=None), "got None; need a MixtureOfExperts"),
        (lambda: claim(truth=UNIT, inputs=TRUTH), "need a law of the inputs|got Uniform"),
        (lambda: claim(inputs=None), "inputs=None; need a law of the inputs"),
        (lambda: claim(inputs=Uniform), "need a law of the inputs"),
        (lambda: claim(estimator=MaximumLikelihood), "is none; write for instance"),
        (lambda: claim(name=5), "claim 5: its name becomes part of file names"),
        (lambda: claim(checks=(replace(study_cases.D1, quantity=None),)), "need texts for quantity"),
        (lambda: claim(family="softmax"), "family='softmax'; need a Family"),
        (lambda: claim(moving=TRUTH), "need a function of the sample size"),
        (lambda: Simulation(title=5, paper="0000.00000", claims=(MLE,)), "title=5.*need texts"),
        (lambda: Simulation(title="Mine", paper="0000.00000", claims=MLE), "need a tuple of claims"),
        (lambda: Simulation(title="Mine", paper="0000.00000", claims=(one for one in (MLE,))), "need a tuple of claims"),
        (lambda: evaluate_claims(Store("none"), "quick", "tiny"), r"simulations='tiny'; need a list of names, such as \['ti"),
    ],
)
def test_a_slip_is_named_at_once(act, message):
    with pytest.raises((TypeError, ValueError, NotImplementedError), match=message):
        act()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"seed": -1}, "seed=-1; need a whole number"), ({"inputs": Uniform((0.0,) * 2, (1.0,) * 2)}, "inputs have dimension 2")],
)
def test_a_sweep_that_cannot_run_makes_no_store(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        sweep({"n": [100]}, store=tmp_path / "store", **options)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("moving", "message"),
    [
        ("lambda n: 1 / 0", r"claim 'mle': moving\(60\): ZeroDivisionError"),
        ("lambda n: TRUTH if n < 240 else None", r"moving\(240\) is None; need a model"),
    ],
)
def test_a_truth_that_moves_nowhere_is_found_when_the_file_is_read(tmp_path, moving, message):
    source = Path(study_cases.__file__).read_text()
    file = tmp_path / "moving.py"
    file.write_text(source.replace('    deviations="None.",', f'    deviations="None.",\n    moving={moving},'))
    with pytest.raises(SimulationError, match=message):
        load([file])


def test_what_is_no_slip_is_taken():
    assert CompetitionGate.kind(intercept=np.True_) == CompetitionGate.kind(intercept=True)
    assert CompetitionGate.kind(intercept=None) == CompetitionGate.kind()
    assert fibre(high=np.inf).predicted((100,)) == (0.0, np.inf)
    assert claim(sizes=dict.fromkeys(MLE.sizes, range(100, 500, 100))).data_id(100)
    assert Settings(replicates=10**7).replicates == 10**7


def test_gates_with_a_closed_form_have_it_and_others_say_so():
    named = [kind.__name__ for kind in AbstractGate.__subclasses__() if "maximiser" in vars(kind)]
    assert named == ["GaussianGate"]


def python(code, **environment):
    kept = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME", "MOETHEORY_CACHE")}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=kept | environment, timeout=120)


def test_the_cache_needs_no_home_where_it_is_named_and_empty_names_are_none(tmp_path):
    code = "from pathlib import Path; import moetheory._config as c; Path.home = None; print(c.cache_folder())"
    assert python(code, MOETHEORY_CACHE=str(tmp_path)).stdout.strip() == str(tmp_path)
    code = "import moetheory._config as c; print(c.cache_folder())"
    found = python(code, HOME=str(tmp_path), MOETHEORY_CACHE="", XDG_CACHE_HOME="")
    assert found.stdout.strip() == str(tmp_path / ".cache" / "moetheory")


@pytest.mark.parametrize("closed", ["", ">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_and_poor_encodings_stop_no_command(tmp_path, closed):
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    command = f"'{sys.executable}' -m moetheory list '{study_cases.__file__}' {closed}"
    found = subprocess.run(command, shell=True, capture_output=True, env=environment, cwd=tmp_path, timeout=120)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(b"study_cases: Tiny") == (">&-" not in closed.replace("2>&-", ""))
