"""The slopes printed in the paper notes are those of the committed figures, and the page of all claims is up to date."""

import csv
import json
import re
from pathlib import Path

import pytest

from moetheory.report import write_claims_page

ROOT = Path(__file__).parent.parent
PUBLISHED = ROOT / "moetheory" / "published"
ROW = re.compile(
    r"\| *(?P<slope>[−-]?\d+\.\d+) ± (?P<se>\d+\.\d+)(?: \((?P<remarks>[a-z, ]+)\))? *\|"
    r".*\]\((?P<file>\.\./figures/\S+?)\.png\)"
)
PAGES = [page for page in sorted((ROOT / "paper_notes").glob("*.md")) if page.name != "claims.md"]
VERDICT = re.compile(
    r"\| *(?P<verdict>consistent|inconsistent|underpowered) *\| *\[picture\]\((?P<file>\.\./figures/\S+?)\.png\)"
)
ROWS = [(page.name, match) for page in PAGES for match in ROW.finditer(page.read_text())]


VERDICTS = [(page.name, match) for page in PAGES for match in VERDICT.finditer(page.read_text())]


def test_there_are_rows():
    assert len(ROWS) >= 15


@pytest.mark.parametrize(("page", "match"), ROWS, ids=lambda value: value if isinstance(value, str) else value["file"])
def test_slope_of_a_row_is_that_of_its_figure(page, match):
    record = json.loads((ROOT / "paper_notes" / f"{match['file']}.json").read_text())
    location, slope = next(iter(record["slopes"].items()))
    assert float(match["slope"].replace("−", "-")) == pytest.approx(slope["slope"], abs=5.01e-4)
    assert float(match["se"]) == pytest.approx(slope["se"], abs=5.01e-4)
    remarks = [location.replace("_", " ")] * (location != "mean") + ["bent"] * slope["bent"]
    assert match["remarks"] == (", ".join(remarks) or None)


@pytest.mark.parametrize(("page", "match"), VERDICTS, ids=lambda value: value if isinstance(value, str) else value["file"])
def test_verdict_of_a_row_is_that_of_its_figure(page, match):
    record = json.loads((ROOT / "paper_notes" / f"{match['file']}.json").read_text())
    assert match["verdict"] == record["judgement"]["verdict"]


NEEDED = re.compile(r"about ([\d,]+)\s+replicates", re.IGNORECASE)


def test_replicates_that_a_verdict_would_need_are_those_of_a_record():
    records = [json.loads(file.read_text())["judgement"] for file in (ROOT / "figures").glob("*/*.json")]
    known = {found[1].replace(",", "") for one in records if one for found in NEEDED.finditer(one["needed"] or "")}
    printed = [(page.name, found[1]) for page in PAGES for found in NEEDED.finditer(page.read_text())]
    assert printed and [where for where in printed if where[1].replace(",", "") not in known] == []


ERRORS = re.compile(r"(\d+\.\d+) \((\d+\.\d+)\)")


def test_errors_at_moving_truths_are_those_of_their_figures():
    """Columns: fixed and moving truths behind a softmax gate, then behind a sigmoid gate."""
    columns = ("softmax_fixed", "softmax_moving", "sigmoid_fixed", "sigmoid_moving")
    page = (ROOT / "paper_notes" / "2405.14124.md").read_text().splitlines()
    printed = [ERRORS.findall(line) for line in page if len(ERRORS.findall(line)) == len(columns)]
    for column, name in enumerate(columns):
        with (ROOT / "figures" / "least_favourable" / f"{name}-e2-eta_0-atom1.csv").open() as table:
            rows = [(f"{float(row['mean']):.3f}", f"{float(row['mean_se']):.3f}") for row in csv.DictReader(table)]
        assert [row[column] for row in printed] == rows


LEVELS = re.compile(r"^\|.*\]\(\.\./figures/(?P<file>(?:number_of_experts|hyper_router)/\S+?)\.png\).*\|$", re.M)
CELL = re.compile(r"(?P<mean>\d\.\d+)(?: \((?P<se>\d\.\d+)\))?")
LEVEL_ROWS = [
    match
    for page in ("2510.12744.md", "2312.07035.md")
    for match in LEVELS.finditer((ROOT / "paper_notes" / page).read_text())
    if "±" not in match[0]
]


@pytest.mark.parametrize("match", LEVEL_ROWS, ids=lambda match: match["file"])
def test_levels_of_a_row_are_those_of_its_figure(match):
    """The last sizes of a record, one column each: its mean, and the standard error where the page has one."""
    with (ROOT / "figures" / f"{match['file']}.csv").open() as table:
        rows = list(csv.DictReader(table))
    printed = [found for cell in match[0].split("|") if (found := CELL.fullmatch(cell.strip()))]
    assert 2 <= len(printed) <= len(rows)
    for found, row in zip(printed, rows[-len(printed) :], strict=True):
        assert found["mean"] == f"{float(row['mean']):.{len(found['mean']) - 2}f}"
        assert found["se"] in (None, f"{float(row['mean_se']):.{len(found['mean']) - 2}f}")


def test_there_are_levels():
    assert len(LEVEL_ROWS) == 16


def test_the_page_of_all_claims_is_that_of_the_committed_figures(tmp_path):
    (tmp_path / "figures").symlink_to(ROOT / "figures")
    page, count = write_claims_page(tmp_path / "figures", tmp_path / "paper_notes" / "claims.md")
    assert count >= 60
    assert page.read_text() == (ROOT / "paper_notes" / "claims.md").read_text()


PAPERS = sorted(paper.name.removeprefix("arxiv_").removesuffix(".py").replace("_", ".") for paper in PUBLISHED.glob("arxiv_*.py"))


@pytest.mark.parametrize("paper", [*PAPERS, "2402.02526", "2405.14124"])
def test_every_paper_has_a_page(paper):
    assert (ROOT / "paper_notes" / f"{paper}.md").is_file()
    assert f"({paper}.md)" in (ROOT / "paper_notes" / "README.md").read_text()
