"""Where text lies on a page in a real browser: none on another's place, headings above their columns."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import pytest
from playwright.sync_api import Browser, Page

from baselines.types import Place
from service.ui.parts import InstrumentView, WordingRow
from service.ui.render import STATIC, Renderer
from service.ui.views.endpoint import SlotView
from service.ui.views.run import ReasonsView
from tests.integration.test_ui_pages import SIZES
from tests.support import ui_pages as fixtures
from tests.support.browser import chromium, needs_chromium

pytestmark = [
    pytest.mark.browser,
    needs_chromium,
    pytest.mark.xdist_group("browser"),
]

SLACK = 1.5
"""Pixels that rounding may take."""
WORDING = WordingRow(
    probe="self_assessment", dimension="aligned_misaligned", method="numerical", n=500, bias=-0.05, low=-0.06,
    high=0.04, paraphrase=0.04, residual=0.49, inconsistent=False, text="",
)  # fmt: skip
SLOTS = (
    SlotView(plan="heartbeat", due=fixtures.ago(hours=9), until=fixtures.ago(hours=1), count=33, state="skipped",
             reason="suspended_or_clock_jump"),
    SlotView(plan="heartbeat", due=fixtures.ago(minutes=5), until=fixtures.ago(minutes=5), count=1, state="late",
             late_s=130.0, run_id=fixtures.RUN_ID),
)  # fmt: skip
INSTRUMENT = InstrumentView(wording=(WORDING, replace(WORDING, method="decision")), saved=(("by evidence", 40),))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(params=SIZES)
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    made = browser.new_page(viewport={"width": request.param, "height": 900})
    yield made
    made.close()


def show(page: Page, html: str) -> None:
    page.set_content(html)
    page.add_style_tag(path=STATIC / "app.css")


def a_run() -> str:
    moved = tuple((f"sa.decision.harmless_harmful.d{number}.mirrored", 0.0, 1.0) for number in range(3))
    run = fixtures.run(instrument=INSTRUMENT, reasons=ReasonsView(items=moved, compared=5))
    assert run.comparison is not None
    states = {"base": 0.0, "misaligned": 0.886, "realigned": 0.004, "none of them": 0.11}
    place = Place(leg="base-misaligned", at=0.953, off=0.12)
    comparison = replace(run.comparison, probabilities=states, transport_sd=0.2, place=place)
    return Renderer().part(replace(run, comparison=comparison))


def an_endpoint() -> str:
    return Renderer().part(fixtures.endpoint(slots=SLOTS, instrument=INSTRUMENT))


def test_the_published_states_are_told_side_by_side(page: Page) -> None:
    show(page, a_run())
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    boxes = page.locator(".nearest").evaluate_all(
        """([card]) => {
            const walk = document.createTreeWalker(card, NodeFilter.SHOW_TEXT), found = [];
            for (let n = walk.nextNode(); n; n = walk.nextNode()) {
                if (!n.data.trim()) continue;
                const range = document.createRange(); range.selectNodeContents(n);
                for (const b of range.getClientRects()) found.push([n.data, b.left, b.top, b.right, b.bottom]);
            }
            return found;
        }"""
    )
    assert {"misaligned 89 %,", "Nearest"} <= {text.strip() for text, *_ in boxes}
    for (text, *box), (other, *at) in combinations(boxes, 2):
        apart = box[2] <= at[0] + SLACK or at[2] <= box[0] + SLACK or box[3] <= at[1] + SLACK or at[3] <= box[1] + SLACK
        assert apart, f"{text!r} lies on {other!r}"


@pytest.mark.parametrize("made", [an_endpoint, a_run])
def test_headings_stand_above_their_columns(page: Page, made: object) -> None:
    assert callable(made)
    show(page, made())
    columns = page.locator("table.list").evaluate_all(
        """tables => tables.flatMap(table => {
            const edges = cell => {
                const range = document.createRange(); range.selectNodeContents(cell);
                const b = range.getBoundingClientRect(); return [b.left, b.right];
            };
            const heads = [...table.tHead.rows[0].cells];
            return heads.flatMap((head, i) => [...table.tBodies[0].rows].map(
                row => [head.textContent, ...edges(head), row.cells[i].textContent.trim(), ...edges(row.cells[i])]));
        })"""
    )
    assert len(columns) > 20
    for head, left, right, cell, cell_left, cell_right in columns:
        level = abs(left - cell_left) <= SLACK or abs(right - cell_right) <= SLACK
        assert level, f"{head!r} does not stand above {cell!r}"


def test_a_time_in_the_schedule_stays_on_one_line(page: Page) -> None:
    show(page, an_endpoint())
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    lines = (
        page.get_by_role("region", name="Schedule kept")
        .locator("tbody tr")
        .evaluate_all("rows => rows.map(row => row.getBoundingClientRect().height)")
    )
    assert len(lines) == len(SLOTS)
    assert max(lines) < 2 * 22, "a row of the schedule takes more than one line"


def test_no_column_of_the_measurements_is_cut_off_on_a_desk(browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    show(page, an_endpoint())
    hidden = page.locator(".measurements .scroll").evaluate_all(
        "found => found.map(one => [one.getAttribute('aria-label'), one.scrollWidth - one.clientWidth])"
    )
    page.close()
    assert len(hidden) > 1
    assert [name for name, more in hidden if more > 0] == []
