"""What reports, the page of claims and figures say of values known by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from moetheory.plotting import draw, save_all
from moetheory.plotting.example import example_claim
from moetheory.plotting.summary import certified_words, undefined_words
from moetheory.plotting.words import measured
from moetheory.rates import Judgement, Verdict
from moetheory.report import write_claims_page, write_report
from moetheory.status import Status


def with_check(example, **changes):
    claim = example_claim(example)
    return replace(claim, checks=(replace(claim.checks[0], **changes),))


def page_of(claim, folder):
    save_all([claim], folder / "drawn")
    return write_claims_page(folder / "drawn", folder / "claims.md")[0].read_text()


def row_of(page, label):
    (row,) = [line for line in page.splitlines() if line.startswith(f"| {label} |")]
    return [cell.strip() for cell in row.strip("|").split(" | ")]


def values(samples, **columns):
    parts = [pd.DataFrame({"n": n, "replicate": range(len(v)), "value": v}) for n, v in samples.items()]
    return pd.concat(parts, ignore_index=True).assign(status="converged", **columns)


def test_an_undecided_claim_says_why_on_the_page_of_claims(tmp_path):
    undecided = Judgement(Verdict.UNDERPOWERED, "2 SE is too large.", "About 99 replicates.")
    page = page_of(with_check("slope", judgement=undecided), tmp_path)
    assert "**Voronoi loss D1.** underpowered. 2 SE is too large. About 99 replicates." in page


def test_the_page_of_claims_measures_as_the_report_does(tmp_path):
    level = with_check("level", values=values({100: [5.0, 7.0], 1000: [1.0, 2.0, 3.0]}))
    assert measured(level.checks[0]) == row_of(page_of(level, tmp_path / "level"), "efficiency ratio")[4] == "2.000 ± 0.577"
    fibre = with_check("fibre", values=values({2: [0.5], 5: [0.25], 10: [1.0], 20: [0.75]}))
    assert measured(fibre.checks[0]) == row_of(page_of(fibre, tmp_path / "fibre"), "loss D2")[4] == "0.250 to 1.000"
    parts = [values({100: [9.0, 9.0], 1000: [mean, mean]}, coordinate=name) for name, mean in (("nu[1]", 1.0), ("nu[2]", 1.5))]
    levels = with_check("levels", values=pd.concat(parts, ignore_index=True))
    words = "1.000 to 1.500 (2 coordinates)"
    assert measured(levels.checks[0]) == row_of(page_of(levels, tmp_path / "levels"), "efficiency ratio")[4] == words


def test_a_slope_at_another_location_says_so():
    claim = example_claim("slope")
    check = replace(claim.checks[0], slopes={"median": claim.checks[0].slopes["median"]})
    assert measured(check).endswith(" (median)")


def test_a_claim_without_a_picture_has_no_link(tmp_path):
    claim = with_check("fibre", values=values({2: [0.5]}))
    cells = row_of(page_of(claim, tmp_path), "loss D2")
    assert cells[-1] == ""


def test_a_report_shows_rivals_certified_verdict_and_what_the_source_prints(tmp_path):
    certified = Judgement(Verdict.INCONSISTENT, "Certified fits fall faster.")
    claim = with_check("slope", published="0.55 n^-0.45", converged=certified)
    markdown, html = (path.read_text() for path in write_report([claim], tmp_path, {}, {}))
    for page in (markdown, html):
        assert "Certified fits fall faster." in page and "0.55 n^-0.45" in page
    assert "**Rival slopes.** −0.250" in markdown and "**Verdict on certified maxima only.** inconsistent" in markdown


def test_reports_and_the_page_of_claims_say_what_chance_explains(tmp_path):
    missed = Judgement(Verdict.INCONSISTENT, "It falls faster (p = 1e-09).", p_value=1e-9)
    claim = with_check("slope", judgement=missed, bound="upper")
    computed = replace(example_claim("fibre"), simulation="other")
    pages = page_of(claim, tmp_path), write_report([claim, computed], tmp_path, {}, {})[0].read_text()
    for page in pages:
        assert "at most about 0.025 of the 1 decided checks" in page and "1 is, and 1 of these also at 5%" in page
    assert "decided checks" not in write_report([computed], tmp_path, {}, {})[0].read_text()


def test_the_share_of_certified_fits_is_told_from_least_to_most():
    levels = values({100: [1.0, 2.0, 3.0, 4.0], 1000: [1.0, 2.0, 3.0]})
    ends = ["converged", "at_bound", "degenerate_variance", "not_stationary", "converged", "converged", "at_bound"]
    assert certified_words(with_check("level", values=levels.assign(status=ends)).checks[0]) == "25% to 67%"
    assert certified_words(with_check("level", values=levels).checks[0]) == "100%"


@pytest.mark.parametrize(("bound", "side"), [("", ""), ("upper", " or faster"), ("lower", " or slower")])
def test_a_bound_says_which_side_it_leaves_open(bound, side, tmp_path):
    claim = with_check("slope", bound=bound)
    low, high = (f"\N{MINUS SIGN}{-end:.3f}" for end in claim.checks[0].predicted)
    assert row_of(page_of(claim, tmp_path), "Voronoi loss D1")[2] == f"{low} to {high}{side}"
    assert f"predicted slope {low} to {high}{side}" in [text.get_text() for text in draw(claim, claim.checks[0]).legends[0].texts]
    record = json.loads((tmp_path / "drawn" / "example" / "slope-quantity.json").read_text())
    assert record["check"]["bound"] == bound


def test_a_verdict_that_hangs_on_uncertified_fits_says_what_all_would_say(tmp_path):
    torn = Judgement(Verdict.UNDERPOWERED, "All fits: It misses.", all_fits=Verdict.INCONSISTENT)
    claim = with_check("slope", judgement=torn)
    page = page_of(claim, tmp_path)
    assert row_of(page, "Voronoi loss D1")[6] == "underpowered (all fits: inconsistent)"
    assert "**Verdicts on fits.** 1 underpowered" in page
    title = draw(claim, claim.checks[0]).subfigs[0].get_suptitle().replace("\n", " ")
    assert title == "Voronoi loss D1: underpowered (all fits: inconsistent; 100% certified)"
    report = write_report([claim], tmp_path, {}, {})[0].read_text()
    assert "**Verdicts.** 1 underpowered" in report


def test_fits_without_a_value_are_counted_in_the_title():
    some = values({100: [1.0, np.nan, np.nan], 1000: [1.0, 2.0, np.inf]})
    assert undefined_words(with_check("slope", values=some).checks[0]) == ["1 to 2 of 3 defined"]
    claim = with_check("level", values=some)
    title = draw(claim, claim.checks[0]).subfigs[0].get_suptitle().replace("\n", " ")
    assert title == "efficiency ratio: consistent at n = 1,000 (100% certified; 1 to 2 of 3 defined)"
    assert undefined_words(with_check("level", values=values({100: [1.0, 2.0]})).checks[0]) == []


def test_verdicts_have_their_colours(tmp_path):
    html = write_report([example_claim("slope")], tmp_path, {}, {})[1].read_text()
    assert '<td class="consistent">consistent</td>' in html


def test_levels_are_drawn_with_two_standard_errors():
    claim = example_claim("levels")
    (axes,) = draw(claim, claim.checks[0]).axes
    (container,) = axes.containers
    grouped = claim.checks[0].values.groupby("coordinate", sort=False)["value"]
    ends = np.array([segment[:, 0] for segment in container[2][0].get_segments()])[::-1]
    np.testing.assert_allclose(ends.T, [grouped.mean() - 2 * grouped.sem(), grouped.mean() + 2 * grouped.sem()])


def test_quantiles_are_those_of_the_middles_of_the_steps():
    claim = example_claim("distribution")
    values = np.sort(claim.checks[0].values["value"])
    line = draw(claim, claim.checks[0]).axes[1].lines[1]
    np.testing.assert_allclose(line.get_xdata(), chi2(8).ppf((np.arange(values.size) + 0.5) / values.size))


def test_frequencies_have_their_exact_interval_on_the_page_of_claims(tmp_path):
    """Four of four: at least 0.025^(1/4) = 0.398; the standard error of four ones is zero."""
    check = with_check("level", kind="recovery", values=values({100: [1.0] * 4}))
    assert row_of(page_of(check, tmp_path), "efficiency ratio")[4] == measured(check.checks[0]) == "1.000 (95%: 0.398 to 1.000)"


def test_a_level_that_is_not_defined_at_the_largest_size_is_none(tmp_path):
    check = with_check("level", values=values({100: [1.0, 2.0], 1000: [np.nan, np.nan]}))
    assert row_of(page_of(check, tmp_path), "efficiency ratio")[4] == measured(check.checks[0]) == "n/a"


@pytest.mark.parametrize(
    ("samples", "scales"),
    [
        ({10: [1e-3], 30: [1e-2], 300: [0.1]}, ("log", "log")),
        ({110: [1e-3], 150: [1e-2], 400: [0.1]}, ("linear", "log")),
        ({-200: [1.0], 0: [2.0], 200: [3.0]}, ("linear", "log")),
        ({-200: [0.0], 0: [1e-17], 200: [0.0]}, ("linear", "linear")),
    ],
)
def test_a_fibre_is_drawn_with_all_its_points(samples, scales):
    claim = with_check("fibre", values=values(samples))
    (axes,) = draw(claim, claim.checks[0]).axes
    assert (axes.get_xscale(), axes.get_yscale()) == scales
    assert axes.lines[0].get_xdata().tolist() == [n / 100 for n in samples]
    assert axes.lines[0].get_ydata().tolist() == [value for (value,) in samples.values()]


def test_a_report_tells_how_many_values_are_left_out(tmp_path):
    claim = with_check("level", values=values({100: [1.0, 2.0, np.nan]}))
    assert "1 of 3 values are not defined and left out" in write_report([claim], tmp_path, {}, {})[0].read_text()


def test_the_page_says_what_its_words_mean(tmp_path):
    """Every verdict, and the statuses of its own fits only."""
    claim = example_claim("slope")
    statuses = pd.DataFrame({"n": [100, 100], "status": ["converged", "at_kink"], "count": [3, 1], "share": [0.75, 0.25]})
    markdown, html = write_report([replace(claim, statuses=statuses)], tmp_path, {}, {})
    words = markdown.read_text().split("## What the words mean")[1]
    assert "[What the words mean](#words)" in markdown.read_text()
    assert 'id="words"' in html.read_text()
    for word in (*Verdict, Status.CONVERGED, Status.AT_KINK):
        (row,) = [line for line in words.splitlines() if line.startswith(f"| {word} |")]
        assert len(row) > 50
    assert "saddle" not in words


def test_a_bent_curve_says_so_wherever_its_slope_stands(tmp_path):
    slope = example_claim("slope").checks[0].slopes["mean"]
    bent = replace(slope, centre=slope.centre * np.exp(0.3 * np.log(slope.sizes) ** 2))
    assert bent.bent and not slope.bent
    claim = with_check("slope", slopes={"mean": bent})
    page, report = page_of(claim, tmp_path), write_report([claim], tmp_path, {}, {})[0].read_text()
    assert measured(claim.checks[0]).endswith(" (bent)")
    assert "(bent)" in row_of(page, "Voronoi loss D1")[4]
    assert "the curve is bent, so its slope depends on the sizes" in report
    assert "the curve is bent" not in write_report([example_claim("slope")], tmp_path, {}, {})[0].read_text()
    figure = draw(claim, claim.checks[0])
    assert any(text.endswith("(SE), bent") for text in figure.axes[0].get_legend_handles_labels()[1])
