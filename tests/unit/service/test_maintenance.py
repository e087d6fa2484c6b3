"""Maintenance windows by the clock of a place, above all when that clock is changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from alerts.match import Match
from service.maintenance import Window, open_now

BERLIN = "Europe/Berlin"  # 2026: forward on 29 March at 02:00, back on 25 October at 03:00


def window(cron: str, hours: float, zone: str = BERLIN, name: str = "w") -> Window:
    return Window(
        name=name,
        cron=cron,
        duration=timedelta(hours=hours),
        zone=ZoneInfo(zone),
        match=Match(endpoint="*"),
        comment="c",
    )


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def openings(one: Window, first: str, hours: int, step_min: int = 15) -> list[str]:
    """The quarter hours, in UTC, at which it is open."""
    moments = [utc(first) + timedelta(minutes=step_min * n) for n in range(hours * 60 // step_min)]
    return [f"{moment:%H:%M}" for moment in moments if one.until(moment) is not None]


@pytest.mark.parametrize(
    ("cron", "hours", "now", "until"),
    [
        ("0 2 * * *", 2, "2026-01-10T00:59", None),
        ("0 2 * * *", 2, "2026-01-10T01:00", "2026-01-10T03:00"),
        ("0 2 * * *", 2, "2026-01-10T02:59", "2026-01-10T03:00"),
        ("0 2 * * *", 2, "2026-01-10T03:00", None),
        ("0 2 * * *", 2, "2026-07-10T00:00", "2026-07-10T02:00"),
        ("0 22 * * 5", 60, "2026-01-12T08:59", "2026-01-12T09:00"),  # Friday evening for 60 h
        ("0 2 * * 0", 1, "2026-01-11T01:30", "2026-01-11T02:00"),  # 0 is Sunday
        ("0 2 * * 0", 1, "2026-01-12T01:30", None),
        ("0 2 * * 7", 1, "2026-01-11T01:30", "2026-01-11T02:00"),
        ("0 2 * * 1-5", 1, "2026-01-11T01:30", None),
        ("0 2 * * mon-fri", 1, "2026-01-12T01:30", "2026-01-12T02:00"),
    ],
)
def test_open_and_closed(cron: str, hours: float, now: str, until: str | None) -> None:
    assert window(cron, hours).until(utc(now)) == (utc(until) if until else None)


def test_one_that_begins_in_the_hour_that_is_skipped_begins_when_that_hour_would_have_passed() -> None:
    """02:30 does not exist on 29 March: it is 03:30 summer time, 01:30 UTC."""
    assert openings(window("30 2 * * *", 1), "2026-03-29T00:00", 4) == ["01:30", "01:45", "02:00", "02:15"]


def test_one_that_spans_the_skipped_hour_lasts_for_its_duration_by_the_stopwatch() -> None:
    assert openings(window("30 1 * * *", 1), "2026-03-29T00:00", 4) == ["00:30", "00:45", "01:00", "01:15"]


def test_one_that_begins_in_the_hour_that_comes_twice_begins_once_the_first_time() -> None:
    """02:30 comes at 00:30 and at 01:30 UTC on 25 October."""
    assert openings(window("30 2 * * *", 0.5), "2026-10-25T00:00", 4) == ["00:30", "00:45"]


def test_one_that_spans_the_hour_that_comes_twice_is_not_longer() -> None:
    assert openings(window("0 2 * * *", 1.5), "2026-10-25T00:00", 4) == [
        "00:00",
        "00:15",
        "00:30",
        "00:45",
        "01:00",
        "01:15",
    ]


def test_starts_around_the_skipped_hour_are_all_found() -> None:
    """02:30 is moved behind 03:00: out of order, and neither is lost."""
    assert openings(window("*/30 2-3 * * *", 0.25), "2026-03-29T00:00", 4) == ["01:00", "01:30"]


def test_overlapping_windows_are_open_until_the_last_closes() -> None:
    assert window("*/10 * * * *", 1).until(utc("2026-01-10T12:05")) == utc("2026-01-10T13:00")


def test_the_next_opening() -> None:
    assert window("0 2 29 2 *", 1).next_start(utc("2026-01-01T00:00")) is None, "not within a year"
    assert window("0 2 * * 0", 1).next_start(utc("2026-01-11T01:00")) == utc("2026-01-18T01:00")


def test_open_windows_are_mutes_with_name_end_and_comment() -> None:
    windows = [window("0 2 * * *", 2, name="night"), window("0 14 * * *", 1, name="day")]
    (found,) = open_now(windows, utc("2026-01-10T01:30"))
    assert (found.mute.kind.value, found.mute.by, found.mute.comment) == ("maintenance", "night", "c")
    assert found.mute.until == utc("2026-01-10T03:00")
