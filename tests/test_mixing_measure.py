"""Laws of the mixing measure."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from moetheory.mixing_measure import MixingMeasure, matched_distance

SOFTMAX = ("log_mass", "beta_1")
coordinates = st.floats(-5, 5).map(lambda value: round(value, 3))


@st.composite
def measures(draw):
    k, d = draw(st.sampled_from([(1, 1), (2, 1), (3, 2)]))
    atoms = {name: draw(arrays(float, (k, size), elements=coordinates)) for name, size in (("beta_1", d), ("eta_0", 1))}
    atoms["nu"] = draw(arrays(float, (k, 1), elements=st.floats(0.01, 10)))
    return MixingMeasure(draw(arrays(float, k, elements=coordinates)), atoms, SOFTMAX)


def assert_same(left, right):
    np.testing.assert_allclose(left.log_mass, right.log_mass, rtol=0, atol=1e-12)
    assert list(left.atoms) == list(right.atoms)
    for name, block in left.atoms.items():
        np.testing.assert_allclose(block, right.atoms[name], rtol=0, atol=1e-12)


@given(measures(), st.randoms())
def test_canonical_forgets_order(measure, random):
    order = random.sample(range(measure.num_atoms), measure.num_atoms)
    assert_same(measure.permute(order).canonical(), measure.canonical())


@given(measures(), coordinates, coordinates)
def test_canonical_forgets_translation(measure, t1, t2):
    separated = {**measure.atoms, "eta_0": np.arange(measure.num_atoms)[:, None]}
    measure = MixingMeasure(measure.log_mass, separated, SOFTMAX)
    assert_same(measure.translate(t1, t2).canonical(), measure.canonical())


@given(measures())
def test_canonical_representative(measure):
    canonical = measure.canonical()
    assert canonical.mass.sum() == pytest.approx(1)
    np.testing.assert_allclose(canonical.atoms["beta_1"].mean(axis=0), 0, atol=1e-12)
    assert np.all(np.diff(canonical.atoms["eta_0"][:, 0]) >= 0)
    assert_same(canonical.canonical(), canonical)


@given(measures(), coordinates, coordinates)
def test_translation_moves_the_gate_only(measure, t1, t2):
    moved = measure.translate(t1, t2)
    np.testing.assert_allclose(moved.mass, np.exp(t1) * measure.mass)
    np.testing.assert_array_equal(moved.atoms["beta_1"], measure.atoms["beta_1"] + t2)
    np.testing.assert_array_equal(moved.atoms["eta_0"], measure.atoms["eta_0"])


@given(measures(), measures())
def test_measures_travel_to_other_processes(measure, shared):
    whole = MixingMeasure(measure.log_mass, measure.atoms, SOFTMAX, shared)
    for other in (pickle.loads(pickle.dumps(whole)), copy.deepcopy(whole)):
        assert_same(other, whole)
        assert_same(other.shared, shared)
        assert other.translations == whole.translations
        assert not other.log_mass.flags.writeable


def test_untranslated_masses_stay():
    measure = MixingMeasure([1.0, 2.0], {"eta_0": [[2.0], [1.0]]})
    np.testing.assert_array_equal(measure.canonical().log_mass, [2.0, 1.0])


def test_sorting_breaks_ties_by_the_gate():
    measure = MixingMeasure([0.0, 0.0], {"beta_1": [[2.0], [1.0]], "eta_0": [[3.0], [3.0]]}, ("beta_1",))
    np.testing.assert_array_equal(measure.canonical().atoms["beta_1"], [[-0.5], [0.5]])


def test_arrays_are_private_and_read_only():
    log_mass = np.zeros(1)
    measure = MixingMeasure(log_mass, {"eta_0": [[1.0]]})
    log_mass[0] = 5.0
    assert measure.log_mass[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        measure.atoms["eta_0"][0, 0] = 2.0
    with pytest.raises(TypeError):
        measure.atoms["nu"] = np.ones((1, 1))


@pytest.mark.parametrize(
    ("log_mass", "atoms", "translations", "message"),
    [
        ([], {}, (), "log_mass has shape"),
        ([[0.0]], {}, (), "log_mass has shape"),
        ([0.0], {"eta_0": [1.0]}, (), "'eta_0' has shape"),
        ([0.0], {"eta_0": [[1.0], [2.0]]}, (), "'eta_0' has shape"),
        ([np.nan], {}, (), "finite"),
        ([0.0], {"eta_0": [[np.inf]]}, (), "finite"),
        ([0.0], {"nu": [[0.0]]}, (), "positive"),
        ([0.0], {"eta_0": [[1.0]]}, ("beta_1",), "translations"),
        ([0.0], {"a": [[1.0]], "b": [[1.0]]}, ("a", "a"), "translations"),
    ],
)
def test_wrong_input(log_mass, atoms, translations, message):
    with pytest.raises(ValueError, match=message):
        MixingMeasure(log_mass, atoms, translations)


def test_undeclared_shifts_and_wrong_orders():
    measure = MixingMeasure([0.0, 1.0], {"eta_0": [[1.0], [2.0]]}, ("log_mass",))
    with pytest.raises(ValueError, match="translations"):
        measure.translate(0.0, 1.0)
    with pytest.raises(ValueError, match="translations"):
        MixingMeasure([0.0], {}).translate(1.0)
    with pytest.raises(ValueError, match="permutation"):
        measure.permute([0, 0])


@pytest.mark.parametrize("shift", [[1.0, 2.0], [[1.0], [5.0]]])
def test_a_shift_is_one_number_per_input(shift):
    measure = MixingMeasure([0.0, 1.0], {"beta_1": [[1.0], [2.0]]}, ("log_mass", "beta_1"))
    with pytest.raises(ValueError, match="one number per input, the same for all atoms"):
        measure.translate(0.0, shift)


def test_tables_of_atoms_are_matched_one_to_one_whatever_their_order():
    """A table that lists an atom twice is not that of three atoms, from either side."""
    a, b, c = np.eye(3)
    twice, three = np.array([a, a, b]), np.array([a, b, c])
    assert matched_distance(twice, three) == pytest.approx(np.sqrt(2)) == matched_distance(three, twice)
    assert matched_distance(three, three[[2, 0, 1]]) == 0.0


def test_several_blocks_are_shifted_one_after_another():
    """As those of a softmax gate with a quadratic score."""
    atoms = {"beta_1": [[1.0, 2.0], [3.0, 5.0]], "beta_2": [[1.0], [4.0]], "eta_0": [[0.0], [1.0]]}
    measure = MixingMeasure([0.0, 1.0], atoms, ("log_mass", "beta_1", "beta_2"))
    moved = measure.translate(0.5, [10.0, 20.0, 30.0])
    assert moved.atoms["beta_1"].tolist() == [[11.0, 22.0], [13.0, 25.0]]
    assert moved.atoms["beta_2"].tolist() == [[31.0], [34.0]]
    assert np.array_equal(moved.atoms["eta_0"], measure.atoms["eta_0"])
    for name, block in measure.canonical().atoms.items():
        np.testing.assert_allclose(moved.canonical().atoms[name], block, atol=1e-12)
    with pytest.raises(ValueError, match=r"t2 has shape \(2,\); need one of \[\(\), \(3,\)\]"):
        measure.translate(0.0, [1.0, 2.0])
