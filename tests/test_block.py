"""Rows of one block: whose random numbers they use, what their columns hold, and what is measured where there is no model."""

from dataclasses import replace

import numpy as np

from moetheory import LinearExpert, MaximumLikelihood, MixtureOfExperts, NearTruth, ParameterBox, SoftmaxGate, Status, Uniform
from moetheory.estimators import lanes
from moetheory.estimators.fit import Certificate, Fit
from moetheory.study import block
from moetheory.study.block import Block, Cell, capacity, fit_columns, run_block
from moetheory.study.identity import Stream, generator

TRUTH = MixtureOfExperts(SoftmaxGate([0.7, 0.0], [[3.0], [0.0]]), LinearExpert([[-2.0], [2.0]], [1.0, -1.0]), [0.25, 0.5])
NEAR = MaximumLikelihood((NearTruth(0.1),))
CELL = Cell(TRUTH, Uniform((-1.0,), (1.0,)), 60, 2, NEAR, seed=3)


def test_every_replicate_has_a_stream_of_its_own_for_starts(monkeypatch):
    seen = []
    monkeypatch.setattr(MaximumLikelihood, "fit_batch", lambda self, *given: seen.extend(given[2]) or [])
    block.fits_of(CELL, [None, None], (4, 7), [0.0, 0.0])
    first = [one.random() for one in seen]
    assert first == [generator(3, CELL.data_id, replicate, Stream.START).random() for replicate in (4, 7)]
    assert first[0] != generator(3, CELL.data_id, 4, Stream.DATA).random()


def test_columns_of_a_fit_hold_what_they_say():
    certificate = Certificate(
        gradient_norm=1e-11,
        smallest_eigenvalue=0.2,
        active_bounds=("a", "b"),
        starts=9,
        starts_agreeing=4,
        restart_spread=1e-6,
        smallest_share=0.3,
    )
    row = fit_columns(CELL, -80.0, Fit(TRUTH, -77.0, Status.AT_BOUND, certificate, 6, 2, np.array([1.0, 2.0])))
    del row["cell_pattern"]
    assert row == {
        "status": "at_bound",
        "log_likelihood": -77.0,
        "log_likelihood_truth": -80.0,
        "gradient_norm": 1e-11,
        "smallest_eigenvalue": 0.2,
        "steps": 6,
        "best_start": 2,
        "starts_agreeing": 4,
        "restart_spread": 1e-6,
        "smallest_share": 0.3,
        "active_bounds": "a; b",
        "parameters": [1.0, 2.0],
    }


def test_nothing_is_measured_where_a_stored_fit_has_no_model():
    stored = (tuple([np.nan] * CELL.layout.size), tuple(CELL.layout.pack(TRUTH)))
    rows = run_block(Block(CELL, (0, 1), ("e2.eta_0.single",), stored)).measures
    values = [row["value"] for row in rows]
    assert np.isnan(values[0]) and values[1] == 0.0


def test_a_block_fits_into_one_buffer_and_is_never_empty():
    small, huge = (Cell(TRUTH, CELL.inputs, size, 2, CELL.estimator, seed=0) for size in (200, 10**8))
    assert capacity(huge) == 1
    assert 1 <= capacity(small) <= lanes.together(200)


def test_equal_settings_have_equal_names():
    """Written as whole numbers or not."""
    near = replace(NEAR, box=ParameterBox(8, 20, (0.01, 100)))
    whole = Cell(TRUTH, Uniform((-1,), (1,)), 60, 2, near, seed=3)
    assert (whole.data_id, whole.fit_id) == (CELL.data_id, CELL.fit_id)
