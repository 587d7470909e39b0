"""Simulation files are found by path, and every mistake in one is explained with its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
import study_cases

from moetheory.study.discovery import SimulationError, load
from moetheory.study.simulation_modules import _code

SOURCE = Path(study_cases.__file__).read_text()


def write(folder, text, name="mine.py"):
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


def changed(old, new):
    assert SOURCE.count(old) == 1
    return SOURCE.replace(old, new)


# -- paths ------------------------------------------------------------------------------------------------------


def test_files_and_folders_load_by_name_once(tmp_path):
    for name in ("b.py", "a-2.py", "_helper.py"):
        write(tmp_path, SOURCE, name)
    loaded = load([tmp_path / "b.py", tmp_path, tmp_path / "." / "b.py"])
    assert [simulation.name for simulation in loaded] == ["a-2", "b"]
    assert [claim.name for claim in loaded[0].claims] == ["mle", "em"]


def test_the_names_of_rows_do_not_depend_on_the_file(tmp_path):
    one, two = load([write(tmp_path, SOURCE, "one.py"), write(tmp_path / "far", SOURCE, "two.py")])
    for claim, same in zip(one.claims, two.claims, strict=True):
        assert (claim.data_id(60), claim.fit_id()) == (same.data_id(60), same.fit_id())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.py", r"no such file or folder: .*missing\.py; name a simulation file or a folder"),
        ("empty", r"folder .*empty holds no simulation files \(\*\.py\)"),
        ("notes.txt", r"notes\.txt is not a Python file"),
        ("my file.py", r"my file\.py: the file name is the simulation's identifier; use at most 60 letters"),
        ("x" * 61 + ".py", "use at most 60 letters"),
    ],
)
def test_paths_that_cannot_be_used(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    for file in ("notes.txt", "my file.py", "x" * 61 + ".py"):
        write(tmp_path, SOURCE, file)
    with pytest.raises(SimulationError, match=message):
        load([tmp_path / name])


def test_two_files_of_one_name_are_refused(tmp_path):
    files = [write(tmp_path / folder, SOURCE, "same.py") for folder in ("one", "two")]
    with pytest.raises(SimulationError, match=r"several files are called \['same'\].*rename one"):
        load(files)


# -- files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ndef (:\n", r"mine\.py, line 2: SyntaxError: .*; mend the file and run again\."),
        ("x = 'a\0b'\n", r"mine\.py.*: SyntaxError: .*null bytes"),
        ("import no_such_module_at_all\n", r"line 1: ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("\n\n1 / 0\n", r"mine\.py, line 3: ZeroDivisionError"),
        ("def f():\n    return [][1]\n\nf()\n", r"mine\.py, line 2: IndexError"),
        ("import json\njson.loads('{')\n", r"mine\.py, line 2: JSONDecodeError"),
        ("import sys\n\nsys.exit(0)\n", r"mine\.py, line 3: SystemExit"),
        ("", r"mine\.py defines no SIMULATION; end it with SIMULATION = Simulation\(\.\.\.\)"),
        ("SIMULATION = [1]\n", "defines no SIMULATION"),
    ],
)
def test_files_with_an_error_are_named_with_the_line(tmp_path, text, message):
    with pytest.raises(SimulationError, match=message):
        load([write(tmp_path, text)])


def test_a_file_that_is_no_text_is_explained(tmp_path):
    file = tmp_path / "mine.py"
    file.write_bytes(b"x = '\xff\xfe'\n")
    with pytest.raises(SimulationError, match=r"mine\.py.*SyntaxError"):
        load([file])


# -- claims -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('Rate("softmax_d1", "V', 'Rate("softmax_d9", "V', r"claim 'mle': unknown quantity 'softmax_d9'; known are \['comp"),
        ('Rate("softmax_d1", "V', 'Rate("e2.eta0.split", "V', "'e2.eta0.split': .* has no eta0; it has beta_1, eta_1, eta_0, nu"),
        ('Rate("softmax_d1", "V', 'Rate("efficiency.nu", "V', "'efficiency.nu': .* has no nu; it has beta_0.1., "),
        ('Rate("softmax_d1", "V', 'Rate("e2.eta_0.atom3", "V', "'e2.eta_0.atom3': the truth has 2 routed atoms; count from 1"),
        ('Rate("softmax_d1", "V', 'Rate("mass.split3", "V', "'mass.split3': the truth has 2 routed atoms"),
        ('Rate("softmax_d1", "V', 'Rate("e2.nu.size3", "V', "'e2.nu.size3': no cell can hold 3 of 2 fitted atoms"),
        ('name="em"', 'name="mle"', r"has claims \['mle', 'mle'\]; need at least one and no name twice"),
        ("claims=(MLE, EM)", "claims=()", "need at least one"),
        ("claims=(MLE, EM)", "claims=(EM,)", r"compares with \['mle'\]; its claims are \['em'\]"),
        ('name="em"', 'name="e/m"', "claim 'e/m': its name becomes part of file names"),
        ('name="em"', 'name="e-m"', "claim 'e-m': its name becomes part of file names"),
        ('variant="ours"', 'variant="mine"', "variant='mine'; need 'printed' or 'ours'"),
        ("checks=(D1, Gap", "checks=(D1, D1, Gap", "every quantity may occur once"),
        (
            '{"quick": (60, 120), "standard": (60, 120, 240), "paper"',
            '{"paper"',
            r"sizes lacks the presets \['quick', 'standard'\]",
        ),
        ('"quick": (60, 120)', '"quick": (60.0, 120.0)', r"sizes of preset 'quick' are \(60.0, 120.0\); need different integers"),
        ('"quick": (60, 120)', '"quick": (1, 120)', "need different integers of at least 2"),
        ('"quick": (60, 120)', '"quick": (60, 60)', "need different integers"),
        ('"quick": (60, 120)', '"quick": ()', "need different integers"),
        ('"quick": 3', '"quick": 0', "replicates of preset 'quick' are 0; need an integer from 1 to"),
        ("num_experts=2", "num_experts=1", "num_experts=1; need an integer of at least 2, the number of true atoms"),
        ("num_experts=2", "num_experts=2.5", "num_experts=2.5; need an integer"),
        ("estimator=MaximumLikelihood(starts=(NearTruth(0.05),), box=BOX)", "estimator='mle'", "estimator='mle' is none"),
        ("low=(0.0,), high=(1.0,)", "low=(0.0, 0.0), high=(1.0, 1.0)", "inputs have dimension 2, the truth 1"),
        ('D1", exponents=(0.5, 0.5)', 'D1", exponents=(-0.5, -0.5)', "need 0 <= smallest <= largest: 0.5 stands for"),
        ('D1", exponents=(0.5, 0.5), rivals=(0.25,)', 'D1", exponents=(0.5, 0.5), rivals=()', "name a rival exponent"),
        ('D1", exponents=(0.5, 0.5), rivals=(0.25,)', 'D1", exponents=(0.2, 0.2), rivals=(0.5,)', "no upper bound: name slower"),
        ('D1", exponents=(0.5, 0.5)', 'D1", lower_bound=True, exponents=(0.5, 0.5)', "an upper and a lower bound"),
        (
            'D1", exponents=(0.5, 0.5)',
            'D1", location="mode", exponents=(0.5, 0.5)',
            "location='mode'; choose one of mean, median",
        ),
        ("variance=[0.1, 0.2]", "variance=[0.1, -0.2]", "need k positive finite variances"),
    ],
)
def test_claims_that_cannot_be_run_are_refused_before_anything_is_computed(tmp_path, old, new, message):
    with pytest.raises(SimulationError, match=rf"mine\.py.*{message}"):
        load([write(tmp_path, changed(old, new))])


def test_levels_must_be_finite():
    from moetheory.study import Level

    with pytest.raises(ValueError, match="need finite low <= high"):
        Level("efficiency.nu[1]", "efficiency", low=0.0, high=float("inf"))


OWN = """
SCALE = 2.0


