"""When a schedule has been without success for too long."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from service.overdue import expected, overdue

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # a Friday


def late(
    spec: str, now: datetime, *, paused: bool = False, since: datetime | None = START, **ran: datetime
) -> list[str]:
    endpoint: Any = SimpleNamespace(paused=paused, created_at=START - timedelta(days=400))
    schedule: Any = SimpleNamespace(plan="heartbeat", spec=spec, since=since)
    return [one.plan for one in overdue(endpoint, [schedule], ran, now)]


@pytest.mark.parametrize(
    ("spec", "since", "due"),
    [
        ("PT15M", START, START + timedelta(minutes=30)),
        ("P1D", START, START + timedelta(days=2)),
        ("0 9 * * 1-5", START, datetime(2026, 11, 24, 9, 0, tzinfo=UTC)),  # over a weekend: Monday, then Tuesday
        ("0 9 * * 1-5", START - timedelta(days=2), datetime(2026, 11, 20, 9, 0, tzinfo=UTC)),
    ],
)
def test_a_second_success_is_expected_after_two_slots(spec: str, since: datetime, due: datetime) -> None:
    assert expected(spec, since) == due


def test_one_failure_is_allowed_and_two_are_not() -> None:
    assert late("PT15M", START + timedelta(minutes=30)) == []
    assert late("PT15M", START + timedelta(minutes=31)) == ["heartbeat"]
    assert late("PT15M", START + timedelta(minutes=31), heartbeat=START + timedelta(minutes=15)) == []


def test_a_schedule_that_was_added_today_is_not_overdue_since_the_endpoint_was_registered() -> None:
    assert late("P7D", START + timedelta(days=1)) == []
    assert late("P7D", START + timedelta(days=1), since=None) == ["heartbeat"], "declared by an earlier release"


def test_a_success_before_the_schedule_was_declared_does_not_count_against_it() -> None:
    assert late("P1D", START + timedelta(days=1), heartbeat=START - timedelta(days=30)) == []


def test_a_paused_endpoint_is_never_overdue() -> None:
    assert late("PT15M", START + timedelta(days=9), paused=True) == []


def test_a_schedule_that_cannot_be_read_stops_no_other_and_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    endpoint: Any = SimpleNamespace(name="prod", paused=False, created_at=START)
    schedules: Any = [
        SimpleNamespace(plan=plan, spec=spec, since=START)
        for plan, spec in (("full", "every now and then"), ("heartbeat", "PT15M"))
    ]
    for _ in range(3):
        found = overdue(endpoint, schedules, {}, START + timedelta(days=9))
        assert [one.plan for one in found] == ["heartbeat"]
    assert capsys.readouterr().out.count("cannot be read") == 1
