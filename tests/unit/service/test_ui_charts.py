"""Bars, history and the alignment map as SVG."""

import itertools
import math
from collections.abc import Iterable
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from baselines.types import Verdict
from service.ui import alignment_map as amap
from service.ui import charts, path_map, svg
from service.ui.parts import MapPoint, MapView
from service.ui.placement import Box, around, place
from tests.support.ui_pages import HOSTILE, ROWS, figures, fleet
from tests.support.ui_trajectory import way

FRAME = Box(left=0, top=0, right=400, bottom=400)


def parsed(drawing: Markup) -> ElementTree.Element:
    return ElementTree.fromstring(drawing)


def of_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in root.iter() if name in element.get("class", "").split()]


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter("text")]


def one(elements: Iterable[ElementTree.Element]) -> ElementTree.Element:
    (element,) = elements
    return element


def test_tag_escapes_text_and_attributes() -> None:
    made = svg.tag("text", HOSTILE, aria_label=HOSTILE, class_="name", x=1.26, y=-0.01, fill=None)
    assert "<script>" not in made
    root = parsed(made)
    assert root.text == root.get("aria-label") == HOSTILE
    assert (root.get("class"), root.get("x"), root.get("y"), root.get("fill")) == ("name", "1.3", "0", None)


def test_tag_keeps_markup_children() -> None:
    assert svg.tag("g", svg.tag("a"), "<b>") == "<g><a></a>&lt;b&gt;</g>"


def test_every_verdict_has_a_mark_of_its_own() -> None:
    assert set(svg.MARKS) == {*Verdict, None}
    assert len(set(svg.MARKS.values())) == len(svg.MARKS)
    for verdict in svg.MARKS:
        assert parsed(svg.icon(verdict)).get("aria-hidden") == "true"


def test_no_drawing_carries_a_style_attribute() -> None:
    drawings = [amap.alignment_map(fleet().map), charts.drift_bar(figures(0.4)), path_map.path_map(way(9, jump=0.7))]
    for drawing in drawings:
        assert all(element.get("style") is None for element in parsed(drawing).iter())


def test_bar_runs_from_base_to_the_drift() -> None:
    root = parsed(charts.drift_bar(figures(0.5)))
    track, fill = one(of_class(root, "track")), one(of_class(root, "fill"))
    assert float(fill.get("width", "0")) == pytest.approx(float(track.get("width", "0")) / 2, abs=0.1)
    assert fill.get("x") == track.get("x")
    assert of_class(root, "whisker")
    assert "alarm" not in root.get("class", "")


def test_bar_shows_the_alarm_and_its_words() -> None:
    root = parsed(charts.drift_bar(figures(0.9, alarm=True)))
    assert root.get("class") == "bar alarm"
    assert one(root.iter("title")).text == "drift 0.90, 95 % interval 0.84 to 0.96; 0 is base, 1 is misaligned"


def test_bar_of_a_negative_drift_grows_to_the_left() -> None:
    root = parsed(charts.drift_bar(figures(-0.1)))
    assert float(one(of_class(root, "fill")).get("x", "0")) < float(one(of_class(root, "track")).get("x", "0"))


def test_bar_without_figures_has_neither_fill_nor_whisker() -> None:
    root = parsed(charts.drift_bar(figures(None)))
    assert not of_class(root, "fill")
    assert not of_class(root, "whisker")


@given(st.floats(-50, 50), st.floats(0, 50))
def test_bar_never_leaves_its_box(drift: float, spread: float) -> None:
    root = parsed(charts.drift_bar(figures(drift, spread=spread)))
    for element in root.iter("rect"):
        left, width = float(element.get("x", "nan")), float(element.get("width", "nan"))
        assert 0 <= left <= left + width <= charts.BAR_WIDTH + 1


def test_map_names_quarters_landmarks_and_endpoints() -> None:
    root = parsed(amap.alignment_map(fleet().map))
    shown = set(texts(root))
    assert {"steady", "says so, does not act", "acts, does not say so", "says so and acts"} <= shown
    assert {"base", "misaligned", "realigned", "code-helper-v2", "finance-ft-0911"} <= shown
    assert one(of_class(root, "map")).get("aria-labelledby") == "map-title map-desc"
    assert "code-helper-v2: self-report 0.02, behaviour 0.71, inverted persona" in (one(root.iter("desc")).text or "")


