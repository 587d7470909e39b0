"""The store keeps every row that was acknowledged, whole, through crashes, full disks and damaged files."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moetheory.study.store import SCHEMAS, Store, StoreError

ROOT = Path(__file__).parents[1]


def measures(replicates, value=0.5, data_id="cell"):
    size = len(replicates)
    return pd.DataFrame(
        {
            "data_id": [data_id] * size,
            "fit_id": ["newton"] * size,
            "n": [100] * size,
            "replicate": list(replicates),
            "seed": [1] * size,
            "quantity": ["loss"] * size,
            "value": [value] * size,
        }
    )


def fits(replicates):
    fill = {"string": "x", "int64": 7, "double": np.nan}
    columns = {field.name: [fill.get(str(field.type), np.array([1.0, np.nan]))] * len(replicates) for field in SCHEMAS["fits"]}
    return pd.DataFrame({**columns, "replicate": list(replicates)})


def start(script, folder):
    return subprocess.Popen([sys.executable, "-c", script, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


# -- round trip ---------------------------------------------------------------------------------------------


def test_rows_come_back_with_their_types(tmp_path):
    store = Store(tmp_path / "new" / "store")
    with store.write_lock():
        store.append("fits", fits([0, 1]), "block-0")
    back = store.read("fits")
    pd.testing.assert_frame_equal(back, fits([0, 1]), check_dtype=True)
    assert np.isnan(back["log_likelihood"]).all()
    np.testing.assert_array_equal(back["parameters"][1], [1.0, np.nan])


def test_dict_and_frame_in_any_column_order_give_the_same_chunk(tmp_path):
    frame = measures([0, 1])
    backwards = {name: frame[name].to_numpy() for name in reversed(frame.columns)}
    first = Store(tmp_path).append("measures", frame, "block")
    assert Store(tmp_path).append("measures", backwards, "block") == first
    assert len(list(tmp_path.glob("measures/*"))) == 1


def test_nothing_is_created_before_a_write(tmp_path):
    store = Store(tmp_path / "store")
    for table, schema in SCHEMAS.items():
        assert list(store.read(table).columns) == schema.names
        assert store.read(table).empty
    assert store.documents() == {}
    assert not store.path.exists()


def test_only_the_cells_asked_for_are_read(tmp_path):
    store = Store(tmp_path)
    for data_id in "abc":
        store.append("measures", measures([0], data_id=data_id), data_id)
    assert list(store.read("measures", data_ids={"c", "a"})["data_id"]) == ["a", "c"]
    assert store.read("measures", data_ids=[]).empty
    with pytest.raises(TypeError, match="give a list"):
        store.read("measures", data_ids="a")


# -- wrong input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="seed"), r"missing \['seed'\]"),
        (lambda frame: frame.assign(colour=1), r"not in the schema \['colour'\]"),
        (lambda frame: frame.assign(value="high"), "column 'value' must hold double"),
        (lambda frame: frame.assign(n=100.5), "column 'n' must hold int64"),
        (lambda frame: frame.assign(seed=float(2**60)), "column 'seed' must hold int64"),
        (lambda frame: frame.assign(seed=2**63), "column 'seed' must hold int64"),
        (lambda frame: frame.assign(quantity=3), "column 'quantity' must hold string"),
        (lambda frame: frame.assign(value=[None]).astype({"value": object}), "1 missing values"),
        (lambda frame: {**frame.to_dict("list"), "value": [1.0, 2.0]}, "differ in length"),
    ],
)
def test_rows_that_do_not_fit_the_schema_are_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        Store(tmp_path).append("measures", change(measures([0])), "block")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "x" * 151, "new\nline"])
def test_names_that_could_leave_the_folder_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="cannot be a file name"):
        Store(tmp_path).append("measures", measures([0]), name)
    with pytest.raises(ValueError, match="cannot be a file name"):
        Store(tmp_path).put_document(name, {})


def test_unknown_table_is_named_with_the_choices(tmp_path):
    for call in (lambda: Store(tmp_path).read("fit"), lambda: Store(tmp_path).append("fit", {}, "a")):
        with pytest.raises(ValueError, match=r"no table 'fit'.*\['fits', 'measures'\]"):
            call()


# -- order and duplicates -----------------------------------------------------------------------------------


@given(
    owners=st.lists(st.integers(0, 3), min_size=8, max_size=8),
    twice=st.sets(st.integers(0, 7)),
    order=st.permutations(range(4)),
)
def test_tables_do_not_depend_on_how_the_rows_were_written(owners, twice, order):
    chunks = [[row for row in range(8) if owners[row] == chunk] for chunk in range(4)] + [sorted(twice)]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        for chunk in [*order, 4]:
            rows = chunks[chunk][::-1]
            store.append("measures", measures(rows), f"block-{order[chunk % 4]}")
        pd.testing.assert_frame_equal(store.read("measures"), measures(range(8)))


@pytest.mark.parametrize("written", ["ab", "ba"])
def test_of_equal_keys_the_first_by_file_name_is_kept(tmp_path, written):
    store = Store(tmp_path)
    for name in written:
        store.append("measures", measures([0], value={"a": 1.0, "b": 2.0}[name]), name)
    assert list(store.read("measures")["value"]) == [1.0]


@pytest.mark.parametrize("column", ["data_id", "fit_id", "n", "replicate", "seed", "quantity"])
def test_rows_that_differ_in_any_part_of_the_key_are_both_kept(tmp_path, column):
    frame = measures([0])
    other = "other" if isinstance(frame[column][0], str) else 2
    for name, rows in [("a", frame), ("b", frame.assign(**{column: other}))]:
        Store(tmp_path).append("measures", rows, name)
    assert len(Store(tmp_path).read("measures")) == 2


# -- crashes ------------------------------------------------------------------------------------------------


class Crash(BaseException):
    """Stands for the moment at which the machine stops."""


@pytest.mark.parametrize(("call", "survivors"), [("fsync", [0]), ("replace", [0]), ("open", [0, 1])])
def test_a_crash_at_any_step_leaves_whole_chunks(tmp_path, monkeypatch, call, survivors):
    store = Store(tmp_path)
    store.append("measures", measures([0]), "old")

    def crash(*_):
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(os, call, crash)
        with pytest.raises(Crash):
            store.append("measures", measures([1]), "new")
    assert list(store.read("measures")["replicate"]) == survivors
    with store.write_lock():
        store.append("measures", measures([1]), "new")
    assert list(store.read("measures")["replicate"]) == [0, 1]
    assert not list(tmp_path.rglob("*.tmp"))


def test_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    Store(tmp_path).append("measures", measures([0]), "old")
    calls = []

    def recorded(name, original):
        def call(target, *rest):
            calls.append(f"{name} folder" if Path(f"/proc/self/fd/{target}").is_dir() else f"{name} file")
            return original(target, *rest)

        return call

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, recorded(name, getattr(os, name)))
    Store(tmp_path).append("measures", measures([1]), "new")
    assert calls == ["fsync file", "replace file", "fsync folder"]


APPEND_FOREVER = """
import sys
from itertools import count
sys.path.insert(0, "tests")
from test_store import Store, measures
store = Store(sys.argv[1])
with store.write_lock():
    for block in count():
        store.append("measures", measures(range(50 * block, 50 * block + 50)), f"block-{block}")
        print(block, flush=True)
