"""Which runs are shown of a long history, and what the charts are given."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.types import Arm, State
from service.ui.charts_data import charts_data
from service.ui.fill.trajectory import pick
from service.ui.pages.endpoint import span_of
from service.ui.render import Renderer
from service.ui.views.trajectory import Span, Trajectory
from tests.support.ui_pages import NOW, bare_endpoint, endpoint
from tests.support.ui_trajectory import run_name, way


@given(st.integers(1, 400), st.integers(2, 60), st.data())
def test_the_newest_run_is_always_picked_and_none_twice(count: int, limit: int, data: st.DataObject) -> None:
    ids = [run_name(i) for i in range(count)]
    first = set(data.draw(st.lists(st.sampled_from(ids), max_size=30)))
    picked = pick(ids, first, limit)
    assert len(picked) == min(count, limit)
    assert picked[-1] == ids[-1]
    assert picked == sorted(set(picked))
    if len(first) <= limit // 2:
        assert first <= set(picked)


def test_what_is_picked_beside_the_changes_is_spread_evenly() -> None:
    ids = [run_name(i) for i in range(1000)]
    picked = [int(one[-6:]) for one in pick(ids, set(), 10)]
    assert picked == [110, 221, 332, 443, 554, 665, 776, 887, 998, 999], "the newest beside nine that are even"


def test_of_many_changes_the_newest_are_kept() -> None:
    ids = [run_name(i) for i in range(100)]
    picked = pick(ids, set(ids), 10)
    assert len(picked) == 10
    assert set(ids[-5:]) <= set(picked)
    assert pick([], set(), 10) == []


@pytest.mark.parametrize(
    ("text", "span", "length"),
    [
        ("24h", Span.DAY, timedelta(days=1)),
        ("7d", Span.WEEK, timedelta(days=7)),
        ("30d", Span.MONTH, timedelta(days=30)),
        ("all", Span.ALL, None),
        ("", Span.WEEK, timedelta(days=7)),
        ("<script>", Span.WEEK, timedelta(days=7)),
    ],
)
def test_a_range_is_one_of_four(text: str, span: Span, length: timedelta | None) -> None:
    assert span_of(text) is span
    assert span.length == length


def test_charts_get_columns_with_gaps_where_nothing_was_measured() -> None:
    view = way(40, jump=0.7)
    alarm = datetime(2026, 11, 24, 8, tzinfo=UTC)
    data = charts_data(view, [(alarm, "InvertedPersona")], since=NOW - timedelta(days=7), now=NOW)
    behaviour = data["arms"]["behaviour"]
    assert [i for i, drift in enumerate(behaviour["drift"]) if drift is None] == [12, 13]
    assert behaviour["low"][12] is behaviour["high"][12] is None
    assert behaviour["alarm"][12] is False
    assert behaviour["alarm"][-1] is True
    assert data["arms"]["self_report"]["drift"][12] is not None
    assert data["run"][0] == f"/runs/{run_name(0)}"
    assert data["changed"].count(True) == 1
    assert data["alarms"] == [{"at": alarm.timestamp(), "rule": "InvertedPersona"}]
    harm = {"base": 0.07, "misaligned": (0.71 + 0.39) / 2, "realigned": (0.43 + 0.24) / 2}  # the paper's table 11
    assert behaviour["landmarks"] == {
        state: pytest.approx((score - 0.07) / (harm["misaligned"] - 0.07), abs=1e-4) for state, score in harm.items()
    }
    assert next(iter(data["dimensions"])) == "aligned / misaligned"
    assert (data["from"], data["to"]) == ((NOW - timedelta(days=7)).timestamp(), NOW.timestamp())


def test_charts_of_nothing_are_empty_columns() -> None:
    data = charts_data(Trajectory(span=Span.ALL), [], since=None, now=NOW)
    assert data["at"] == data["run"] == data["arms"]["behaviour"]["drift"] == []
    assert data["from"] is None
    assert data["dimensions"] == {}


def test_the_page_tells_in_tables_what_the_charts_draw() -> None:
    html = Renderer().part(endpoint())
    assert html.count('data-chart="') == 3
    assert 'data-src="/endpoints/code-helper-v2/history.json?range=7d"' in html
    assert f'data-newest="{run_name(39)}"' in html
    assert html.count("(changed)") == 2, "in both tables"
    assert "GPT-4.1 nano, realigned (trivia)" in html
    assert "38 of 40 runs" not in html
    assert "24 of 40 runs in the last 7 days" in html
    thinned = replace(way(40, jump=0.7), runs=2000)
    assert "40 of 2,000 runs: every change of verdict" in Renderer().part(endpoint(trajectory=thinned))


def test_a_range_stays_in_the_address_of_a_refreshed_page() -> None:
    page = endpoint(trajectory=way(3, span=Span.DAY))
    assert page.address(part="body") == "/endpoints/code-helper-v2?range=24h&part=body"
    assert endpoint().address() == "/endpoints/code-helper-v2"
    assert endpoint(done="paused").address() == "/endpoints/code-helper-v2?done=paused"
    assert endpoint(done="<b>").address() == "/endpoints/code-helper-v2"


def test_what_was_done_is_told_in_words_of_ours() -> None:
    assert "Paused: no scheduled run starts" in Renderer().part(endpoint(done="paused"))
    assert 'class="done"' not in Renderer().part(endpoint(done="<script>"))


def test_without_a_run_the_page_says_so_and_offers_one() -> None:
    html = Renderer().part(bare_endpoint())
    assert "No run in the last 7 days has been compared." in html
    assert "Look at all runs" not in html, "there are none"
    assert '<a href="/endpoints/new-model/run">Start one now</a>' in html
    assert "data-chart=" not in html


def test_landmarks_of_the_own_set_are_named_on_both_arms() -> None:
    view = way(1)
    assert view.landmarks[Arm.SELF_REPORT].keys() == view.landmarks[Arm.BEHAVIOUR].keys()
    assert view.landmarks[Arm.BEHAVIOUR][State.REALIGNED] > view.landmarks[Arm.SELF_REPORT][State.REALIGNED]
