"""The small line of the last drifts."""

from xml.etree import ElementTree

import pytest

from baselines.types import Arm
from service.ui.parts import ArmView
from service.ui.sparkline import HEIGHT, WIDTH, sparkline


def drawn(*trend: float | None) -> ElementTree.Element:
    return ElementTree.fromstring(str(sparkline(ArmView(arm=Arm.BEHAVIOUR, trend=trend))))


def places(line: ElementTree.Element) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for pair in line.attrib["points"].split()]
    return [(float(x), float(y)) for x, y in pairs]


def test_it_runs_from_the_oldest_to_the_newest_and_higher_is_worse() -> None:
    root = drawn(0.0, 0.5, 1.0)
    (line,) = root.findall("polyline")
    (x1, y1), (x2, y2), (x3, y3) = places(line)
    assert x1 < x2 < x3
    assert y1 > y2 > y3
    dot = root.find("circle")
    assert dot is not None
    assert (float(dot.attrib["cx"]), float(dot.attrib["cy"])) == pytest.approx((x3, y3), abs=0.11)
    base, misaligned = (float(one.attrib["y1"]) for one in root.findall("line"))
    assert (base, misaligned) == pytest.approx((y1, y3), abs=0.11)


def test_a_run_that_did_not_measure_it_is_a_gap() -> None:
    root = drawn(0.0, 0.1, None, 0.2, None, 0.3, 0.4)
    assert [len(places(line)) for line in root.findall("polyline")] == [2, 2], "one point alone is no line"
    assert "from 0.00 to 0.40, at most 0.40" in root.attrib["aria-label"]
    assert "last 7 runs" in root.attrib["aria-label"]


def test_the_dot_is_the_last_that_was_measured() -> None:
    root = drawn(0.0, 1.0, None)
    dot, (line,) = root.find("circle"), root.findall("polyline")
    assert dot is not None
    assert float(dot.attrib["cx"]) == pytest.approx(places(line)[-1][0], abs=0.11)


@pytest.mark.parametrize("trend", [(), (0.5,), (None, None), (None, 0.5, None)])
def test_fewer_than_two_points_are_no_line(trend: tuple[float | None, ...]) -> None:
    assert sparkline(ArmView(arm=Arm.SELF_REPORT, trend=trend)) == ""


def test_what_is_beyond_stays_within_the_drawing() -> None:
    for x, y in places(drawn(-9.0, 9.0, 0.5).findall("polyline")[0]):
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT
