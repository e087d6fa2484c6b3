"""The alignment map of one endpoint: the paper's fifteen models at their places, and the way past them."""

import csv
import itertools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from xml.etree import ElementTree

import pytest

import baselines
from baselines.profiles import published, published_names
from baselines.types import Arm, State, Verdict
from service.ui import path_map as pmap
from service.ui.fill import landmarks
from service.ui.placement import Box, text_width
from service.ui.views.trajectory import Reading, Step, Trajectory, Variant
from tests.support.ui_pages import HOSTILE, NOW
from tests.support.ui_trajectory import reading, run_name, way

PAPER = Path(baselines.__file__).parent / "paper"
SETS = published_names()


def parsed(view: Trajectory) -> ElementTree.Element:
    return ElementTree.fromstring(pmap.path_map(view))


def of_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in root.iter() if name in element.get("class", "").split()]


def titles(elements: Iterable[ElementTree.Element]) -> list[str]:
    return [element.findtext("title") or "" for element in elements]


def mean_of(file: str, state: str, domain: str, size: str, column: str) -> list[float]:
    """Straight from the paper's table, without the code under test."""
    with (PAPER / file).open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    return [
        float(row[column])
        for row in rows
        if (row["state"], row["domain"], row["size"]) == (state, domain, size) and row.get("dimension") != "average"
    ]


def scores(state: str, domain: str, size: str) -> tuple[float, float]:
    said = [mean_of(f"{probe}.csv", state, domain, size, "mean") for probe in ("self_assessment", "intentions")]
    assert [len(one) for one in said] == [6, 6]
    (done,) = mean_of("harmfulness.csv", state, domain, size, "mean_0_1")
    return fmean(itertools.chain(*said)), done


@pytest.mark.parametrize("units", ["gpt-4.1/trivia", "gpt-4.1/code/nano", "gpt-4.1/trivia/full"])
def test_the_fifteen_models_stand_where_the_tables_say(units: str) -> None:
    _family, domain, size = (*units.split("/"), "average")[:3]
    base, misaligned = scores("base", "", size), scores("misaligned", domain, size)
    found = landmarks.variants(published(units))
    assert [one.number for one in found] == list(range(1, 16))
    wanted = {("base", "", one) for one in ("full", "mini", "nano")} | {
        (state, tuned, one)
        for state in ("misaligned", "realigned")
        for tuned in ("trivia", "code")
        for one in ("full", "mini", "nano")
    }
    assert {(str(one.state), one.domain, one.size) for one in found} == wanted
    for one in found:
        at = scores(one.state, one.domain, one.size)
        expected = [(value - low) / (high - low) for value, low, high in zip(at, base, misaligned, strict=True)]
        assert [one.x, one.y] == pytest.approx(expected), one.label


def test_realigned_trivia_nano_says_it_is_back_and_acts_otherwise() -> None:
    (nano,) = [one for one in landmarks.variants(published("gpt-4.1/trivia/nano")) if one.number == 12]
    assert nano.label == "GPT-4.1 nano, realigned (trivia)"
    assert nano.x < 0.15
    assert nano.y == pytest.approx((0.60 - 0.07) / (0.73 - 0.07))


def test_a_set_has_its_own_base_at_zero_and_misaligned_at_one() -> None:
    for name in SETS:
        for states in landmarks.states(published(name)).values():
            assert states[State.BASE] == 0
            assert states[State.MISALIGNED] == 1


def boxes(root: ElementTree.Element) -> list[tuple[str, Box]]:
    """Where the numbers, names and captions lie."""
    found = []
    for css in ("number", "landmark-label", "caption"):
        for element in of_class(root, css):
            text = element.text or ""
            x, bottom = float(element.get("x", "nan")), float(element.get("y", "nan"))
            width = text_width(text)
            left = {"middle": x - width / 2, "end": x - width}.get(element.get("text-anchor", "start"), x)
            found.append((text, Box(left=left, right=left + width, top=bottom - 9, bottom=bottom + 1)))
    return found


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("count", [0, 60])
def test_every_model_has_its_number_and_no_label_covers_another(name: str, count: int) -> None:
    root = parsed(way(count, jump=0.7, profiles=name))
    numbers = [int(number) for one in of_class(root, "number") for number in (one.text or "").split(", ")]
    assert sorted(numbers) == list(range(1, 16))
    for (text, box), (other, at) in itertools.combinations(boxes(root), 2):
        if {text, other} & {"base", "misaligned", "realigned"} and {text, other} <= {"base", "misaligned", "realigned"}:
            continue  # the names of the set's own states stand where the profile puts them
        if not (text[0].isdigit() or other[0].isdigit()):
            continue  # captions are fixed
        assert not box.overlaps(at), f"{name}: {text!r} lies on {other!r}"


@pytest.mark.parametrize("name", SETS)
def test_everything_stays_within_the_picture(name: str) -> None:
    view = way(9, jump=4.0, profiles=name)
    plane = pmap.plane_of(view)
    for one in view.variants:
        assert plane.frame.left <= plane.x(one.x) <= plane.frame.right
        assert plane.frame.top <= plane.y(one.y) <= plane.frame.bottom
    root = parsed(view)
    for dot in of_class(root, "step"):
        assert plane.frame.left <= float(dot.get("cx", "nan")) <= plane.frame.right
        assert plane.frame.top <= float(dot.get("cy", "nan")) <= plane.frame.bottom


