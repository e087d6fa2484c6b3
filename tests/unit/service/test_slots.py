"""What becomes of a slot, and what lies between two looks."""

from datetime import timedelta

import pytest

from service.schedules import parse_schedule
from service.slots import (
    LATE_AFTER_S,
    Clocks,
    Gap,
    Record,
    Skipped,
    SlotState,
    Standing,
    records,
    refusal,
    started,
)
from tests.support.clock import START, FakeClock

EVERY = parse_schedule("PT15M")
DUE = EVERY.next(START)


def test_the_newest_of_missed_slots_runs_and_those_before_say_why_not() -> None:
    stretch = EVERY.stretch(DUE, DUE + timedelta(hours=3))
    missed, newest = records(stretch, Skipped.NOT_RUNNING, Standing())
    assert missed == Record(
        due=DUE, until=DUE + timedelta(hours=2, minutes=45), count=12, state=SlotState.SKIPPED,
        reason=Skipped.NOT_RUNNING,
    )  # fmt: skip
    assert newest == Record(
        due=DUE + timedelta(hours=3), until=DUE + timedelta(hours=3), count=1, state=SlotState.WAITING
    )


REFUSED = [
    (Standing(offline=True, down=True, waiting=True), Skipped.OFFLINE),
    (Standing(down=True, waiting=True), Skipped.ENDPOINT_DOWN),
    (Standing(waiting=True, over_budget=True), Skipped.PREVIOUS_WAITING),
    (Standing(over_budget=True), Skipped.BUDGET_EXHAUSTED),
]


@pytest.mark.parametrize(("standing", "reason"), REFUSED)
def test_a_slot_that_may_not_run_names_one_reason(standing: Standing, reason: Skipped) -> None:
    assert refusal(standing) is reason
    missed, newest = records(EVERY.stretch(DUE, DUE + timedelta(minutes=15)), Skipped.OVERLOADED, standing)
    assert (missed.reason, missed.count) == (Skipped.OVERLOADED, 1)
    assert (newest.state, newest.reason) == (SlotState.SKIPPED, reason)


@pytest.mark.parametrize(
    ("standing", "reason"),
    [
        (Standing(paused=True, plan_known=False, down=True), Skipped.PAUSED),
        (Standing(plan_known=False, offline=True), Skipped.PLAN_UNKNOWN),
    ],
)
def test_what_would_not_have_run_anyhow_is_one_stretch(standing: Standing, reason: Skipped) -> None:
    (whole,) = records(EVERY.stretch(DUE, DUE + timedelta(hours=1)), Skipped.NOT_RUNNING, standing)
    assert (whole.count, whole.reason) == (5, reason)


def test_a_run_is_late_after_the_tolerance_and_never_early() -> None:
    assert started(DUE, DUE + timedelta(seconds=LATE_AFTER_S)) == (SlotState.RAN, LATE_AFTER_S)
    assert started(DUE, DUE + timedelta(seconds=LATE_AFTER_S + 0.1)) == (SlotState.LATE, LATE_AFTER_S + 0.1)
    assert started(DUE, DUE - timedelta(hours=1)) == (SlotState.RAN, 0.0)


def test_clocks_tell_why_slots_were_missed() -> None:
    clock, clocks = FakeClock(), Clocks()
    assert clocks.gap(clock.wall(), clock.monotonic()) == Gap(missed=Skipped.NOT_RUNNING, set_back=None)
    clocks.looked(clock.wall(), clock.monotonic())
    clock.goes(40)
    assert clocks.gap(clock.wall(), clock.monotonic()) == Gap(missed=Skipped.OVERLOADED)
    clocks.failed()
    assert clocks.gap(clock.wall(), clock.monotonic()) == Gap(missed=Skipped.STORAGE_DOWN)
    clock.jumps(3600)
    assert clocks.gap(clock.wall(), clock.monotonic()) == Gap(missed=Skipped.CLOCK_JUMP)
    clocks.looked(clock.wall(), clock.monotonic())
    clock.goes(0.5)
    clock.jumps(-3600)
    back = clocks.gap(clock.wall(), clock.monotonic()).set_back
    assert back == timedelta(hours=1)
    clocks.looked(clock.wall(), clock.monotonic())
    clock.goes(0.5)
    assert clocks.gap(clock.wall(), clock.monotonic()) == Gap(missed=Skipped.OVERLOADED)


@pytest.mark.parametrize("seconds", [-0.9, 0.0, 1.9])
def test_what_a_clock_is_off_by_between_looks_is_no_jump(seconds: float) -> None:
    clock, clocks = FakeClock(), Clocks()
    clocks.looked(clock.wall(), clock.monotonic())
    clock.goes(0.5)
    clock.jumps(seconds)
    assert clocks.gap(clock.wall(), clock.monotonic()) == Gap(missed=Skipped.OVERLOADED)
