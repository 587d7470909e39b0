"""A store whose folder goes away under a run that writes to it."""

import shutil

import pytest

from moetheory.study.store import Store, StoreError

ROW = {"data_id": ["cell"], "fit_id": ["fit"], "n": [100], "replicate": [0], "seed": [0], "quantity": ["loss"], "value": [0.5]}


def moved(folder):
    folder.rename(folder.with_name("elsewhere"))


def replaced(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def below_a_file(folder):
    shutil.rmtree(folder.parent)
    folder.parent.touch()


@pytest.mark.parametrize("lost", [shutil.rmtree, moved, replaced, below_a_file])
def test_it_stops_the_run_and_is_not_begun_anew(tmp_path, lost):
    store = Store(tmp_path / "folder" / "store")
    with store.write_lock():
        store.append("measures", ROW, "a")
        lost(store.path)
        for write in (lambda: store.append("measures", ROW, "b"), lambda: store.put_document("a", {})):
            with pytest.raises(StoreError, match="moved, removed or replaced while this run wrote to it; put it back"):
                write()
        assert not list(store.path.rglob("*.parquet"))


def test_after_the_run_the_folder_may_be_made_anew(tmp_path):
    store = Store(tmp_path / "store")
    with store.write_lock():
        store.append("measures", ROW, "a")
    shutil.rmtree(store.path)
    assert store.append("measures", ROW, "b").is_file()
