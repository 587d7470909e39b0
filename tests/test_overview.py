"""The picture of all slopes shows those of the records: places, intervals, predictions and verdicts."""

import json

import numpy as np
import pytest
from matplotlib.colors import to_hex

from moetheory.plotting.example import example_claim
from moetheory.plotting.overview import FARTHEST, MARKS, overview_figure, save_overviews
from moetheory.plotting.records import records_of


def changed(record, slope=-0.5, verdict="consistent", bound="", predicted=(-0.5, -0.25), rivals=(), label="error"):
    """A copy of a record with another slope, verdict and prediction."""
    copy = json.loads(json.dumps(record))
    own = next(iter(copy["slopes"].values()))
    own |= {"slope": slope, "interval": [slope - 0.1, slope + 0.2]}
    copy["check"] |= {"bound": bound, "predicted": list(predicted), "rivals": list(rivals), "label": label}
    copy["judgement"] = verdict and {**copy["judgement"], "verdict": verdict}
    return copy


@pytest.fixture(scope="module")
def record():
    return records_of([example_claim("slope")])[0]


def bars(figure):
    return [bar for bar in figure.axes[0].containers if hasattr(bar, "has_xerr")]


def bands(figure):
    """Ends and colour of every shaded piece."""
    found = []
    for band in figure.axes[0].collections:
        for path in band.get_paths() if "Poly" in type(band).__name__ else []:
            found.append((path.vertices[:, 0].min(), path.vertices[:, 0].max(), to_hex(band.get_facecolor()[0])))
    return found


def test_rows_have_slope_interval_and_the_mark_of_their_verdict(record):
    verdicts = ["consistent", "underpowered", "inconsistent", None]
    records = [changed(record, slope, verdict) for slope, verdict in zip((-0.5, -0.4, 0.1, -0.2), verdicts, strict=True)]
    for row, (bar, one, verdict) in enumerate(zip(bars(overview_figure(records)), records, verdicts, strict=True), 1):
        point, _, (line,) = bar
        own = next(iter(one["slopes"].values()))
        assert point.get_xdata()[0] == own["slope"]
        assert point.get_ydata()[0] == row
        assert line.get_segments()[0][:, 0] == pytest.approx(own["interval"])
        assert (point.get_color(), point.get_marker()) == (MARKS[verdict]["color"], MARKS[verdict]["marker"])


@pytest.mark.parametrize(("bound", "side"), [("", None), ("upper", 0), ("lower", 1)])
def test_a_bound_leaves_the_right_side_open(record, bound, side):
    figure = overview_figure([changed(record, bound=bound)])
    room = figure.axes[0].get_xlim()
    drawn = {(low, high) for low, high, _ in bands(figure) if high > low}
    open_side = {0: {(room[0], -0.5)}, 1: {(-0.25, room[1])}}.get(side, set())
    assert drawn == {(-0.5, -0.25)} | open_side


def test_rivals_are_slopes(record):
    figure = overview_figure([changed(record, rivals=(0.25, 0.0))])
    dotted = {line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linestyle() == ":"}
    assert dotted == {-0.25, 0.0}


def test_slopes_far_out_do_not_stretch_the_axis(record):
    axes = overview_figure([changed(record, -40.0), changed(record), changed(record, 30.0)]).axes[0]
    assert axes.get_xlim() == FARTHEST
    heads = {(line.get_xdata()[0], line.get_ydata()[0], line.get_marker()) for line in axes.lines if line.get_marker() in "<>"}
    assert heads == {(FARTHEST[0], 1, "<"), (FARTHEST[1], 3, ">")}


def test_every_row_is_named_and_claims_have_titles(record):
    other = changed(record, label="other") | {"claim": "second", "title": "Second"}
    words = [text.get_text() for text in overview_figure([changed(record, label="one"), other]).axes[0].texts]
    measured = record["words"]["measured"]
    assert words == [record["title"], "one", measured, "Second", "other", measured]


def test_nothing_is_drawn_of_a_simulation_without_slopes(tmp_path):
    records = records_of([example_claim("level")])
    assert overview_figure(records) is None
    assert save_overviews(records, tmp_path) == {}
    assert not list(tmp_path.iterdir())


def test_pictures_do_not_depend_on_the_order_of_records(record, tmp_path):
    records = [changed(record, slope) | {"claim": name} for slope, name in ((-0.5, "b"), (-0.3, "a"))]
    first, second = (save_overviews(some, tmp_path / name) for name, some in (("x", records), ("y", records[::-1])))
    assert first[record["simulation"]].read_bytes() == second[record["simulation"]].read_bytes()
    assert np.all([path.with_suffix(".svg").is_file() for path in first.values()])


def test_the_legend_names_what_is_there(record):
    def names(**changes):
        return [text.get_text() for text in overview_figure([changed(record, **changes)]).legends[0].get_texts()]

    assert names() == ["consistent", "predicted"]
    assert names(bound="upper", rivals=(0.25,)) == ["consistent", "predicted", "or faster, or slower", "rival"]
    assert names(verdict=None) == ["shown without a verdict", "predicted"]
