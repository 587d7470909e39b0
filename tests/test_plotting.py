"""Figures show what the tables say, and come out the same each time."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.container import ErrorbarContainer
from scipy.stats import chi2, kstest

from moetheory.plotting import draw, save, save_all, size_table
from moetheory.plotting.example import example_claim
from moetheory.plotting.numerals import interval, plus_minus, signed
from moetheory.plotting.rates import DOTS_PER_SIZE
from moetheory.plotting.save import remove_others
from moetheory.rates import estimate_slope

KINDS = ("slope", "level", "levels", "gap", "distribution", "fibre")


def table(samples):
    parts = [pd.DataFrame({"n": n, "replicate": range(len(v)), "value": v}) for n, v in samples.items()]
    return pd.concat(parts, ignore_index=True).assign(status="converged")


def slope_check(samples=None, **changes):
    """A claim and its check, with the values and slopes of the given samples."""
    claim = example_claim("slope")
    check = replace(claim.checks[0], **changes)
    if samples is not None:
        slopes = {
            name: estimate_slope(list(samples), list(samples.values()), location=name)
            for name in ("mean", "median")
            if len(samples) > 1
        }
        check = replace(check, values=table(samples), slopes=slopes, **changes)
    return claim, check


def artist(axes, start):
    """The line, or the middle of the error bars, whose label begins so."""
    for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
        if label.startswith(start):
            return handle[0] if isinstance(handle, ErrorbarContainer) else handle
    raise AssertionError(f"nothing is labelled {start!r}")


def bars(axes, start):
    """Lower and upper ends of the error bars whose label begins so."""
    (container,) = [each for each in axes.containers if each.get_label().startswith(start)]
    return np.array([segment[:, 1] for segment in container[2][0].get_segments()]).T


def words(figure):
    """All text of a figure's titles and legend."""
    parts = [figure, *figure.subfigs]
    titles = " ".join(part.get_suptitle() for part in parts).replace("\n", " ")
    return titles, [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_rate_figure_shows_fit_locations_and_guides():
    claim, check = slope_check()
    (axes,) = draw(claim, check).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_ylabel() == check.label
    mean, median = check.slopes["mean"], check.slopes["median"]
    line = artist(axes, "line fitted to the mean")
    np.testing.assert_allclose(line.get_ydata(), mean.line(line.get_xdata())[0])
    np.testing.assert_allclose(artist(axes, "mean").get_ydata(orig=False), mean.centre)
    np.testing.assert_allclose(artist(axes, "median").get_ydata(orig=False), median.centre)
    end = mean.line(mean.sizes[-1])[0]
    for slope, linestyle in [(-0.5, "--"), (-0.434, "--"), (-0.25, ":")]:
        wanted = end * (mean.sizes / mean.sizes[-1]) ** slope
        alike = [each for each in axes.lines if each.get_linestyle() == linestyle]
        assert any(np.allclose(each.get_ydata(), wanted) for each in alike if len(each.get_ydata()) == len(wanted))


def test_guides_end_at_the_data_where_the_curve_is_bent():
    samples = {n: np.array([0.98, 1.0, 1.02]) * (n**-0.5 + 0.05) for n in (100, 1_000, 10_000, 100_000)}
    claim, check = slope_check(samples, predicted=(-0.5, -0.5))
    mean = check.slopes["mean"]
    assert mean.bent and mean.line(mean.sizes[-1])[0] < 0.9 * mean.centre[-1]
    guide = artist(draw(claim, check).axes[0], "predicted slope")
    np.testing.assert_allclose(guide.get_ydata(), mean.centre[-1] * (mean.sizes / mean.sizes[-1]) ** -0.5)


def test_mean_and_median_do_not_hide_each_other():
    claim, check = slope_check({n: np.array([0.9, 1.0, 1.1]) / n for n in (100, 1_000)})
    (axes,) = draw(claim, check).axes
    places = [np.asarray(artist(axes, name).get_xdata(orig=False)) for name in ("mean", "median")]
    assert (places[1] / places[0] > 1.1).all()
    assert all((np.abs(np.log(place / [100, 1_000])) < 0.15 * np.log(10)).all() for place in places)


def test_bars_are_two_standard_errors_either_side():
    claim, check = slope_check()
    mean = check.slopes["mean"]
    ends = bars(draw(claim, check).axes[0], "mean")
    factors = np.exp(2 * mean.centre_se / mean.centre)
    np.testing.assert_allclose(ends, [mean.centre / factors, mean.centre * factors])


def test_a_location_far_below_its_error_is_drawn():
    samples = {100: [-1.0, 1e-12, 1.0], 1_000: [-1.0, 1e-13, 1.5]}
    claim, check = slope_check(values=table(samples), slopes={}, judgement=None)
    figure = draw(claim, check)
    figure.canvas.draw()
    assert artist(figure.axes[0], "median").get_ydata(orig=False).tolist() == [1e-12, 1e-13]
    np.testing.assert_allclose(bars(figure.axes[0], "median"), [[1e-15, 1e-16], [1e-9, 1e-10]])


def test_title_and_legend_state_verdict_slope_prediction_and_rival():
    titles, legend = words(draw(*slope_check()))
    assert titles == "The mixing measure converges at the root-n rate Voronoi loss D1: consistent (100% certified)"
    for part in ("slope −0.501 ± 0.012", "predicted slope −0.500 to −0.434", "rival slope −0.250"):
        assert any(part in label for label in legend)


def test_median_is_the_line_when_the_claim_is_about_the_median():
    claim, check = slope_check()
    slopes = {name: check.slopes[name] for name in ("median", "mean")}
    (axes,) = draw(claim, replace(check, slopes=slopes)).axes
    line = artist(axes, "line fitted to the median")
    np.testing.assert_allclose(line.get_ydata(), slopes["median"].line(line.get_xdata())[0])


def test_guides_bend_with_the_log_power_of_the_line():
    sizes = np.array([100, 1_000, 10_000])
    samples = {int(n): np.log(n) ** 0.5 * n**-0.5 * np.array([0.9, 1.1]) for n in sizes}
    line = estimate_slope(list(samples), list(samples.values()), log_power=0.5)
    claim, check = slope_check(values=table(samples), slopes={"mean": line}, predicted=(-0.5, -0.5), rivals=())
    guide = artist(draw(claim, check).axes[0], "predicted slope −0.500")
    np.testing.assert_allclose(guide.get_ydata(), np.log(sizes) ** 0.5 * sizes**-0.5)


def test_at_most_a_stated_number_of_replicates_is_drawn_each_near_its_size():
    rng = np.random.default_rng(0)
    claim, check = slope_check({n: rng.lognormal(size=DOTS_PER_SIZE + 50) / n for n in (100, 1_000)})
    dots = artist(draw(claim, check).axes[0], f"replicates (first {DOTS_PER_SIZE} per n)")
    nearest = np.where(dots.get_xdata() < 316, 100, 1_000)
    assert np.bincount(nearest)[[100, 1_000]].tolist() == [DOTS_PER_SIZE, DOTS_PER_SIZE]
    assert np.all(np.abs(np.log(dots.get_xdata() / nearest)) < np.log(10) / 4)


def test_failed_fits_empty_sizes_and_zeros_leave_a_figure():
    claim, check = slope_check()
    values = check.values.copy()
    values.loc[values.index % 5 == 0, "value"] = np.nan
    values.loc[values["n"] == 100, "value"] = np.nan
    values.loc[values.index % 7 == 1, "value"] = 0.0
    (axes,) = draw(claim, replace(check, values=values, slopes={}, judgement=None)).axes
    assert len(artist(axes, "mean").get_ydata(orig=False)) == 7
    assert np.all(artist(axes, "replicates").get_ydata() > 0)


@pytest.mark.parametrize("value", [0.045, 1.0, 37.49, 62.62])
def test_a_single_value_has_room_for_ticks(value):
    claim = example_claim("slope")
    check = claim.checks[0]
    alone = replace(check, values=check.values.head(1).assign(value=value), slopes={})
    low, high = draw(claim, alone).axes[0].get_ylim()
    assert low < value < high and high > 1.5 * low


def test_one_size_has_neither_line_nor_guides():
    figure = draw(*slope_check({500: np.array([0.1, 0.2, 0.3])}, judgement=None))
    figure.canvas.draw()
    titles, legend = words(figure)
    assert "shown without a verdict" in titles
    assert [label.split()[0] for label in legend] == ["mean", "median", "replicates"]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_draw_is_said(kind):
    claim = example_claim(kind)
    check = claim.checks[0]
    nothing = replace(check, values=check.values.assign(value=np.nan), slopes={}, predicted=(np.nan, np.nan))
    figure = draw(claim, nothing)
    figure.canvas.draw()
    assert [text.get_text() for text in figure.axes[0].texts] == ["no value to draw"]


@pytest.mark.parametrize("kind", ["level", "gap"])
def test_level_figure_shows_means_against_the_predicted_interval(kind):
    claim = example_claim(kind)
    check = claim.checks[0]
    (axes,) = draw(claim, check).axes
    means = check.values.groupby("n")["value"].mean()
    np.testing.assert_allclose(artist(axes, "mean of 2000 replicates").get_ydata(orig=False), means)
    errors = check.values.groupby("n")["value"].sem()
    np.testing.assert_allclose(bars(axes, "mean"), [means - 2 * errors, means + 2 * errors])
    edges = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"]
    assert edges == pytest.approx(check.predicted)


@pytest.mark.parametrize(("predicted", "scale"), [((0.1, 10.0), "log"), ((0.9, 1.1), "linear"), ((-1.0, 10.0), "linear")])
def test_wide_floors_are_drawn_on_a_logarithmic_axis(predicted, scale):
    claim = example_claim("level")
    (axes,) = draw(claim, replace(claim.checks[0], predicted=predicted)).axes
    assert axes.get_yscale() == scale


def test_means_that_are_not_positive_are_drawn_whatever_is_predicted():
    claim = example_claim("level")
    check = claim.checks[0]
    negative = replace(check, values=check.values.assign(value=check.values["value"] - 1.5), predicted=(0.01, 100.0))
    (axes,) = draw(claim, negative).axes
    low, high = axes.get_ylim()
    means = negative.values.groupby("n")["value"].mean()
    assert axes.get_yscale() == "linear" and (means < 0).all() and ((means > low) & (means < high)).all()


def test_open_prediction_draws_its_only_end():
    claim = example_claim("level")
    check = replace(claim.checks[0], predicted=(float("nan"), 1.1))
    (axes,) = draw(claim, check).axes
    assert [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"] == [1.1]
    assert not axes.patches


@pytest.mark.parametrize("degrees", [6, 8])
def test_empirical_distribution_leaves_the_band_exactly_if_the_test_rejects(degrees):
    claim = example_claim("distribution")
    check = replace(claim.checks[0], degrees=degrees)
    figure = draw(claim, check)
    values = np.sort(check.values["value"])
    test = kstest(values, chi2(degrees).cdf)
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    middle = band[np.isclose(band[:, 0], np.median(band[:, 0]), atol=0.02), 1]
    half = (middle.max() - middle.min()) / 2
    assert (test.statistic > half) == (test.pvalue < 0.001) == (degrees == 6)
    quantiles = figure.axes[1].lines[1]
    np.testing.assert_allclose(quantiles.get_ydata(), values)
    band = figure.axes[1].collections[0].get_paths()[0].vertices
    last = band[:, 0] == quantiles.get_xdata().max()
    low, high = figure.axes[1].get_ylim()
    assert band[last, 1].max() == high and band[last, 1].min() < values[-1] and low < values[0]


def test_distribution_without_a_law_is_one_panel():
    claim = example_claim("distribution")
    assert len(draw(claim, replace(claim.checks[0], degrees=0)).axes) == 1


def test_fibre_is_drawn_against_u():
    claim = example_claim("fibre")
    (axes,) = draw(claim, claim.checks[0]).axes
    line = artist(axes, "loss D2")
    np.testing.assert_allclose(line.get_ydata(), line.get_xdata() ** 4)
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_unknown_kind_is_refused():
    claim, check = slope_check(kind="scatter")
    with pytest.raises(ValueError, match=r"kind is 'scatter'.*slope, level"):
        draw(claim, check)


@given(st.lists(st.floats(0.01, 100), min_size=3, max_size=30), st.integers(0, 5))
def test_size_table_has_the_locations_of_slope(values, missing):
    rng = np.random.default_rng(len(values))
    samples = {50: np.array(values), 200: rng.lognormal(size=40)}
    padded = {n: np.append(v, np.full(missing, np.nan)) for n, v in samples.items()}
    found = size_table(slope_check(values=table(padded))[1])
    assert found["replicates"].to_list() == [len(values), 40]
    assert found["missing"].to_list() == [missing, missing]
    for name in ("mean", "median", "trimmed_mean"):
        line = estimate_slope(list(samples), list(samples.values()), location=name)
        np.testing.assert_allclose(found[name], line.centre)
    np.testing.assert_allclose(found["mean_se"], estimate_slope([50, 200], list(samples.values())).centre_se)


def test_bootstrap_errors_of_the_table_agree_with_those_of_the_slope():
    check = slope_check()[1]
    found = size_table(check)
    for name in ("median", "trimmed_mean"):
        np.testing.assert_allclose(found[f"{name}_se"], check.slopes[name].centre_se, rtol=0.15)


def test_size_table_counts_certified_fits():
    check = slope_check()[1]
    status = np.where(check.values["replicate"] < 15, "at_bound", "converged")
    found = size_table(replace(check, values=check.values.assign(status=status)))
    np.testing.assert_allclose(found["share_converged"], 45 / 60)


@given(st.floats(-10, 10), st.floats(1e-5, 10))
def test_value_and_error_are_readable_back(value, error):
    left, right = (float(part.replace("−", "-")) for part in plus_minus(value, error).split(" ± "))
    assert abs(left - value) <= error
    assert abs(right - error) <= error / 2


def test_numbers_have_true_minus_signs():
    assert [signed(-1.0), interval(-2, -1), plus_minus(-1, 0.5)] == ["−1.000", "−2.000 to −1.000", "−1.000 ± 0.500"]


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_written_and_the_same_each_time(kind, tmp_path):
    claim = example_claim(kind)
    check = claim.checks[0]
    first, again = (save(draw(claim, check), claim, check, tmp_path / name) for name in "ab")
    assert [path.relative_to(tmp_path / "a").as_posix() for path in first] == [
        f"example/{kind}-quantity{end}" for end in (".png", ".svg", ".csv", ".json")
    ]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert first[0].read_bytes().startswith(b"\x89PNG")
    assert b"<dc:date>" not in first[1].read_bytes()
    pd.testing.assert_frame_equal(pd.read_csv(first[2]), size_table(check), check_dtype=False)
    assert not list(tmp_path.rglob("*.tmp"))


def test_record_is_strict_json_with_slope_and_verdict(tmp_path):
    claim, check = slope_check(predicted=(float("nan"), -0.434))
    claim = replace(claim, provenance={"share": np.float64(0.5), "sizes": np.array([1, 2]), "where": tmp_path})
    record = json.loads(save(draw(claim, check), claim, check, tmp_path)[3].read_text())
    assert record["check"]["predicted"] == [None, -0.434]
    assert record["slopes"]["mean"]["slope"] == check.slopes["mean"].slope
    assert record["slopes"]["mean"]["se"] == check.slopes["mean"].se
    assert record["judgement"]["verdict"] == "consistent"
    assert record["setting"] == claim.setting
    assert record["provenance"] == {"share": 0.5, "sizes": [1, 2], "where": str(tmp_path)}


def test_a_matplotlibrc_of_the_user_changes_nothing(tmp_path):
    import matplotlib as mpl

    claim, check = slope_check()
    plain = save(draw(claim, check), claim, check, tmp_path / "a")[1].read_bytes()
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "yellow", "savefig.transparent": True}):
        assert save(draw(claim, check), claim, check, tmp_path / "b")[1].read_bytes() == plain


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(tmp_path):
    claim, check = slope_check()
    (tmp_path / "example").write_text("a file")
    with pytest.raises(OSError, match=r"cannot write .*slope-quantity\.png: .*choose another folder"):
        save(draw(claim, check), claim, check, tmp_path)


