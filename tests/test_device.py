"""What `--device gpu` does where there is no GPU."""

from __future__ import annotations

import jax
import pytest
import study_cases

from moetheory import cli
from moetheory.study import workers


def test_without_a_gpu_the_command_says_what_it_found_and_uses_the_cpu(tmp_path, capsys, monkeypatch):
    """And as many processes as it has cores, where a GPU takes one."""
    if jax.devices()[0].platform != "cpu":
        pytest.skip("this machine has a GPU")
    asked, real = [], workers.Workers
    monkeypatch.setattr(workers, "Workers", lambda jobs, *rest: asked.append(jobs) or real(1, *rest))
    arguments = ["run", study_cases.__file__, "--store", str(tmp_path), "--out", str(tmp_path / "out")]
    assert cli.main([*arguments, "--device", "gpu"]) == 0
    assert "no GPU found: computing on cpu" in capsys.readouterr().err
    assert asked == [None]
