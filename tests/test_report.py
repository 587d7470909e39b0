"""The report says what the results say, safely, and the HTML page stands alone."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moetheory.plotting import save_all
from moetheory.plotting.example import example_claim
from moetheory.plotting.numerals import interval
from moetheory.plotting.overview import save_overviews
from moetheory.plotting.records import RecordsError, records_of
from moetheory.rates import estimate_slope
from moetheory.report import format_table, verdict_table, write_claims_page, write_report
from moetheory.report.document import Table
from moetheory.report.html import render_html
from moetheory.report.markdown import render_markdown
from moetheory.report.sections import local_slopes, share_table, slope_row

KINDS = ("slope", "level", "levels", "gap", "distribution", "fibre")
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)


class Page(HTMLParser):
    """Tags, ids, links, sources and cells of a page; void tags aside, what is opened must be closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.sources, self.cells = [], [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.sources += [found["src"]] if "src" in found else []
        self.cells += [""] if tag == "td" else []
        if tag not in {"meta", "img", "link", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "td":
            self.cells[-1] += data


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    claims = [example_claim(kind) for kind in KINDS]
    figures = save_all(claims[:1], folder / "figures of claims")
    overviews = save_overviews(records_of(claims), folder / "figures of claims")
    markdown, html = write_report(claims, folder, figures, overviews)
    return claims, figures, folder, markdown.read_text(), html.read_text()


def test_html_stands_alone(report):
    page = Page(report[4])
    figure = next(iter(report[1].values()))
    for source, picture in zip(page.sources, (figure.with_name("slopes.png"), figure), strict=True):
        assert source.startswith("data:image/png;base64,")
        assert base64.b64decode(source.partition(",")[2]) == picture.read_bytes()
    assert not re.search(r"<(script|link|iframe)|@import|url\(", report[4])
    outside = {link for link in page.links if not link.startswith("#")}
    assert outside == {"https://arxiv.org/abs/2305.03288"}


def test_every_link_inside_the_page_leads_somewhere(report):
    page = Page(report[4])
    inside = [link[1:] for link in page.links if link.startswith("#")]
    assert len(inside) == len(KINDS) + 1
    assert set(inside) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    anchors = re.findall(r'<a id="([^"]+)">', report[3])
    assert set(re.findall(r"\]\(#([^)]+)\)", report[3])) <= set(anchors)


def test_markdown_links_to_the_pictures(report):
    paths = re.findall(r"^!\[.*\]\((.+)\)$", report[3], flags=re.MULTILINE)
    assert paths == [f"figures%20of%20claims/example/{name}.png" for name in ("slopes", "slope-quantity")]
    assert all((report[2] / path.replace("%20", " ")).is_file() for path in paths)


def test_pages_hold_statement_evidence_verdict_slopes_and_setting(report):
    claim = report[0][0]
    check = claim.checks[0]
    for text in report[3:]:
        for part in (
            claim.statement,
            claim.deviations,
            "published; setting: ours",
            "consistent. The slope -0.501 with 2 SE = 0.024 meets",
            "predicted −0.500 to −0.434; measured −0.501 ± 0.012: consistent.",
            slope_row(check.slopes["median"])[2],
            "numpy " + np.__version__,
        ):
            assert part in text


def test_slope_row_states_each_number_of_the_slope():
    line = estimate_slope([100, 1_000, 10_000], [[0.1, 0.12], [0.03, 0.04], [0.009, 0.013]])
    row = slope_row(line)
    assert row[2:4] == [interval(*line.interval), interval(*line.residual_interval)]
    assert row[1] == f"−{-line.slope:.3f} ± {line.se:.3f}"
    assert row[4].startswith(f"−{-line.without_smallest[0][0]:.3f}")
    assert row[5:7] == ["n/a", "n/a"]
    assert row[7].endswith(f"± {line.curvature_se:.3f}")


def test_local_slopes_name_their_sizes_and_errors():
    line = estimate_slope([100, 1_000, 10_000], [[0.1, 0.12], [0.03, 0.04], [0.009, 0.013]])
    first, second = local_slopes(line).split("; ")
    assert first == f"100 to 1,000: −{-line.local_slopes[0]:.3f} ± {line.local_se[0]:.3f}"
    assert second.startswith("1,000 to 10,000: −")


def test_claims_page_has_statement_source_slopes_and_links(report, tmp_path):
    claims, figures, *_ = report
    first = replace(claims[0], checks=(replace(claims[0].checks[0], published="0.55 n^-0.45"),))
    figures = save_all([first, *claims[1:]], tmp_path / "drawn")
    page, count = write_claims_page(tmp_path / "drawn", tmp_path / "notes" / "claims.md")
    page = page.read_text()
    assert count == len(claims)
    for claim in claims:
        assert claim.statement.replace(";", "") in page.replace(";", "")
    row = next(line for line in page.splitlines() if "0.55 n^-0.45" in line)
    cells = [cell.strip() for cell in row.strip("|").split(" | ")]
    assert cells[:6] == ["Voronoi loss D1", "ours", "−0.500 to −0.434", "0.55 n^-0.45", "−0.501 ± 0.012", "100%"]
    link = re.search(r"\[picture\]\((.+)\)", cells[7]).group(1).replace("%20", " ")
    assert (tmp_path / "notes" / link).resolve() == next(iter(figures.values())).resolve()
    assert "![" not in page
    save_overviews(records_of(claims), tmp_path / "drawn")
    page, _ = write_claims_page(tmp_path / "drawn", tmp_path / "notes" / "claims.md")
    assert re.search(r"^!\[all slopes of example .*\]\(\.\./drawn/example/slopes\.png\)$", page.read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"simulation": "a", "claim": "b", "check": {}}'])
def test_claims_page_refuses_a_file_that_is_no_record(tmp_path, text):
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "file.json").write_text(text)
    with pytest.raises(RecordsError, match=r"file\.json is no record of a figure"):
        write_claims_page(tmp_path, tmp_path / "claims.md")


def test_two_pages_from_the_same_results_are_equal(report, tmp_path):
    claims = [example_claim(kind) for kind in KINDS]
    first, second = (write_report(claims, tmp_path / name, {}, {}) for name in "ab")
    assert [page.read_bytes() for page in first] == [page.read_bytes() for page in second]


def test_verdict_table_has_a_row_per_check(report):
    frame = verdict_table(report[0])
    assert frame["claim"].to_list() == list(KINDS)
    assert frame["verdict"].to_list() == ["consistent"] * 5 + ["shown only"]
    law = frame.loc[4]
    assert law["predicted"] == "chi-squared, 8 degrees of freedom"
    assert law["measured"].startswith("D = 0.0")
    assert frame.loc[5, "measured"] == "1.6e−07 to 1.000"


@pytest.mark.parametrize("kind", KINDS)
def test_results_without_values_or_judgement_are_reported(kind, tmp_path):
    claim = example_claim(kind)
    check = claim.checks[0]
    values = check.values.assign(value=np.nan)
    bare = replace(check, values=values, slopes={}, judgement=None, converged=None, predicted=(np.nan, np.nan))
    empty = pd.DataFrame({"n": [], "cell_pattern": [], "count": [], "share": []})
    claims = [replace(claim, checks=(bare,), patterns=empty, deviations="", provenance={})]
    frame = verdict_table(claims)
    assert frame.loc[0, ["measured", "verdict"]].to_list() == ["n/a", "shown only"]
    assert "measured n/a: shown only" in write_report(claims, tmp_path, {}, {})[0].read_text()


def test_a_report_of_nothing_says_so(tmp_path):
    assert "no claims" in write_report([], tmp_path, {}, {})[1].read_text()
    assert format_table(verdict_table([])).startswith("simulation")


def test_mean_driven_by_rare_fits_is_noted(tmp_path):
    claim = example_claim("slope")
    slopes = dict(claim.checks[0].slopes)
    line = slopes["median"]
    slopes["median"] = replace(line, centre=line.centre * (line.sizes / 100) ** -0.3)
    pages = [
        write_report([one], tmp_path, {}, {})[0].read_text()
        for one in (claim, replace(claim, checks=(replace(claim.checks[0], slopes=slopes),)))
    ]
    assert ["rare fits drive the mean" in page for page in pages] == [False, True]


def test_shares_of_neighbouring_sizes_are_joined_and_rare_values_pooled():
    rows = [(n, "a", 90, 0.9) for n in (100, 1_000, 10_000)]
    rows += [(100, "b", 10, 0.1), (1_000, "b", 10, 0.1), (10_000, "c", 10, 0.1)]
    table = share_table(pd.DataFrame(rows, columns=["n", "status", "count", "share"]), "status")
    assert list(table.header) == ["n", "a", "b", "c"]
    assert table.rows == [["100 to 1,000", "90.0%", "10.0%", "0.0%"], ["10,000", "90.0%", "0.0%", "10.0%"]]
    many = pd.DataFrame({"n": 5, "status": [f"s{i}" for i in range(20)], "count": range(20, 0, -1), "share": 0.05})
    pooled = share_table(many, "status")
    assert pooled.header[-1] == "other"
    assert pooled.rows[0][-1] == "55.0%"


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=3))
@example([("<b>bold</b>", "&lt;"), ("a|b", "\\|")])
def test_no_word_can_break_a_table(rows):
    blocks = [Table(("one", "two"), rows)]
    assert Page(render_html(blocks, "words")).cells == [cell for row in rows for cell in row]
    for line in render_markdown(blocks, None).splitlines():
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3


@given(st.lists(st.tuples(*[st.text("ab c_-", max_size=90)] * 3), max_size=3), st.sampled_from([40, 80, 120]))
def test_plain_tables_are_aligned_fit_and_lose_nothing(rows, width):
    frame = pd.DataFrame(rows, columns=["first", "second", "third"], dtype=str)
    header, rule, *body = format_table(frame, width).split("\n")
    assert all(len(line) <= width for line in [header, rule, *body])
    starts = [match.start() for match in re.finditer(r"-+", rule)] + [None]
    for index in range(3):
        column = "".join(line[starts[index] : starts[index + 1]] for line in body)
        assert column.replace(" ", "") == "".join(row[index] for row in rows).replace(" ", "")


def test_words_are_broken_only_if_nothing_else_helps():
    frame = pd.DataFrame({"name": ["softmax_overspecified"], "quantity": ["a loss of the cell"]})
    assert "softmax_overspecified" in format_table(frame, 34)
    assert all(len(line) <= 20 for line in format_table(frame, 20).split("\n"))
