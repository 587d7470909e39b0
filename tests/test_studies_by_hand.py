"""Studies and their quantities worked by hand; each test caught a broken version that others had passed."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from rows_by_hand import SIZES, Case, claim
from study_cases import MLE, TRUTH

from moetheory import (
    FeedForwardExpert,
    LinearExpert,
    LinearGateMap,
    MixtureOfExperts,
    ParameterBox,
    SharedExperts,
    SigmoidGate,
    SoftmaxGate,
    Uniform,
)
from moetheory.estimators.layout import layout_of
from moetheory.inputs import GaussianMixtureInputs
from moetheory.study import Levels, Settings, Simulation, block, quantities
from moetheory.study.nesting import holds
from moetheory.study.replay import _agree, cell_of
from moetheory.study.run import wanted_cells
from moetheory.study.ties import below

NORMAL = GaussianMixtureInputs((1.0,), ((0.0,),), ((1.0,),))


def moving(size):
    return replace(MLE.truth, variance=np.array([0.1, 0.2]) * (1 + 1 / size))


def line(slope):
    return MixtureOfExperts(SoftmaxGate([0.0], [[0.0]]), LinearExpert([[slope]], [0.0]), [1.0])


# Whether a model contains its truth


def test_a_known_set_of_gates_need_not_hold_the_truth():
    inside = replace(TRUTH.family, constraint=LinearGateMap.random(2, 1, 2, 0))
    assert not holds(inside, 2, ParameterBox(), TRUTH)
    assert holds(TRUTH.family, 2, ParameterBox(), TRUTH)


def test_fewer_shared_experts_do_not_hold_the_truth():
    shared = SharedExperts(LinearExpert([[1.0], [2.0]], [0.0, 1.0]), [0.2, 0.4], [0.3, 0.7])
    truth = replace(TRUTH, shared=shared)
    assert holds(truth.family, 2, ParameterBox(), truth)
    assert not holds(replace(truth.family, num_shared=1), 2, ParameterBox(), truth)


def test_nothing_is_said_of_moving_truths():
    assert MLE.holds_truth()
    assert not replace(MLE, moving=moving).holds_truth()


def test_what_counts_as_below():
    assert below(-1000.0, -1000.0 + 2e-6)
    assert not below(-1000.0, -1000.0 + 5e-7)


def test_a_second_fit_that_is_worse_does_not_count(monkeypatch):
    ends = iter([[SimpleNamespace(log_likelihood=-10.0)], [SimpleNamespace(log_likelihood=-12.0)]])
    monkeypatch.setattr(block, "_fits_by", lambda *arguments: next(ends))
    cell = SimpleNamespace(estimator=SimpleNamespace(on_all_rows=lambda size: True), size=9, holds_truth=True, is_exact=True)
    assert block.fits_of(cell, [None], [0], [-5.0])[0].log_likelihood == -10.0


# What is computed, and compared


def test_claims_that_share_fits_have_the_replicates_of_the_larger_one():
    larger = replace(MLE, name="larger", replicates=dict.fromkeys(MLE.replicates, 5))
    for claims in ((larger, MLE), (MLE, larger)):
        wanted = wanted_cells([Simulation("title", "0000.00000", claims, name="both")], Settings("quick"))
        assert [cell.replicates for cell in wanted] == [5, 5]


def test_the_sample_of_a_moving_truth_is_replayed_at_its_size():
    one = replace(MLE, moving=moving)
    _, cell, _ = cell_of([Simulation("title", "0000.00000", (one,), name="tiny")], "tiny/mle/60/0", 0)
    assert cell.data_id == one.data_id(60) != one.data_id(120)


def test_missing_values_agree_with_missing_values_alone():
    assert _agree(np.nan, np.nan)
    assert not _agree(np.nan, 1.0)


def test_quantities_are_measured_in_the_box_of_the_estimator(monkeypatch):
    boxes = []
    monkeypatch.setattr(block.quantities, "measure", lambda *arguments: boxes.append(arguments[5]) or {})
    cell = block.Cell(MLE.truth, MLE.inputs, 60, 2, MLE.estimator, 0)
    block._measure_rows(block.Block(cell, (0,), ("softmax_d1",)), [MLE.truth], [None])
    assert boxes == [MLE.estimator.box]


def test_one_coordinate_with_few_values_leaves_all_levels_open(tmp_path):
    case = Case(tmp_path / "store", claim(Levels("efficiency", "efficiency", low=0.5, high=1.5)))
    generator = np.random.default_rng(0)
    for size in SIZES:
        case.fits(size, 40)
    for number, name in enumerate(layout_of(TRUTH).names()):
        case.measures(f"efficiency.{name}", {size: generator.normal(1, 0.1, 40 if number else 3) for size in SIZES})
    judgement = case.check().judgement
    assert judgement.verdict == "underpowered"
    assert "Only 9 of 120 values are stored" in judgement.reason


# Quantities


@pytest.mark.parametrize("quantity", ["l2", "function.single"])
def test_distances_are_those_of_the_law_of_the_inputs(quantity):
    """Lines of slope 1 and 1.5 at a standard normal input are 0.5 apart."""
    assert quantities.measure(line(1.0), NORMAL, 1, line(1.5), [quantity])[quantity] == pytest.approx(0.5, abs=1e-3)


def test_the_sign_of_an_odd_expert_costs_no_efficiency():
    def model(sign):
        expert = FeedForwardExpert([[1.5 * sign], [-1.0]], scale=[1.2 * sign, 1.6], activation="tanh")
        return MixtureOfExperts(SoftmaxGate([0.2, 0.0], [[1.0], [0.0]]), expert, [0.1, 0.1])

    found = quantities.efficiency(model(1.0), Uniform((-1.5,), (1.5,)), 100, model(-1.0))
    assert max(found.values()) < 1e-9


def test_a_bound_is_that_of_its_inputs():
    """Twice as wide inputs have four times the information of a slope."""
    narrow, wide = (
        quantities.efficiency(line(1.0), Uniform((-end,), (end,)), 10, line(1.1))["efficiency.eta_1[1]"] for end in (1.0, 2.0)
    )
    assert wide / narrow == pytest.approx(4, rel=1e-6)


def test_a_projection_is_that_of_its_box(monkeypatch):
    truth = MixtureOfExperts(
        SigmoidGate([0.5, -0.5], [[1.5], [-1.0]]), LinearExpert([[8.0], [-6.0]], [2.0, 1.0]), [0.4, 0.4]
    )
    boxes = []

    def project(truth, num_experts, inputs, box, starts):
        boxes.append(box)
        return SimpleNamespace(model=truth, status="converged")

    monkeypatch.setattr(quantities, "project", project)
    monkeypatch.setattr(quantities, "_projections", {})
    wanted = [ParameterBox(gate=8.0), ParameterBox(gate=12.0)]
    for box in (*wanted, *wanted):
        quantities.projected(truth, Uniform((-1.0,), (1.0,)), 3, box)
    assert boxes == wanted
