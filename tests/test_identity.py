"""Names of cells and fits are hashes of the mathematics, and every replicate owns its random streams."""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass, replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from study_cases import BOX, EM, MLE, TRUTH

from moetheory import Grid, LinearExpert, MaximumLikelihood, MixtureOfExperts, NearTruth, RandomStarts, SoftmaxGate, Uniform
from moetheory.sampling import draw
from moetheory.study.block import Cell
from moetheory.study.identity import Stream, content_id, generator

CELL = "0123456789abcdef"
numbers = st.floats(allow_nan=False, allow_infinity=False)


@dataclass(frozen=True)
class Part:
    number: float
    count: int
    label: str
    points: object
    parts: tuple


parts = st.builds(
    Part,
    number=numbers,
    count=st.integers(-(2**70), 2**70),
    label=st.text(max_size=5),
    points=st.lists(numbers, min_size=1, max_size=3).map(np.array),
    parts=st.lists(st.booleans() | st.none() | numbers, max_size=3).map(tuple),
)


# -- fixed names: stored rows and their random numbers must outlive every refactoring ------------------------


def test_names_of_cells_and_fits_never_change():
    assert content_id(1, 0.1, "a", True, None, (1, 2.0)) == "10ebd9f1393ed59f"
    assert MLE.data_id(60) == "a0c9a49a74f97288"
    assert MLE.fit_id() == "3f3590294f805ff0"
    assert EM.fit_id() == "8a8ce7bfbc20ac6c"


@pytest.mark.parametrize(
    ("seed", "replicate", "stream", "value"),
    [
        (0, 0, Stream.DATA, 0.7734927992710161),
        (0, 0, Stream.START, 0.3385144584548013),
        (7, 123, Stream.DATA, 0.4210660408513258),
    ],
)
def test_random_streams_never_change(seed, replicate, stream, value):
    assert generator(seed, CELL, replicate, stream).random() == value


def test_samples_never_change():
    sample = draw(TRUTH, MLE.inputs, 3, generator(0, CELL, 0, Stream.DATA))
    np.testing.assert_allclose(sample.y, [-0.7172168266356429, 0.2670163746956856, 1.0283961113207014], rtol=1e-12)


# -- laws -----------------------------------------------------------------------------------------------------


@given(parts)
def test_equal_values_have_equal_names_whatever_their_type(part):
    same = Part(np.float64(part.number), part.count, str(part.label), part.points.copy(), list(part.parts))
    assert content_id(part) == content_id(same)


@given(parts, parts, st.sampled_from(["number", "count", "label", "points", "parts"]))
def test_any_changed_field_changes_the_name(part, other, field):
    old, new = getattr(part, field), getattr(other, field)
    assume(not (np.array_equal(old, new) if field == "points" else old == new))
    assert content_id(replace(part, **{field: new})) != content_id(part)


@given(numbers)
def test_the_next_float_has_another_name(number):
    assert content_id(number) != content_id(np.nextafter(number, np.inf))
    assert content_id(np.array([number])) != content_id(np.array([np.nextafter(number, np.inf)]))


def test_shape_and_order_are_part_of_the_name():
    flat = np.arange(6.0)
    shapes = [flat, flat.reshape(2, 3), flat.reshape(3, 2), flat.reshape(3, 2).T, flat[::-1]]
    assert len({content_id(array) for array in shapes}) == len(shapes)
    assert len({content_id("ab"), content_id("a", "b"), content_id(("a", "b")), content_id("b", "a")}) == 4


def test_minus_zero_is_zero():
    assert content_id(-0.0) == content_id(0.0)
    assert content_id(np.array([-0.0])) == content_id(np.array([0.0]))


def test_classes_are_named_not_located():
    """Rows stay valid when a file moves; so two classes of one name and equal fields are the same mathematics."""
    one, same, other = (make_dataclass(name, ["radius"])(0.5) for name in ("Start", "Start", "Begin"))
    assert content_id(one) == content_id(same) != content_id(other)
    assert content_id(Uniform((0.0,), (1.0,))) != content_id(Grid((0.0,), (1.0,)))


@pytest.mark.parametrize("value", [{"a": 1}, {1}, b"a", 1j, object(), len, Part])
def test_values_without_a_name_are_refused(value):
    with pytest.raises(TypeError, match="has no content id; use dataclasses"):
        content_id((value,))


# -- cells ----------------------------------------------------------------------------------------------------

ESTIMATORS = (MLE.estimator, EM.estimator, MaximumLikelihood((RandomStarts(3),), BOX), MaximumLikelihood((NearTruth(0.1),), BOX))


def cell(size=100, num_experts=2, estimator=MLE.estimator, truth=TRUTH, inputs=MLE.inputs, seed=0):
    return Cell(truth, inputs, size, num_experts, estimator, seed)


def test_the_name_of_the_data_knows_nothing_of_the_fit():
    cells = [cell(num_experts=k, estimator=estimator) for k in (2, 3) for estimator in ESTIMATORS]
    assert len({one.data_id for one in cells}) == 1
    assert len({one.fit_id for one in cells}) == len(cells)


def test_the_name_of_the_data_holds_truth_inputs_and_size():
    quieter = MixtureOfExperts(TRUTH.gate, TRUTH.expert, [0.1, 0.19])
    steeper = MixtureOfExperts(SoftmaxGate([-2.0, 0.0], [[4.5], [0.0]]), TRUTH.expert, TRUTH.variance)
    moved = MixtureOfExperts(TRUTH.gate, LinearExpert([[-3.0], [3.0]], [2.0, 0.1]), TRUTH.variance)
    cells = [cell(), cell(size=101), cell(inputs=Uniform((0.0,), (2.0,)))]
    cells += [cell(truth=truth) for truth in (quieter, steeper, moved)]
    assert len({one.data_id for one in cells}) == len(cells)
    assert len({one.fit_id for one in cells}) == 1


def test_a_claim_and_its_cell_agree_on_the_names():
    assert MLE.data_id(100) == cell().data_id
    assert MLE.fit_id() == cell().fit_id


# -- streams --------------------------------------------------------------------------------------------------

streams = st.tuples(st.integers(0, 2**63 - 1), st.text("0123456789abcdef", min_size=16, max_size=16), st.integers(0, 10**6))


@given(streams, streams)
def test_streams_differ_in_every_word(one, other):
    names = {(*words, stream) for words in (one, other) for stream in Stream}
    for position in range(3):
        changed = [*one]
        changed[position] = other[position]
        names.add((*changed, Stream.DATA))
    assert len({generator(*name).bytes(16) for name in names}) == len(names)


@pytest.mark.parametrize(("seed", "replicate"), [(-1, 0), (0, -1)])
def test_negative_seeds_and_replicates_are_refused(seed, replicate):
    with pytest.raises(ValueError, match="non-negative"):
        generator(seed, CELL, replicate, Stream.DATA)