"""


@pytest.mark.parametrize("seed", [0, 1])
def test_kill_9_loses_no_acknowledged_row_and_leaves_no_part(tmp_path, seed):
    writer = start(APPEND_FOREVER, tmp_path)
    first = writer.stdout.readline()
    time.sleep(random.Random(seed).uniform(0.0, 0.3))
    writer.kill()
    acknowledged = [int(line) for line in first.split() + writer.communicate()[0].split()]
    replicates = Store(tmp_path).read("measures")["replicate"]
    assert acknowledged == list(range(len(acknowledged)))
    assert len(replicates) in (50 * len(acknowledged), 50 * len(acknowledged) + 50)
    assert list(replicates) == list(range(len(replicates)))
    with Store(tmp_path).write_lock():
        assert not list(tmp_path.rglob("*.tmp"))


# -- one writer ---------------------------------------------------------------------------------------------

HOLD_LOCK = """
import sys, time
from moetheory.study.store import Store
with Store(sys.argv[1]).write_lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_told_who_writes_and_gets_the_lock_after_kill_9(tmp_path):
    other = start(HOLD_LOCK, tmp_path)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(StoreError, match=rf"another run \(pid {other.pid} on .*, since 2.*--store"):
        Store(tmp_path).write_lock().__enter__()
    other.kill()
    other.communicate()
    with Store(tmp_path).write_lock():
        assert (tmp_path / "lock").read_text().count("pid ") == 1
        with pytest.raises(StoreError, match=rf"another run \(pid {os.getpid()} on"):
            Store(tmp_path).write_lock().__enter__()


def test_the_lock_is_released_when_the_run_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), Store(tmp_path).write_lock():
        1 / 0  # noqa: B018
    with Store(tmp_path).write_lock(), pytest.raises(StoreError, match="another run"):
        Store(tmp_path).write_lock().__enter__()