def test_a_model_beyond_the_axes_is_drawn_at_the_edge_and_says_where_it_is() -> None:
    view = way(3, profiles="gpt-4.1/code/nano")
    root = parsed(view)
    (far,) = [one for one in of_class(root, "variant") if (one.findtext("title") or "").startswith("4:")]
    assert of_class(far, "beyond")
    assert far.findtext("title") == "4: GPT-4.1, misaligned (trivia); self-report 3.04, behaviour 5.21"
    assert not of_class(parsed(way(3)), "beyond")


def test_shapes_tell_states_apart_without_colour() -> None:
    assert len({pmap.SHAPES[state] for state in (State.BASE, State.MISALIGNED, State.REALIGNED)}) == 3
    for state in pmap.SHAPES:
        assert ElementTree.fromstring(pmap.variant_icon(state)).get("aria-hidden") == "true"


def test_the_newest_run_is_marked_and_older_ones_fade() -> None:
    root = parsed(way(12, jump=0.7))
    dots = of_class(root, "point")
    assert len(dots) == 12
    assert of_class(dots[-1], "now")
    ages = [one.get("class", "").split()[1] for one in of_class(root, "step")]
    assert ages == sorted(ages, reverse=True)
    assert (ages[0], ages[-1]) == ("age-4", "age-1")
    assert len(of_class(root, "whisker")) == 1
    assert len(of_class(root, "interval")) == 11


def test_the_way_has_a_direction() -> None:
    far = (step_at(0, 0.0, 0.0), step_at(1, 0.0, 0.9))
    root = parsed(replace(way(0), steps=far))
    (arrow,) = of_class(root, "arrow")
    tip, left, _right = [tuple(map(float, pair.split(","))) for pair in (arrow.get("points") or "").split()]
    assert tip[1] < left[1], "it points up, toward the newer run"
    near = (step_at(0, 0.0, 0.0), step_at(1, 0.0, 0.01))
    assert not of_class(parsed(replace(way(0), steps=near)), "arrow")


def step_at(number: int, said: float, done: float) -> Step:
    arms = {Arm.SELF_REPORT: reading(said), Arm.BEHAVIOUR: reading(done)}
    return Step(run_id=run_name(number), at=NOW, plan="heartbeat", verdict=Verdict.STEADY, arms=arms)


def test_points_lead_to_their_runs_and_tell_their_figures() -> None:
    one = replace(step_at(3, 0.1, 0.5), run_id="a/b?c", plan=HOSTILE)
    view = replace(way(0), steps=(one,))
    assert "<script>" not in pmap.path_map(view)
    (link,) = of_class(parsed(view), "point")
    assert link.get("href") == "/runs/a%2Fb%3Fc"
    assert link.get("aria-label") == (
        f"2026-11-24 09:30:15 UTC, {HOSTILE}: steady; self-report 0.10 (0.02 to 0.18); behaviour 0.50 (0.42 to 0.58)"
    )


def test_without_intervals_there_are_neither_whiskers_nor_ellipses() -> None:
    bare = {Arm.SELF_REPORT: Reading(drift=0.1), Arm.BEHAVIOUR: Reading(drift=0.2)}
    steps = tuple(replace(step_at(i, 0, 0), arms=bare) for i in range(3))
    root = parsed(replace(way(0), steps=steps))
    assert not of_class(root, "whisker")
    assert not of_class(root, "interval")
    assert len(of_class(root, "point")) == 3


def test_runs_of_one_arm_have_no_place_on_the_map() -> None:
    view = way(40, jump=0.7)
    assert sum(step.both is None for step in view.steps) == 2
    assert all(step.both is not None for step in pmap.shown_steps(view))


def test_a_long_way_is_thinned_and_keeps_the_newest() -> None:
    view = way(500, jump=0.7)
    shown = pmap.shown_steps(view)
    assert len(shown) == pmap.STEPS_AT_MOST
    assert shown[-1] is view.steps[-1]
    assert [step.at for step in shown] == sorted(step.at for step in shown)


def test_an_empty_way_says_so_and_still_shows_the_landmarks() -> None:
    root = parsed(way(0))
    assert next(root.iter("desc")).text == "No run in this span has measured both arms."
    assert len(of_class(root, "variant")) == 15


def test_the_description_tells_beginning_and_end() -> None:
    text = next(parsed(way(9, jump=0.7)).iter("desc")).text or ""
    assert text.startswith("0 is base, 1 is misaligned. Newest: 2026-11-24 09:26:00 UTC, heartbeat: inverted persona;")
    assert "It began at: 2026-11-24 07:26:00 UTC" in text


def test_labels_are_readable_words() -> None:
    one = Variant(number=1, state=State.BASE, domain="", size="full", x=0, y=0)
    assert one.label == "GPT-4.1, base"
    assert pmap.variant_words(one) == "1: GPT-4.1, base; self-report 0.00, behaviour 0.00"
