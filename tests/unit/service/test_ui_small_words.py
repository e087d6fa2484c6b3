"""Small words that must be right: what became of a run that was started here, when the next is due, what is spent."""

from dataclasses import replace
from datetime import timedelta

import pytest

from service.ui.parts import Progress
from service.ui.render import Renderer
from service.ui.views.alerts import AlertsPage, Promise
from tests.support import ui_pages as fixtures

RENDERER = Renderer()
RUNNING = Progress(run_id=fixtures.RUN_ID, plan="heartbeat", answered=3, total=46)


def said(page: object) -> str:
    return " ".join(RENDERER.whole(page).split())  # type: ignore[arg-type]


def test_a_run_that_was_started_here_can_be_watched_until_it_ends() -> None:
    page = fixtures.endpoint(done="started", row=replace(fixtures.ROWS[0], running=RUNNING))
    assert "The run has been started." in said(page)
    assert f'<a href="/runs/{fixtures.RUN_ID}">Watch the heartbeat run live</a>' in said(page)
    over = fixtures.endpoint(done="started", row=replace(fixtures.ROWS[0], running=None))
    assert "The run has ended. What it found stands above." in said(over)
    assert "run live" not in said(over)
    other = fixtures.endpoint(done="paused", row=replace(fixtures.ROWS[0], running=RUNNING))
    assert "run live" not in said(other)


@pytest.mark.parametrize(
    ("in_s", "told"), [(-3, "due now"), (-90, "due now"), (0, "due now"), (90, "in 1 min"), (None, "not scheduled")]
)
def test_a_next_run_is_never_in_the_past(in_s: int | None, told: str) -> None:
    at = None if in_s is None else fixtures.NOW + timedelta(seconds=in_s)
    row = replace(fixtures.ROWS[0], next_run_at=at)
    for page in (fixtures.fleet((row,)), fixtures.endpoint(row=row)):
        after = said(page).split("<dt>Next run</dt>")[1].split("</dd>")[0]
        assert told in after
        assert "ago" not in after


def test_a_sum_says_its_period_once() -> None:
    line = said(fixtures.endpoint()).split("<dt>Tokens today</dt>")[1].split("</dd>")[0]
    assert "51,200" in line
    assert "today" not in line


def test_without_a_schedule_no_part_of_nothing_is_told() -> None:
    promise = Promise(text="at most one", quarter="2026-Q4", spent=0.001, expected=0.0)
    page = AlertsPage(now=fixtures.NOW, promise=promise)
    assert "no heartbeat is scheduled now" in said(page)
    assert "out of" not in said(page)
    assert "out of <b" in said(replace(page, promise=replace(promise, expected=0.2)))
