"""The manifest says truly what a run was made with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from moetheory.study import manifest as module
from moetheory.study.manifest import document_name, manifest
from moetheory.study.store import Store

GIT_IDENTITY = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]


def git(folder, *arguments):
    command = ["git", "-C", str(folder), *GIT_IDENTITY, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_versions_and_process(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["moetheory", "run", "a file.py"])
    run = manifest()
    assert run["versions"]["numpy"] == version("numpy")
    assert run["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert (run["pid"], run["command"]) == (os.getpid(), "moetheory run 'a file.py'")


def test_it_is_a_document_whose_name_sorts_by_time(tmp_path):
    run = manifest()
    Store(tmp_path).put_document(document_name(run), run)
    assert Store(tmp_path).documents("run-") == {document_name(run): json.loads(json.dumps(run))}
    assert document_name({**run, "utc": "1999-12-31T23:59:59+00:00"}) < document_name(run)


def test_revision_and_dirtiness_of_a_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SOURCE", tmp_path)
    assert (manifest()["git_revision"], manifest()["git_dirty"]) == (None, None)
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    assert manifest()["git_revision"] == git(tmp_path, "rev-parse", "HEAD")
    assert manifest()["git_dirty"] is False
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "file").touch()
    assert manifest()["git_dirty"] is True
    monkeypatch.setattr(module, "_SOURCE", tmp_path / "installed")
    assert manifest()["git_revision"] is None


def test_a_machine_without_git_is_tolerated(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert manifest()["git_revision"] is None


def test_the_store_and_its_neighbours_leave_jax_alone():
    modules = "moetheory.study.store, moetheory.study.manifest, moetheory.study.progress"
    script = f"import sys, {modules}; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[1], check=True)


def test_the_repository_of_a_hook_is_not_that_of_the_source(tmp_path, monkeypatch):
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
        git(folder, "init", "-q")
        git(folder, "commit", "-q", "--allow-empty", "-m", folder.name)
    monkeypatch.setattr(module, "_SOURCE", own)
    expected = git(own, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "0")
    assert manifest()["git_revision"] == expected