def test_only_the_leftovers_of_the_store_itself_are_removed(tmp_path):
    kept = [tmp_path / "mine.tmp", tmp_path / "other" / "mine.tmp"]
    removed = [tmp_path / folder / "block.tmp" for folder in ("fits", "measures", "documents")]
    for path in kept + removed:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    with Store(tmp_path).write_lock():
        assert [path.exists() for path in kept + removed] == [True] * 2 + [False] * 3


# -- disks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_explained_and_leaves_the_old_rows(tmp_path, monkeypatch, call):
    store = Store(tmp_path)
    store.append("measures", measures([0]), "old")
    store.put_document("run", {"old": True})

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(StoreError, match=r"cannot write .*new.*: No space left.*free disk space"):
            store.append("measures", measures([1]), "new")
        with pytest.raises(StoreError, match="No space left"):
            store.put_document("run", {"old": False})
    assert not list(tmp_path.rglob("*.tmp"))
    assert list(store.read("measures")["replicate"]) == [0]
    assert store.documents() == {"run": {"old": True}}


def test_a_write_that_the_system_cuts_short_leaves_no_part(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(StoreError, match="cannot write .*File too large"):
            Store(tmp_path).append("measures", measures([0]), "block")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "measures").iterdir()) == []


def test_a_path_below_a_file_is_explained(tmp_path):
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file" / "store")
    with pytest.raises(StoreError, match="cannot write .*--store a writable folder"):
        store.append("measures", measures([0]), "block")
    with pytest.raises(StoreError, match="cannot lock"):
        store.write_lock().__enter__()


# -- damage -------------------------------------------------------------------------------------------------


def flip_one_bit(content):
    middle = len(content) // 3
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage", [lambda content: b"", lambda content: content[:-1], lambda content: content[:99], flip_one_bit]
)
def test_a_damaged_chunk_is_named_with_the_remedy(tmp_path, damage):
    store = Store(tmp_path)
    store.append("measures", measures([0]), "good")
    bad = store.append("measures", measures([1]), "bad")
    bad.write_bytes(damage(bad.read_bytes()))
    with pytest.raises(StoreError, match=rf"{bad.name}: .*move the file away: its rows will be computed again"):
        store.read("measures")
    bad.rename(tmp_path / "away")
    assert list(store.read("measures")["replicate"]) == [0]


@pytest.mark.parametrize(
    ("change", "message"),
    [(lambda rows: rows.slice(1), "holds 2 rows"), (lambda rows: rows.drop(["value"]), "its columns are")],
)
def test_a_chunk_with_other_rows_or_columns_than_promised_is_refused(tmp_path, change, message):
    original = Store(tmp_path).append("measures", measures([0, 1, 2]), "block")
    changed = original.with_name("changed")
    pq.write_table(change(pq.read_table(original)), changed)
    digest = hashlib.sha256(changed.read_bytes()).hexdigest()[:16]
    changed.rename(original.with_name(f"changed-{digest}.parquet"))
    with pytest.raises(StoreError, match=f"changed-{digest}.*{message}"):
        Store(tmp_path).read("measures")


# -- documents ----------------------------------------------------------------------------------------------


def test_documents_are_replaced_and_listed_by_prefix(tmp_path):
    store = Store(tmp_path)
    for name, value in [("run-2", 2), ("run-1.b", 0), ("claim", 3), ("run-1.b", 1)]:
        store.put_document(name, {"value": value})
    assert list(store.documents()) == ["claim", "run-1.b", "run-2"]
    assert store.documents("run-") == {"run-1.b": {"value": 1}, "run-2": {"value": 2}}


def test_what_json_cannot_hold_is_refused(tmp_path):
    for obj, message in [([1], "give a dict"), ({"a": np.ones(2)}, "not JSON serializable")]:
        with pytest.raises(TypeError, match=message):
            Store(tmp_path).put_document("a", obj)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_document_is_named(tmp_path):
    Store(tmp_path).put_document("run-1", {"value": 1})
    (tmp_path / "documents" / "run-1.json").write_bytes(b'{"val\xff')
    with pytest.raises(StoreError, match=r"run-1\.json.*move the file away"):
        Store(tmp_path).documents()


@pytest.mark.parametrize("name", ["algorithm", "run-1"])
def test_a_document_that_is_no_object_is_named(tmp_path, name):
    store = Store(tmp_path)
    store.put_document(name, {"version": 1})
    (tmp_path / "documents" / f"{name}.json").write_text("[]")
    with pytest.raises(StoreError, match=rf"{name}\.json: it holds \[\], not an object; (put|move)"):
        store.documents()


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StoreError, match="this file system has no locks"), Store(tmp_path).write_lock():
        pass