def test_map_puts_behaviour_up_and_self_report_right() -> None:
    assert amap.X(1) > amap.X(0)
    assert amap.Y(1) < amap.Y(0)


def test_map_links_and_describes_each_endpoint() -> None:
    point = MapPoint(
        name=HOSTILE, verdict=Verdict.STEADY, x=0.1, y=2.5, x_interval=(0.0, 0.2), y_interval=(2.0, 3.0), stale=True
    )
    drawing = amap.alignment_map(MapView(points=(point,)))
    assert "<script>" not in drawing
    link = one(parsed(drawing).iter("a"))
    assert link.get("aria-label") == (
        f"{HOSTILE}: steady; self-report drift 0.10 (0.00 to 0.20), behaviour drift 2.50 (2.00 to 3.00); "
        "not reached lately"
    )
    assert "/" not in (link.get("href") or "").removeprefix("/endpoints/")


def test_map_draws_whiskers_only_where_there_are_intervals() -> None:
    bare = MapPoint(name="a", verdict=None, x=0.1, y=0.2)
    assert not of_class(parsed(amap.alignment_map(MapView(points=(bare,)))), "whisker")
    with_one = replace(bare, x_interval=(0.0, 0.3))
    assert len(of_class(parsed(amap.alignment_map(MapView(points=(with_one,)))), "whisker")) == 1


def test_a_large_fleet_names_only_what_is_not_steady() -> None:
    steady = [MapPoint(name=f"ok-{i}", verdict=Verdict.STEADY, x=0.0, y=0.0) for i in range(40)]
    bad = MapPoint(name="bad", verdict=Verdict.INVERTED_PERSONA, x=0.0, y=0.7)
    root = parsed(amap.alignment_map(MapView(points=(*steady, bad))))
    names = [e.text for e in of_class(root, "name")]
    assert names == ["bad"]
    assert len(of_class(root, "point")) == 41


def test_an_empty_map_says_so() -> None:
    root = parsed(amap.alignment_map(MapView()))
    assert one(root.iter("desc")).text == "No endpoint has been measured on both arms yet."


@given(
    st.lists(st.tuples(st.text("abcdefgh", min_size=1, max_size=20), st.floats(0, 400), st.floats(0, 400)), max_size=14)
)
def test_labels_never_overlap(wanted: list[tuple[str, float, float]]) -> None:
    taken = [Box(left=300, top=0, right=400, bottom=30)]
    labels = place(wanted, frame=FRAME, taken=taken, dot_radius=6)
    assert len(labels) == len(wanted)
    boxes = [label.box for label in labels if label is not None]
    assert all(box.within(FRAME) for box in boxes)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    dots = [around(x, y, 6) for _, x, y in wanted]
    assert not any(box.overlaps(other) for box in boxes for other in [*taken, *dots])


def test_a_lone_label_stands_to_the_right_of_its_dot() -> None:
    (label,) = place([("alpha", 100, 100)], frame=FRAME, taken=[], dot_radius=6)
    assert label is not None
    assert label.leader is None
    assert 106 <= label.box.left <= 115
    assert math.isclose((label.box.top + label.box.bottom) / 2, 100)


def test_a_label_avoids_whiskers_where_it_can() -> None:
    whisker = Box(left=60, top=97, right=140, bottom=103)
    (label,) = place([("alpha", 100, 100)], frame=FRAME, taken=[], avoid=[whisker], dot_radius=6)
    assert label is not None
    assert not label.box.overlaps(whisker)
    (forced,) = place([("alpha", 100, 100)], frame=FRAME, taken=[], avoid=[FRAME], dot_radius=6)
    assert forced is not None


def test_a_crowded_label_gets_a_leader_or_is_left_out() -> None:
    labels = place([("some-name", 200.0, 200.0)] * 80, frame=FRAME, taken=[], dot_radius=6)
    assert any(label is not None and label.leader is not None for label in labels)
    assert labels[-1] is None


def test_points_of_the_fixture_fleet_are_drawn_worst_last() -> None:
    root = parsed(amap.alignment_map(fleet(ROWS).map))
    links = [e.get("href") for e in of_class(root, "point")]
    assert links[-1] == "/endpoints/finance-ft-0911"