@pytest.mark.parametrize("name", ["../outside", "a/b", "", ".."])
def test_a_name_that_is_no_file_name_is_refused(name, tmp_path):
    claim, check = slope_check(name=name)
    with pytest.raises(ValueError, match="must serve as a file name"):
        save(draw(claim, check), claim, check, tmp_path)


def test_all_checks_are_saved_under_their_names(tmp_path):
    claim = example_claim("fibre")
    pair = replace(claim, checks=(claim.checks[0], replace(claim.checks[0], name="other")))
    figures = save_all([pair], tmp_path)
    assert figures == {("example", "fibre", name): tmp_path / "example" / f"fibre-{name}.png" for name in ("quantity", "other")}
    assert all(path.is_file() for path in figures.values())


def test_no_jax_is_imported_and_neither_figures_nor_settings_of_pyplot_change():
    code = (
        "import sys, matplotlib; settings = dict(matplotlib.rcParams)\n"
        "import moetheory.plotting as p, moetheory.report, moetheory.plotting.example as e\n"
        "c = e.example_claim('slope'); p.draw(c, c.checks[0])\n"
        "assert not {'jax', 'equinox'} & set(sys.modules)\n"
        "from matplotlib import pyplot\n"
        "assert not pyplot.get_fignums() and dict(matplotlib.rcParams) == settings"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)


def test_records_of_claims_that_are_gone_are_removed_and_nothing_else(tmp_path):
    one, two = example_claim("slope"), example_claim("level")
    save_all([one, two], tmp_path)
    (tmp_path / one.simulation / "notes.json").write_text("[]")
    remove_others([one], tmp_path)
    left = {path.stem for path in (tmp_path / one.simulation).iterdir()}
    assert left == {"notes", *(f"{one.claim}-{check.name}" for check in one.checks)}
