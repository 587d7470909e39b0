"""The command line teaches by example, explains every mistake, and never touches stored rows in doing so."""

from __future__ import annotations

import errno
import os
import re
import shutil
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
import study_cases

from moetheory import cli
from moetheory.study import Store

ROOT = Path(__file__).parents[1]
SOURCE = Path(study_cases.__file__).read_text()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder with one simulation, as the present one."""
    monkeypatch.chdir(tmp_path)
    Path("simulations").mkdir()
    shutil.copy(study_cases.__file__, "simulations/tiny.py")
    return tmp_path


@pytest.fixture
def call(here, capsys):
    """Call the command line; returns exit code, output and errors."""

    def call(*arguments):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as exit:
            code = exit.code
        return code, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Results of the quick preset, and what the run printed."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copy(study_cases.__file__, folder / "tiny.py")
    with chdir(folder), redirect_stdout(StringIO()) as output:
        assert cli.main(["run", "tiny.py", "--jobs", "1"]) == 0
    return folder / "results", output.getvalue()


@pytest.fixture
def stored(here, finished):
    """The quick preset, run and stored; the output of that run."""
    results, output = finished
    shutil.copytree(results, "results")
    return output


def everything(folder="results/store"):
    return {path: path.read_bytes() for path in Path(folder).rglob("*.parquet")}


# -- what it says -------------------------------------------------------------------------------------------------


def test_list_names_claims_sources_and_checks(call):
    code, output, _ = call("list")
    assert code == 0
    assert "tiny: Tiny (arXiv 0000.00000)" in output
    assert "mle [derived, ours] Certified MLE" in output
    assert "source: arXiv 0000.00000, Theorem 1" in output
    assert "checks: softmax_d1, log_likelihood" in output


def test_status_counts_what_is_stored(call):
    assert call("status")[1] == "tiny: 0 of 12 fits stored; 4 blocks to compute\n"
    assert not Path("results").exists()
    call("run", "--jobs", 1, "--reps", 2, "--sizes", 60)
    assert call("status")[1] == "tiny: 4 of 12 fits stored; 4 blocks to compute\n"
    assert call("status", "--reps", 2, "--sizes", 60)[1] == "tiny: 4 of 4 fits stored; 0 blocks to compute\n"
    assert call("status", "--seed", 1)[1] == "tiny: 0 of 12 fits stored; 4 blocks to compute\n"


def test_run_ends_with_verdicts_figures_and_report(stored):
    assert re.search(r"tiny\s+mle\s+Voronoi loss D1.*(consistent|underpowered)", stored)
    report = Path(re.search(r"report:\s+(\S+\.md)", stored)[1])
    assert report == Path("results/quick/report.md")
    assert "D1 falls like n^(-1/2)." in report.read_text()
    assert {path.suffix for path in Path("results/quick/tiny").iterdir()} == {".png", ".svg", ".csv", ".json"}


def test_a_second_run_computes_nothing_and_says_the_same(call, stored):
    before = everything()
    code, output, errors = call("run", "--jobs", 1)
    assert (code, output) == (0, stored)
    assert "nothing to compute: all rows are stored." in errors
    assert everything() == before


def test_report_and_figure_are_made_from_stored_rows(call, stored):
    shutil.rmtree("simulations")
    code, output, _ = call("report", "--out", "again")
    assert code == 0
    assert output.replace("again", "results/quick") == stored
    assert Path("again/report.md").read_bytes() == Path("results/quick/report.md").read_bytes()
    code, output, _ = call("figure", "tiny", "--out", "drawn")
    assert (code, Path("drawn/report.md").exists()) == (0, False)
    figures = {path.name: path.read_bytes() for path in Path("results/quick/tiny").iterdir()}
    assert {path.name: path.read_bytes() for path in Path("drawn/tiny").iterdir()} == figures


def test_claims_are_written_on_one_page_with_links(call, stored):
    code, output, _ = call("claims", "results/quick", "--page", "notes/claims.md")
    assert (code, output) == (0, "claims: notes/claims.md (2 claims)\n")
    page = Path("notes/claims.md").read_text()
    assert "arXiv 0000.00000, Theorem 1 (derived)" in page
    links = re.findall(r"\[picture\]\((.+?)\)", page)
    assert links
    assert all((Path("notes") / link).is_file() for link in links)
    code, _, errors = call("claims", "notes")
    assert (code, "notes holds no records" in errors) == (2, True)


def test_an_overridden_run_leaves_the_preset_alone_and_is_reported_again(call, stored):
    before = Path("results/quick/report.md").read_bytes()
    overrides = ("--sizes", "60,120", "--reps", 2)
    code, output, _ = call("run", "--jobs", 1, *overrides)
    assert code == 0
    assert "results/quick_n60_120_r2/report.md" in output
    assert Path("results/quick/report.md").read_bytes() == before
    assert call("report")[1] == stored
    assert call("report", *overrides)[1] == output
    assert call("figure", *overrides, "--out", "drawn")[0] == 0
    assert {path.name for path in Path("drawn/tiny").iterdir()} == {path.name for path in Path("results/quick/tiny").iterdir()}


def test_running_one_simulation_keeps_the_others_in_the_report(call, stored):
    Path("simulations/second.py").write_text(SOURCE.replace('name="tiny"', 'name="second"'))
    code, output, _ = call("run", "simulations/second.py", "--jobs", 1)
    assert code == 0
    assert re.search(r"^second\s+mle", output, re.MULTILINE)
    assert not re.search(r"^tiny\s", output, re.MULTILINE)
    report = Path("results/quick/report.md").read_text()
    assert "second-mle" in report
    assert "tiny-mle" in report
    assert call("run", "simulations/second.py", "--jobs", 1, "--out", "own")[0] == 0
    assert "tiny-mle" not in Path("own/report.md").read_text()
    assert {folder.name for folder in Path("own").iterdir() if folder.is_dir()} == {"second"}
    assert call("report", "tiny", "--out", "only")[0] == 0
    assert "second-mle" not in Path("only/report.md").read_text()


# -- words that mean nothing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["walk"], "invalid choice: 'walk'"),
        (["run", "--preset", "huge"], "invalid choice: 'huge'"),
        (["run", "--sizes", "100,many"], "'many' is not an integer from 2"),
        (["run", "--sizes", "1,100"], "'1' is not an integer from 2"),
        (["run", "--sizes", "1e3"], "'1e3' is not an integer from 2"),
        (["run", "--sizes", "100,"], "'' is not an integer from 2"),
        (["run", "--sizes", "100,100"], "'100,100' names a sample size twice"),
        (["run", "--sizes", "-5"], "'-5' is not an integer from 2"),
        (["run", "--reps", "0"], "'0' is not an integer from 1"),
        (["run", "--reps", "10000001"], "'10000001' is not an integer from 1 to 10,000,000"),
        (["run", "--out", ""], "an empty name is no folder"),
        (["run", "--reps", "2.5"], "'2.5' is not an integer from 1"),
        (["run", "--seed", "-1"], "'-1' is not an integer from 0"),
        (["run", "--seed", str(2**63)], f"'{2**63}' is not an integer from 0 to 2^63 - 1"),
        (["run", "--jobs", "0"], "'0' is not an integer from 1"),
        (["run", "--jobs", "two"], "'two' is not an integer from 1"),
        (["replay"], "required: name"),
        (["replay", "a/b/1/2", "--seed", "x"], "'x' is not an integer from 0"),
        (["report", "--preset", "huge"], "invalid choice: 'huge'"),
        (["run", "nowhere"], "no such file or folder: nowhere"),
        (["list", "nowhere.py"], "no such file or folder: nowhere.py"),
        (["status", "nowhere"], "no such file or folder: nowhere"),
        (["replay", "tiny/mle/60/0", "--simulations", "nowhere"], "no such file or folder: nowhere"),
        (["replay", "nonsense"], "'nonsense' names no replicate; write simulation/claim/n/replicate, such as"),
        (["replay", "tiny/mle/60/0/0"], "names no replicate"),
        (["replay", "tiny/mle/sixty/0"], "names no replicate"),
        (["replay", "tiny/none/60/0"], "no claim tiny/none; it has mle, em"),
        (["replay", "none/mle/60/0"], "no claim none/mle; simulations are tiny."),
        (["replay", "tiny/mle/0/0"], "n=0, replicate=0; need n >= 1 and replicate >= 0"),
        (["replay", "tiny/mle/60/-1"], "replicate=-1; need"),
    ],
)
def test_words_that_mean_nothing_are_explained(call, arguments, message):
    code, output, errors = call(*arguments)
    assert (code, output) == (2, "")
    assert message in errors
    assert not Path("results").exists()


def test_the_largest_seed_is_stored(call):
    assert call("run", "--jobs", 1, "--reps", 1, "--seed", 2**63 - 1)[0] == 0
    assert set(Store("results/store").read("fits")["seed"]) == {2**63 - 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def (:\nSIMULATION = 1\n", "line 1: SyntaxError"),
        ("x = 1\n", "defines no SIMULATION"),
        (SOURCE.replace("softmax_d1", "softmax_d9"), "unknown quantity 'softmax_d9'"),
        (SOURCE.replace('name="em"', 'name="mle"'), "no name twice"),
        (SOURCE.replace('name="em"', 'name="e/m"'), "its name becomes part of file names"),
    ],
)
def test_a_simulation_file_with_an_error_leaves_the_store_alone(call, stored, text, message):
    before = everything()
    Path("simulations/broken.py").write_text(text)
    for command in ("run", "list", "status"):
        code, output, errors = call(command)
        assert (code, output) == (2, "")
        assert "broken.py" in errors
        assert message in errors
    assert everything() == before


# -- stores and disks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["report", "figure"])
def test_there_must_be_something_to_report(call, command):
    code, _, errors = call(command)
    assert code == 1
    assert "results/store holds no claims of setting 'quick' (it holds []); run them first" in errors


def test_the_report_names_what_the_store_holds(call, stored):
    assert "setting 'paper' (it holds ['tiny (quick)'])" in call("report", "--preset", "paper")[2]
    code, _, errors = call("report", "nope")
    assert code == 1
    assert "setting 'quick' of ['nope'] (it holds ['tiny (quick)'])" in errors


def test_a_store_below_a_file_is_explained(call):
    Path("file").touch()
    code, _, errors = call("run", "--jobs", 1, "--store", "file/store")
    assert code == 1
    assert re.search("cannot lock file/store: [A-Z][^;]*; give --store a writable folder", errors)


def test_an_output_folder_below_a_file_is_refused_before_anything_is_computed(call):
    Path("file").touch()
    code, _, errors = call("run", "--jobs", 1, "--out", "file/out")
    assert code == 1
    assert "Not a directory" in errors
    assert call("status")[1].startswith("tiny: 0 of 12 fits stored")


def test_a_full_disk_is_explained_and_keeps_the_rows(call, monkeypatch):
    call("run", "--jobs", 1, "--sizes", 60)
    before = everything()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        code, _, errors = call("run", "--jobs", 1)
    assert code == 1
    assert "No space left on device; free disk space" in errors
    assert everything() == before
    assert call("run", "--jobs", 1)[0] == 0


def test_a_second_run_on_one_store_is_told_who_writes(call, stored):
    before = everything()
    with Store("results/store").write_lock():
        code, _, errors = call("run", "--jobs", 1, "--reps", 5)
        assert code == 1
        assert f"another run (pid {os.getpid()} on" in errors
        assert "wait for it or give --store another folder" in errors
        assert call("status")[0] == call("report")[0] == 0
    assert everything() == before


@pytest.mark.parametrize("table", ["fits", "measures"])
def test_a_damaged_chunk_stops_every_command_that_needs_it_and_costs_only_its_rows(call, stored, table):
    before, rows = everything(), Store("results/store").read("fits").drop(columns="seconds")
    bad = sorted(Path("results/store", table).glob(f"*-{study_cases.MLE.data_id(60)}-{study_cases.MLE.fit_id()}-*.parquet"))[0]
    bad.write_bytes(before[bad][:-7])
    assert call("replay", "tiny/mle/120/0")[0] == 0
    for command in (["run", "--jobs", 1], ["status"], ["report"], ["figure"], ["replay", "tiny/mle/60/0"]):
        code, _, errors = call(*command)
        assert code == 1
        assert f"cannot use {bad}: its content is not what was written" in errors
        assert "move the file away: its rows will be computed again; all other rows are safe" in errors
    bad.rename("away")
    assert call("run", "--jobs", 1)[:2] == (0, stored)
    pd.testing.assert_frame_equal(Store("results/store").read("fits").drop(columns="seconds"), rows)
    now = everything()
    assert all(now[path] == before[path] for path in before if path != bad)


def test_a_damaged_document_is_named(call, stored):
    Path("results/store/documents/claim-quick-tiny-mle.json").write_text("{")
    code, _, errors = call("report")
    assert code == 1
    assert "claim-quick-tiny-mle.json" in errors
    assert call("run", "--jobs", 1)[0] == 0


# -- replay --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", ["mle", "em"])
def test_replay_equals_the_stored_row(call, stored, claim):
    code, output, _ = call("replay", f"tiny/{claim}/120/2")
    assert code == 0
    assert "the replayed row equals the stored one." in output
    assert all(name in output for name in ("log_likelihood", "status", "gradient_norm", "softmax_d1"))
    assert "False" not in output


def test_replay_of_samples_too_small_to_fit_agrees_too(call):
    call("run", "--jobs", 1, "--sizes", "2,3,60")
    for size in (2, 3):
        assert call("replay", f"tiny/mle/{size}/1")[0] == 0


def test_replay_shows_what_differs(call, stored):
    store = Store("results/store")
    rows = store.read("fits")
    row = rows[(rows["n"] == 60) & (rows["replicate"] == 1)].copy()
    row["log_likelihood"] *= 1 + 1e-8
    store.append("fits", row, "a-changed-row-that-is-read-first")
    code, output, _ = call("replay", "tiny/mle/60/1")
    assert code == 1
    assert "differing: log_likelihood\n" in output
    assert call("replay", "tiny/mle/60/0")[0] == 0


@pytest.mark.parametrize("arguments", [["tiny/mle/60/99"], ["tiny/mle/70/0"], ["tiny/mle/60/0", "--seed", 1]])
def test_replay_works_without_a_stored_row(call, stored, arguments):
    code, output, _ = call("replay", *arguments)
    assert code == 0
    assert "no stored row of that name" in output
    assert "log_likelihood" in output


# -- a user's own simulation -----------------------------------------------------------------------------------------

OWN = """
from dataclasses import dataclass, replace

