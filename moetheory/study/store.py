"""Append-only Parquet store of fits and their measured quantities.

A chunk appears under its final name only when all its bytes are on the disk, and its name ends with the
digest of those bytes. So a run that is killed leaves whole chunks and perhaps one ``*.tmp`` file, which
readers ignore and the next writer removes. Reading needs no lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import operator
import os
import re
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from moetheory.study.disk import WRITE_REMEDY, StoreError, disk_errors, make_folder, write_durably
from moetheory.study.documents import LONGEST_NAME

SCHEMAS = {
    "fits": pa.schema(
        {
            "data_id": pa.string(),
            "fit_id": pa.string(),
            "n": pa.int64(),
            "replicate": pa.int64(),
            "seed": pa.int64(),
            "status": pa.string(),
            "log_likelihood": pa.float64(),
            "log_likelihood_truth": pa.float64(),
            "gradient_norm": pa.float64(),
            "smallest_eigenvalue": pa.float64(),
            "steps": pa.int64(),
            "best_start": pa.int64(),
            "starts_agreeing": pa.int64(),
            "restart_spread": pa.float64(),
            "smallest_share": pa.float64(),
            "active_bounds": pa.string(),
            "cell_pattern": pa.string(),
            "seconds": pa.float64(),
            "parameters": pa.list_(pa.float64()),
        }
    ),
    "measures": pa.schema(
        {
            "data_id": pa.string(),
            "fit_id": pa.string(),
            "n": pa.int64(),
            "replicate": pa.int64(),
            "seed": pa.int64(),
            "quantity": pa.string(),
            "value": pa.float64(),
        }
    ),
}
_FIT_KEY = ["data_id", "fit_id", "n", "seed", "replicate"]
KEYS = {"fits": _FIT_KEY, "measures": [*_FIT_KEY, "quantity"]}
FROM_FITS = ("likelihood_ratio", "log_likelihood", "smallest_eigenvalue")
"""Quantities that the table of fits has already: nothing to measure."""

_DOCUMENTS = "documents"
_OF_CELL = re.compile("(?:fit|measure)-([0-9a-f]{16,})-")
_PLAIN_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}")


class Store:
    """Tables ``fits`` and ``measures`` and JSON documents below one folder; nothing is created before a write.

    ``<path>/<table>/<name>-<digest>.parquet``, ``<path>/documents/<name>.json``, ``<path>/lock``.

    Parameters
    ----------
    path : str or Path
        Folder of the store; need not exist.

    Examples
    --------
    >>> import tempfile
    >>> columns = dict(data_id=["a"], fit_id=["f"], n=[100], replicate=[0], seed=[1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store(folder)
    ...     with store.write_lock():
    ...         _ = store.append("measures", {**columns, "quantity": ["loss"], "value": [0.5]}, name="block-0")
    ...     store.read("measures")["value"].tolist()
    [0.5]
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock: TextIO | None = None

    @contextmanager
    def write_lock(self) -> Iterator[None]:
        """Hold the store for one writing run; the operating system releases it even after ``kill -9``.

        Leftover temporary files of killed runs are removed, so append only while holding this lock.

        Raises
        ------
        StoreError
            If another run holds the lock, or the folder cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, Store(folder).write_lock():
        ...     with Store(folder).write_lock():  # doctest: +ELLIPSIS
        ...         pass
        Traceback (most recent call last):
        moetheory.study.disk.StoreError: another run (pid ...
        """
        with ExitStack() as held:
            with disk_errors("lock", self.path, WRITE_REMEDY):
                make_folder(self.path)
                file = held.enter_context(open(self.path / "lock", "a+", encoding="utf-8", errors="replace"))
                self._claim(file)
                self._remove_temporaries()
            self._lock = file
            try:
                yield
            finally:
                self._lock = None

    def _require_place(self) -> None:
        """Raise where the folder that this run has locked is gone: rows beside a new one would belong to no store."""
        if self._lock is None:
            return
        with suppress(FileNotFoundError, NotADirectoryError):
            if os.path.samestat(os.stat(self.path / "lock"), os.fstat(self._lock.fileno())):
                return
        raise StoreError(
            f"{self.path} was moved, removed or replaced while this run wrote to it; put it back and run the same command again"
        )

    def _claim(self, file: TextIO) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read() or "just started"
            raise StoreError(
                f"another run ({holder}) is writing to {self.path}; wait for it or give --store another folder"
            ) from None
        file.truncate(0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(f"pid {os.getpid()} on {socket.gethostname()}, since {since}")
        file.flush()

    def _remove_temporaries(self) -> None:
        for folder in (*SCHEMAS, _DOCUMENTS):
            for leftover in (self.path / folder).glob("*.tmp"):
                leftover.unlink()

    def append(self, table: str, frame: pd.DataFrame | Mapping[str, Sequence], name: str) -> Path:
        """Store rows as one new chunk: after return they are on the disk, before it none of them is visible.

        Parameters
        ----------
        table : {"fits", "measures"}
            Table to extend.
        frame : DataFrame or mapping of columns
            Exactly the columns of ``SCHEMAS[table]``, in any order; NaN is a value, None is refused, and so is
            a fractional type where the schema has an integer.
        name : str
            Beginning of the file name (letters, digits and ``._-``), usually that of the block of replicates. One that has
            the id of a cell as its second part, as blocks have (``fit-<data_id>-...``), holds rows of that cell alone.

        Returns
        -------
        Path
            The chunk written. The same rows under the same name give the same file.

        Raises
        ------
        ValueError
            If the table or name is not allowed, the name is that of another cell, or the columns do not fit the schema.
        StoreError
            If the disk is full or the folder cannot be written; rows stored before are untouched.

        Examples
        --------
        >>> Store("anywhere").append("measures", {"value": [0.5]}, name="block-0")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: columns of table 'measures' do not fit: missing ['data_id', ...
        """
        content, of_cell = _encode(table, frame), _cell_of(name)
        if of_cell and (others := set(frame["data_id"]) - {of_cell}):
            raise ValueError(f"name {name!r} is that of cell {of_cell}, but rows are of {sorted(others)}; name it otherwise.")
        path = self.path / table / f"{_plain(name)}-{_digest(content)}.parquet"
        self._require_place()
        write_durably(path, content)
        return path

    def has_fits(self) -> bool:
        """Whether any fit is stored."""
        return any((self.path / "fits").glob("*.parquet"))

    def read(self, table: str, data_ids: Collection[str] | None = None) -> pd.DataFrame:
        """Return all rows of a table, sorted by ``KEYS[table]``, whatever the order they were written in.

        Of rows with equal keys (computed twice around a crash) the first by file name is kept.

        Parameters
        ----------
        table : {"fits", "measures"}
            Table to read; one that was never written is empty.
        data_ids : collection of str, optional
            Keep only the rows of these cells; chunks whose names say that they hold others are not read.

        Raises
        ------
        ValueError
            If there is no such table.
        TypeError
            If `data_ids` is a single str.
        StoreError
            If a chunk is damaged; the message names the file.

        Examples
        --------
        >>> len(Store("never-written").read("fits"))
        0
        """
        schema = _schema(table)
        if isinstance(data_ids, str):
            raise TypeError(f"data_ids={data_ids!r} is one text; give a list of them: [{data_ids!r}]")
        paths = sorted((self.path / table).glob("*.parquet"))
        if data_ids is not None:
            wanted = {None, *data_ids}
            paths = [path for path in paths if _cell_of(path.name) in wanted]
        rows = pa.concat_tables([schema.empty_table(), *(_read_chunk(path, schema) for path in paths)])
        if data_ids is not None:
            rows = rows.filter(pc.is_in(rows["data_id"], pa.array(list(data_ids), pa.string())))
        frame = rows.to_pandas().drop_duplicates(KEYS[table])
        return frame.sort_values(KEYS[table], ignore_index=True)

    def put_document(self, name: str, obj: dict) -> None:
        """Write or replace one JSON document (a manifest, the metadata of a claim), wholly or not at all.

        Parameters
        ----------
        name : str
            Letters, digits and ``._-``.
        obj : dict
            Anything the ``json`` module writes.

        Raises
        ------
        TypeError
            If `obj` is no dict or holds something that JSON cannot.
        ValueError
            If the name is not allowed.
        StoreError
            If the folder cannot be written; an older document of this name stays.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Store(folder).put_document("claim-a", {"exponent": -0.5})
        ...     Store(folder).documents("claim-")
        {'claim-a': {'exponent': -0.5}}
        """
        if not isinstance(obj, dict):
            raise TypeError(f"document {name!r} is a {type(obj).__name__}; give a dict")
        content = json.dumps(obj, indent=1).encode()
        self._require_place()
        write_durably(self.path / _DOCUMENTS / f"{_plain(name)}.json", content)

    def documents(self, prefix: str = "") -> dict[str, dict]:
        """Return the documents whose names begin with `prefix`, sorted by name.

        Parameters
        ----------
        prefix : str
            Beginning of the names; all documents by default.

        Raises
        ------
        StoreError
            If a document is damaged; the message names the file.

        Examples
        --------
        >>> Store("never-written").documents()
        {}
        """
        paths = sorted((self.path / _DOCUMENTS).glob("*.json"))
        return {path.stem: _read_document(path) for path in paths if path.stem.startswith(prefix)}


def _schema(table: str) -> pa.Schema:
    if table not in SCHEMAS:
        raise ValueError(f"no table {table!r} in the store; choose one of {sorted(SCHEMAS)}")
    return SCHEMAS[table]


def _plain(name: str) -> str:
    if not _PLAIN_NAME.fullmatch(name):
        rule = f"use at most {LONGEST_NAME} letters, digits, '.', '_' and '-', beginning with a letter or digit"
        raise ValueError(f"name {name!r} cannot be a file name here; {rule}")
    return name


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _encode(table: str, frame: pd.DataFrame | Mapping[str, Sequence]) -> bytes:
    schema = _schema(table)
    missing = [column for column in schema.names if column not in frame]
    extra = [column for column in frame if column not in schema.names]
    if missing or extra:
        raise ValueError(
            f"columns of table {table!r} do not fit: missing {missing}, not in the schema {extra}; give exactly {schema.names}"
        )
    columns = [_column(field, frame[field.name]) for field in schema]
    lengths = dict(zip(schema.names, map(len, columns), strict=True))
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns of table {table!r} differ in length: {lengths}; give one value per row")
    counted = schema.with_metadata({"rows": str(len(columns[0]))})
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, schema=counted), buffer)
    return buffer.getvalue()


def _column(field: pa.Field, values: Sequence) -> pa.Array:
    exact = operator.index if pa.types.is_integer(field.type) else lambda value: value
    try:
        column = pa.array([exact(value) for value in values], field.type, from_pandas=False)
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise ValueError(f"column {field.name!r} must hold {field.type} values: {error}") from error
    if column.null_count:
        raise ValueError(
            f"column {field.name!r} has {column.null_count} missing values; write NaN for an unknown number, '' for an empty text"
        )
    return column


def _cell_of(name: str) -> str | None:
    """Id of the cell that a chunk of this name is about; None where the name does not say."""
    found = _OF_CELL.match(name)
    return found[1] if found else None


def _read_chunk(path: Path, schema: pa.Schema) -> pa.Table:
    with disk_errors("read", path, "make the file readable and try again"):
        content = path.read_bytes()
    if not path.stem.endswith(f"-{_digest(content)}"):
        raise _damaged(path, "its content is not what was written under this name")
    rows = pq.ParquetFile(io.BytesIO(content)).read(use_threads=False)
    if not rows.schema.equals(schema):
        raise _damaged(path, f"its columns are {rows.schema.names}, not those of this version")
    if rows.schema.metadata.get(b"rows") != str(rows.num_rows).encode():
        raise _damaged(path, f"it holds {rows.num_rows} rows, which is not the number written")
    return rows.replace_schema_metadata()


def _damaged(path: Path, reason: str) -> StoreError:
    return StoreError(
        f"cannot use {path}: {reason}; move the file away: its rows will be computed again; all other rows are safe"
    )


def _read_document(path: Path) -> dict:
    remedy = "put it back from a copy" if path.stem == "algorithm" else "move the file away and run again: no row depends on it"
    try:
        with disk_errors("read", path, "make the file readable and try again"):
            document = json.loads(path.read_bytes())
    except ValueError as error:
        raise StoreError(f"cannot use {path}: {error}; {remedy}") from error
    if not isinstance(document, dict):
        raise StoreError(f"cannot use {path}: it holds {document!r:.60}, not an object; {remedy}")
    return document
