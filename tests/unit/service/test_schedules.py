"""When runs are due."""

from datetime import UTC, datetime, timedelta

import pytest

from service.schedules import Cron, Every, parse_schedule

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("spec", "interval"),
    [("PT15M", 900), ("PT1S", 1), ("P1D", 86_400), ("pt1h30m", 5_400), (" PT2S ", 2)],
)
def test_durations_are_read(spec: str, interval: int) -> None:
    assert parse_schedule(spec) == Every(interval=timedelta(seconds=interval))


BAD = ["", "PT", "15m", "P-1D", "PT0S", "PT0.2S", "P2000D", "* * *", "61 * * * *", "a b c d e"]


@pytest.mark.parametrize("spec", BAD)
def test_what_is_no_schedule_is_refused_by_name(spec: str) -> None:
    with pytest.raises(ValueError, match=r"PT15M|1 second") as caught:
        parse_schedule(spec)
    assert repr(spec) in str(caught.value)


def test_a_new_interval_starts_at_once() -> None:
    assert Every(interval=timedelta(minutes=15)).first(NOW) == NOW


def test_an_interval_keeps_its_grid_and_skips_what_was_missed() -> None:
    every = Every(interval=timedelta(minutes=10))
    slot = NOW - timedelta(minutes=25)
    assert every.after(slot, NOW) == slot + timedelta(minutes=30)
    assert every.after(NOW, NOW) == NOW + timedelta(minutes=10)


def test_the_next_slot_is_never_in_the_past_nor_now() -> None:
    every = Every(interval=timedelta(seconds=7))
    for late in range(50):
        found = every.after(NOW - timedelta(seconds=late), NOW)
        assert NOW < found <= NOW + timedelta(seconds=7)


def test_cron_is_in_utc() -> None:
    cron = parse_schedule("15 13 * * *")
    assert isinstance(cron, Cron)
    assert cron.first(NOW) == datetime(2026, 3, 1, 13, 15, tzinfo=UTC)
    assert cron.after(datetime(2026, 3, 1, 13, 15, tzinfo=UTC), NOW) == datetime(2026, 3, 2, 13, 15, tzinfo=UTC)


def test_a_cron_that_was_missed_for_days_is_due_once_more_only() -> None:
    cron = Cron(expression="0 * * * *")
    assert cron.after(NOW - timedelta(days=3), NOW) == datetime(2026, 3, 1, 13, 0, tzinfo=UTC)
