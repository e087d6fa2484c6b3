"""What the pages say of schedules that were kept, endpoints that are down, and our own network."""

from datetime import timedelta

from service.ui.render import Renderer
from service.ui.views.endpoint import SlotView
from tests.support import ui_pages as fixtures

RENDERER = Renderer()
NOW = fixtures.NOW
SLOTS = (
    SlotView(
        plan="heartbeat", due=NOW - timedelta(minutes=5), until=NOW - timedelta(minutes=5), count=1, state="late",
        late_s=130.0, run_id=fixtures.RUN_ID,
    ),
    SlotView(
        plan="heartbeat", due=NOW - timedelta(hours=9), until=NOW - timedelta(hours=1), count=33, state="skipped",
        reason="not_running",
    ),
)  # fmt: skip


def test_an_endpoint_page_lists_what_became_of_its_slots() -> None:
    html = RENDERER.part(fixtures.endpoint(slots=SLOTS))
    assert "Schedule kept" in html
    for said in ("s-late", "2 min 10 s", f"/runs/{fixtures.RUN_ID}", "s-skipped", "not running", "33", "9 h ago"):
        assert said in html, said
    assert "Schedule kept" not in RENDERER.part(fixtures.bare_endpoint())


def test_an_endpoint_that_is_down_says_when_it_is_asked_next() -> None:
    (down,) = [row for row in fixtures.ROWS if row.down is not None][:1]
    html = RENDERER.part(fixtures.endpoint(row=down, next_probe=NOW + timedelta(seconds=40)))
    assert "skipped until it answers again" in html
    assert "in 40 s" in html
    assert "skipped until" not in RENDERER.part(fixtures.endpoint(row=down))


def test_the_fleet_page_says_that_we_are_offline() -> None:
    html = RENDERER.part(fixtures.fleet(offline_since=NOW - timedelta(minutes=3)))
    assert 'role="alert"' in html
    assert "Selfwatch is offline" in html
    assert "3 min ago" in html
    assert "Selfwatch is offline" not in RENDERER.part(fixtures.fleet())
