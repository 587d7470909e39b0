"""Every Python example of the README runs."""

import re
from pathlib import Path

import pytest

from moetheory.cli import main

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
THEOREM = next(block for block in BLOCKS if "SIMULATION" in block)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("block", [block for block in BLOCKS if block != THEOREM], ids=lambda block: block.splitlines()[-1])
def test_example_runs(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "readme"}
    exec(block, names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    for test in tests:
        test()
    assert tests or capsys.readouterr().out.strip()


def test_own_theorem_runs_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_theorem.py").write_text(THEOREM)
    assert main(["run", "my_theorem.py", "--jobs", "1", "--sizes", "300,600", "--reps", "4"]) == 0
    assert "Voronoi loss D1" in capsys.readouterr().out
    assert list((tmp_path / "results").glob("quick*/report.html"))


def test_figure_shown_is_in_the_repository():
    for path in re.findall(r"!\[.*?\]\((.*?)\)", README.read_text()):
        assert (README.parent / path).is_file(), path


def test_linked_files_exist():
    for path in re.findall(r"\]\(((?!https?:)[^)]+)\)", README.read_text()):
        assert (README.parent / path).exists(), path
