"""The slopes printed in the paper notes are those of the committed figures."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"\| *(?P<slope>[−-]?\d+\.\d+) ± (?P<se>\d+\.\d+) *\|.*\]\((?P<file>\.\./figures/\S+?)\.png\)")
ROWS = [(page.name, match) for page in sorted((ROOT / "paper_notes").glob("*.md")) for match in ROW.finditer(page.read_text())]


def test_there_are_rows():
    assert len(ROWS) >= 15


@pytest.mark.parametrize(("page", "match"), ROWS, ids=lambda value: value if isinstance(value, str) else value["file"])
def test_slope_of_a_row_is_that_of_its_figure(page, match):
    record = json.loads((ROOT / "paper_notes" / f"{match['file']}.json").read_text())
    slope = next(iter(record["slopes"].values()))
    assert float(match["slope"].replace("−", "-")) == pytest.approx(slope["slope"], abs=5.01e-4)
    assert float(match["se"]) == pytest.approx(slope["se"], abs=5.01e-4)
