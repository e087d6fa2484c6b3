"""When runs are due."""

import os
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.schedules import Cron, Every, Schedule, Stretch, parse_schedule, phase, schedule_of

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


def test_slots_lie_on_the_grid_of_the_phase() -> None:
    every = Every(interval=timedelta(minutes=10), phase=timedelta(minutes=3))
    assert every.next(NOW) == datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
    assert every.next(every.next(NOW)) == datetime(2026, 3, 1, 12, 13, tzinfo=UTC)
    assert every.follow(every.next(NOW)) == datetime(2026, 3, 1, 12, 13, tzinfo=UTC)


@given(seconds=st.integers(1, 100_000), offset=st.floats(0, 1), late=st.floats(0, 1e6))
def test_after_a_slot_off_the_grid_comes_half_an_interval_to_one_and_a_half(
    seconds: int, offset: float, late: float
) -> None:
    interval = timedelta(seconds=seconds)
    every = Every(interval=interval, phase=interval * offset)
    slot = NOW + timedelta(seconds=late)
    gap = every.follow(slot) - slot
    assert interval / 2 - timedelta(microseconds=1) <= gap < interval * 1.5


def walked(schedule: Schedule, due: datetime, now: datetime) -> Stretch:
    """The stretch, slot by slot."""
    slots = [due]
    while (following := schedule.follow(slots[-1])) <= now:
        slots.append(following)
    return Stretch(due=due, last=slots[-1], before_last=slots[-2] if len(slots) > 1 else None, count=len(slots))


@given(seconds=st.integers(1, 5_000), offset=st.floats(0, 1), gap=st.floats(0, 20_000), on_grid=st.booleans())
def test_an_interval_counts_missed_slots_as_if_walked(seconds: int, offset: float, gap: float, on_grid: bool) -> None:
    every = Every(interval=timedelta(seconds=seconds), phase=timedelta(seconds=seconds) * offset)
    due = every.next(NOW) if on_grid else NOW
    if gap / seconds < 3_000:
        now = due + timedelta(seconds=gap)
        assert every.stretch(due, now) == walked(every, due, now)


CRONS = ["*/7 * * * *", "0 * * * *", "5,35 8-18 * * 1-5", "30 2 * * *", "0 0 1 * *", "15 4 31 * *", "0 6 29 2 *"]


@pytest.mark.parametrize("expression", CRONS)
@given(days=st.floats(0, 40), shift=st.floats(0, 400))
def test_cron_counts_missed_slots_as_if_walked(expression: str, days: float, shift: float) -> None:
    cron = Cron(expression=expression)
    due = cron.next(NOW + timedelta(days=shift))
    now = due + timedelta(days=min(days, 2.0 if expression.startswith("*/7") else 40.0))
    assert cron.stretch(due, now) == walked(cron, due, now)


def test_a_week_at_a_second_and_a_year_of_minutes_are_counted_at_once() -> None:
    begun = time.process_time()
    week = parse_schedule("PT1S").stretch(NOW, NOW + timedelta(days=7))
    year = parse_schedule("* * * * *").stretch(NOW.replace(second=0), NOW + timedelta(days=365))
    assert (week.count, year.count) == (604_801, 525_601)
    assert time.process_time() - begun < 2, "counted, not walked"


def test_cron_is_in_utc() -> None:
    cron = parse_schedule("15 13 * * *")
    assert isinstance(cron, Cron)
    assert cron.first(NOW) == datetime(2026, 3, 1, 13, 15, tzinfo=UTC)
    assert cron.follow(datetime(2026, 3, 1, 13, 15, tzinfo=UTC)) == datetime(2026, 3, 2, 13, 15, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize(("spec", "hours"), [("30 2 * * *", 24), ("0 * * * *", 1), ("PT6H", 6)])
def test_local_clock_changes_neither_skip_nor_double_a_slot(
    zone: str, spec: str, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "TZ", zone)
    time.tzset()
    try:
        schedule = schedule_of(spec, "prod", "heartbeat")
        slots = [schedule.next(datetime(2026, 1, 1, tzinfo=UTC))]
        while slots[-1] < datetime(2027, 1, 1, tzinfo=UTC):
            slots.append(schedule.follow(slots[-1]))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert {after - before for before, after in pairwise(slots)} == {timedelta(hours=hours)}


def test_many_endpoints_of_one_interval_do_not_bunch_up() -> None:
    interval = timedelta(minutes=15)
    seconds = sorted(phase(f"model-{n}", "heartbeat", interval).total_seconds() for n in range(300))
    assert all(0 <= s < 900 and s == int(s) for s in seconds)
    busiest = max(sum(start <= s < start + 30 for s in seconds) for start in range(0, 900, 30))
    assert busiest < 3 * 300 / 30, "no half minute has three times its share"
    assert len(set(seconds)) > 200


def test_a_phase_never_changes_and_is_the_plans_own() -> None:
    assert phase("prod", "heartbeat", timedelta(minutes=15)) == timedelta(seconds=854)
    assert phase("prod", "heartbeat", timedelta(minutes=15)) != phase("prod", "full", timedelta(minutes=15))
    assert schedule_of("*/5 * * * *", "prod", "heartbeat") == Cron(expression="*/5 * * * *")


def test_after_a_small_set_back_nothing_moves_and_after_a_large_one_no_schedule_is_silent() -> None:
    every = Every(interval=timedelta(minutes=15))
    slot = datetime(2026, 3, 1, 12, 15, tzinfo=UTC)
    following = every.follow(slot)
    just_before = slot - timedelta(seconds=0.2)
    assert every.after_set_back(just_before, following - slot) == following, "12:15 does not come twice"
    hour_back = slot - timedelta(hours=1)
    for left_s in (1, 300, 600, 899):
        left = timedelta(seconds=left_s)
        found = every.after_set_back(hour_back - left, left)
        since_last_slot = (found - (hour_back - left)) + (every.interval - left)
        assert every.interval / 2 <= since_last_slot <= every.interval * 1.5
    assert every.after_set_back(hour_back, None) - hour_back <= every.interval * 1.5
    cron = Cron(expression="*/15 * * * *")
    assert cron.after_set_back(just_before, None) == following
    assert cron.after_set_back(hour_back, None) == hour_back + timedelta(minutes=15)