def far():
    # where inputs end
    return SCALE


class Wide(Uniform):
    def inputs(self, size, generator):
        return far() * super().inputs(size, generator)


UNRELATED = 3
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("SCALE = 2.0", "SCALE = 3.0", False),
        ("# where inputs end", "# elsewhere", True),
        ("UNRELATED = 3", "UNRELATED = 4", True),
        ("    # where inputs end\n", "    if SCALE > 9:\n        return 0.0\n", False),
    ],
)
def test_own_classes_count_with_the_code_that_they_use(tmp_path, old, new, same):
    """Fits of a class that was changed are not those of the new one."""
    law = changed("inputs=Uniform(", "inputs=Wide(")
    texts = [law.replace("\nMLE = ", OWN + "\nMLE = ", 1), law.replace("\nMLE = ", OWN.replace(old, new) + "\nMLE = ", 1)]
    names = [load([write(tmp_path, text, "own.py")])[0].claims[0].data_id(60) for text in texts]
    assert (names[0] == names[1]) is same


GUARDED = """
if True:

    class Wide(Uniform):
        def inputs(self, size, generator):
            return 2.0 * super().inputs(size, generator)
"""


def test_a_class_inside_a_statement_counts_with_its_code_too(tmp_path):
    law = changed("inputs=Uniform(", "inputs=Wide(")
    texts = [law.replace("\nMLE = ", own + "\nMLE = ", 1) for own in (GUARDED, GUARDED.replace("2.0", "3.0"))]
    first, second = (load([write(tmp_path, text, "own.py")])[0].claims[0].data_id(60) for text in texts)
    assert first != second


def test_code_has_one_name_in_every_version_of_python():
    """The same on 3.11.7, 3.12.1 and 3.13.0, whose ways of writing a syntax tree differ."""
    source = '''
def helper(x: float, *rest, sharp=True, **more):
    return None if sharp else [x**2 for _ in range(3) if x > -1e-300][0]


try:

    class Own:
        name = f"{helper(1):.3f}"
        value = lambda a, /, b=b"x", *, c: (a, b, c, ..., 1j)
except ImportError:
    pass
'''
    assert _code(source, "Own") == "43f6c97bb12fbae0"


def test_other_programs_in_a_folder_are_refused_before_any_file_runs(tmp_path):
    (tmp_path / "a.py").write_text("SIMULATION = open('ran', 'w')\n")
    (tmp_path / "b.py").write_text("print('a program of its own')\n")
    with pytest.raises(SimulationError, match=r"b\.py defines no SIMULATION.*nothing of this folder was run"):
        load([tmp_path])
    assert not (tmp_path / "ran").exists()
