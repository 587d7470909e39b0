"""The command line explains itself, without JAX."""

import subprocess
import sys
from pathlib import Path

import pytest

from moetheory import cli

ROOT = Path(__file__).parents[1]
COMMANDS = ("run", "list", "status", "replay", "report", "figure", "claims")


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_teaches_by_example(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main([*command, "--help"])
    output = capsys.readouterr().out
    assert "examples:" in output
    assert "moetheory replay softmax_exact/ours/1000/7" in output
    assert "it computes only what is missing" in output
    assert all(name in output for name in (command or (*COMMANDS, "identify")))


def test_the_examples_of_the_help_parse():
    lines = [line.split("   ")[0].split() for line in cli.EXAMPLES.splitlines() if line.startswith("  moetheory ")]
    assert len(lines) == 12
    assert {line[1] for line in lines} == {*COMMANDS, "identify"}
    for line in lines:
        cli.build_parser().parse_args(line[1:])


def test_help_starts_without_jax():
    script = "import sys; from moetheory import cli; cli.build_parser(); assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_a_reader_that_went_away_ends_a_command_quietly():
    command = [sys.executable, "-m", "moetheory", "list", "simulations"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listing:
        listing.stdout.close()
        assert listing.stderr.read() == b""
    assert listing.returncode == 1
