"""Which cell a chunk of a block is about stands in its name."""

import pandas as pd
import pytest

from moetheory.study.store import Store, StoreError


def measures(data_id):
    row = {"data_id": data_id, "fit_id": "f", "n": 100, "replicate": 0, "seed": 0, "quantity": "loss", "value": 0.5}
    return pd.DataFrame([row])


def test_chunks_of_other_cells_are_not_read(tmp_path):
    """A damaged one of another cell stops nobody."""
    store, cells = Store(tmp_path), ("0123456789abcdef", "fedcba9876543210")
    for cell in cells:
        path = store.append("measures", measures(cell), f"measure-{cell}-11e54a6dbdf8955d-n100-r0-0")
    path.write_bytes(b"damaged")
    assert list(store.read("measures", cells[:1])["data_id"]) == [cells[0]]
    for everything in (None, cells):
        with pytest.raises(StoreError, match="its content is not what was written"):
            store.read("measures", everything)
    with pytest.raises(ValueError, match="is that of cell 0123456789abcdef, but rows are of .'b'.; name it otherwise"):
        store.append("measures", measures("b"), f"fit-{cells[0]}-more")