import numpy as np
from study_cases import MLE

from moetheory import LinearExpert, MixtureOfExperts, SoftmaxGate
from moetheory.inputs import InputLaw
from moetheory.study import Level, Simulation


@dataclass(frozen=True)
class Disc(InputLaw):
    low: tuple[float, ...] = (-1.0, -1.0)
    high: tuple[float, ...] = (1.0, 1.0)

    def inputs(self, size, generator):
        angle, radius = 2 * np.pi * generator.random(size), np.sqrt(generator.random(size))
        return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


TRUTH = MixtureOfExperts(
    SoftmaxGate([0.5, 0.0], [[3.0, -1.0], [0.0, 0.0]]), LinearExpert([[2.0, 1.0], [-1.0, 0.0]], [0.0, 4.0]), [0.01, 4.0]
)
CLAIM = replace(
    MLE, name="disc", truth=TRUTH, inputs=Disc(),
    checks=(*MLE.checks, Level("efficiency.beta_1[1,2]", "efficiency", low=0.1, high=10.0)),
)
SIMULATION = Simulation("Inputs on a disc", "own", (CLAIM,))
"""


def test_a_simulation_of_ones_own_with_two_inputs_and_its_own_input_law_runs_in_workers(call, here):
    Path("own.py").write_text(OWN)
    code, output, _ = call("run", "own.py", "--jobs", 2, "--sizes", "80,160", "--reps", 2)
    assert code == 0
    assert re.search(r"own\s+disc", output)
    fits = Store("results/store").read("fits")
    assert len(fits) == 4
    assert {len(parameters) for parameters in fits["parameters"]} == {11}
    assert call("replay", "own/disc/160/1", "--simulations", "own.py")[0] == 0
