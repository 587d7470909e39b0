"""What pages and figures say of small tables, worked by hand; each test caught a broken version that others had passed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, kstwo

from moetheory.plotting import draw, save_all
from moetheory.plotting.example import example_claim
from moetheory.plotting.numerals import plus_minus
from moetheory.plotting.words import measured
from moetheory.rates import Judgement, Verdict, estimate_slope
from moetheory.report import write_claims_page, write_report
from moetheory.report.sections import local_slopes, share_table, slope_row


def with_check(example, **changes):
    one = example_claim(example)
    return replace(one, checks=(replace(one.checks[0], **changes),))


def values(samples, **columns):
    parts = [pd.DataFrame({"n": n, "replicate": range(len(v)), "value": v}) for n, v in samples.items()]
    return pd.concat(parts, ignore_index=True).assign(status="converged", **columns)


def page_of(one, folder):
    save_all([one], folder / "drawn")
    return write_claims_page(folder / "drawn", folder / "claims.md")[0].read_text()


def test_infinite_values_are_told_as_not_defined(tmp_path):
    one = with_check("level", values=values({100: [1.0, np.inf, np.nan]}))
    assert "2 of 3 values are not defined and left out" in write_report([one], tmp_path, {}, {})[0].read_text()


def test_columns_of_shares_come_by_their_counts_over_all_sizes():
    rows = [(100, "a", 6, 0.6), (100, "b", 4, 0.4), (1000, "b", 5, 0.5), (1000, "c", 5, 0.5)]
    table = share_table(pd.DataFrame(rows, columns=["n", "status", "count", "share"]), "status")
    assert list(table.header) == ["n", "b", "a", "c"]


def test_slope_row_has_every_shorter_line_with_its_own_error_and_the_curvature():
    line = estimate_slope([100, 1_000, 10_000, 100_000], [[0.1, 0.12], [0.03, 0.04], [0.009, 0.013], [0.004, 0.005]])
    row = slope_row(line)
    assert row[4:7] == [*(plus_minus(*pair) for pair in line.without_smallest), "n/a"]
    assert row[7] == plus_minus(line.curvature, line.curvature_se)


def test_local_slopes_and_bend_are_those_of_the_line_of_the_claim(tmp_path):
    slopes = example_claim("slope").checks[0].slopes
    median = slopes["median"]
    bent = replace(median, centre=median.centre * np.exp(0.3 * np.log(median.sizes) ** 2))
    one = with_check("slope", slopes={"median": bent, "mean": slopes["mean"]})
    report = write_report([one], tmp_path, {}, {})[0].read_text()
    assert local_slopes(bent) in report and "the curve is bent" in report


def test_an_inconsistent_claim_says_why_on_the_page_of_claims(tmp_path):
    missed = Judgement(Verdict.INCONSISTENT, "It falls faster.", p_value=1e-9)
    assert "**Voronoi loss D1.** inconsistent. It falls faster." in page_of(with_check("slope", judgement=missed), tmp_path)


def test_without_certified_fits_no_verdict_on_them_is_told(tmp_path):
    report = write_report([with_check("slope", converged=None)], tmp_path, {}, {})[0].read_text()
    assert "Verdict on certified maxima only" not in report


def test_more_than_two_sizes_with_equal_shares_are_named_by_their_ends():
    rows = [(n, "a", 9, 1.0) for n in (100, 1_000, 10_000)]
    table = share_table(pd.DataFrame(rows, columns=["n", "status", "count", "share"]), "status")
    assert table.rows == [["100 to 10,000", "100.0%"]]


def test_one_value_has_no_mean_with_an_error():
    assert measured(with_check("level", values=values({1000: [1.5]})).checks[0]) == "n/a"


def bars(axes, start):
    (container,) = [each for each in axes.containers if each.get_label().startswith(start)]
    return np.array([segment[:, 1] for segment in container[2][0].get_segments()]).T


def test_bars_of_a_median_are_those_of_its_slope():
    one = example_claim("slope")
    median = one.checks[0].slopes["median"]
    factors = np.exp(2 * median.centre_se / median.centre)
    ends = bars(draw(one, one.checks[0]).axes[0], "median")
    np.testing.assert_allclose(ends, [median.centre / factors, median.centre * factors])


def test_the_count_of_replicates_is_that_of_the_sizes_drawn():
    one = with_check("level", values=values({100: [np.nan] * 3, 1000: [1.0, 2.0, 1.5]}))
    assert "mean of 3 replicates ± 2 SE" in draw(one, one.checks[0]).axes[0].get_legend_handles_labels()[1]


def test_levels_stand_beside_their_names_and_the_predicted_interval():
    one = example_claim("levels")
    check = one.checks[0]
    (axes,) = draw(one, check).axes
    means = check.values.groupby("coordinate")["value"].mean()
    (container,) = axes.containers
    names = [text.get_text() for text in axes.get_yticklabels()]
    np.testing.assert_allclose(container[0].get_xdata(orig=False), means[names].to_numpy())
    assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"] == [pytest.approx(1.0)]
    (band,) = axes.patches
    assert [band.get_x(), band.get_x() + band.get_width()] == pytest.approx(check.predicted)


def test_the_bands_of_a_law_have_the_critical_value_of_the_level():
    one = example_claim("distribution")
    law, half = chi2(8), kstwo.isf(0.001, 1000)
    left, right = draw(one, one.checks[0]).axes
    for axes, lower, upper in (
        (left, lambda x: law.cdf(x) - half, lambda x: law.cdf(x) + half),
        (right, lambda x: law.ppf(law.cdf(x) - half), lambda x: law.ppf(law.cdf(x) + half)),
    ):
        band = axes.collections[0].get_paths()[0].vertices
        x = np.median(band[:, 0])
        x = band[np.abs(band[:, 0] - x).argmin(), 0]
        ends = band[band[:, 0] == x, 1]
        assert [ends.min(), ends.max()] == pytest.approx([lower(x), upper(x)], rel=1e-6)


def test_the_band_of_a_level_is_its_predicted_interval():
    one = example_claim("level")
    (band,) = draw(one, one.checks[0]).axes[0].patches
    assert [band.get_y(), band.get_y() + band.get_height()] == pytest.approx(one.checks[0].predicted)


def test_a_law_is_drawn_for_the_values_at_the_largest_size_alone():
    drawn = {n: np.random.default_rng(n).chisquare(8, count) for n, count in ((100, 150), (1000, 120))}
    one = with_check("distribution", values=values(drawn))
    labels = draw(one, one.checks[0]).axes[0].get_legend_handles_labels()[1]
    assert "120 replicates, n = 1000" in labels


def test_the_first_replicates_are_drawn():
    one = with_check("slope", values=values({100: np.arange(1.0, 251.0), 1000: np.arange(1.0, 251.0)}))
    (axes,) = draw(one, one.checks[0]).axes
    (dots,) = [line for line in axes.lines if str(line.get_label()).startswith("replicates (first 200 per n)")]
    assert sorted(dots.get_ydata()) == sorted([*range(1, 201)] * 2)


def test_a_line_of_the_trimmed_mean_has_its_points():
    slopes = example_claim("slope").checks[0].slopes
    one = with_check("slope", slopes={name: slopes[name] for name in ("trimmed_mean", "mean")})
    labels = draw(one, one.checks[0]).axes[0].get_legend_handles_labels()[1]
    assert any(label.startswith("trimmed mean ± 2 SE: slope") for label in labels)
