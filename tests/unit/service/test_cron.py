"""Weekdays as crontab(5) counts them."""

from datetime import UTC, datetime, timedelta

import pytest

from service import cron
from service.schedules import parse_schedule

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def days(expression: str) -> str:
    """The weekdays of two weeks at which it is due."""
    at, found = MONDAY - timedelta(seconds=1), []
    while (due := cron.after(expression, at)) is not None and due < MONDAY + timedelta(days=7):
        found.append(f"{due:%a}")
        at = due
    return " ".join(dict.fromkeys(found))


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("0", "Sun"), ("7", "Sun"), ("1", "Mon"), ("6", "Sat"), ("1-5", "Mon Tue Wed Thu Fri"), ("0-2", "Mon Tue Sun"),
        ("5-7", "Fri Sat Sun"), ("0,3", "Wed Sun"), ("1-5/2", "Mon Wed Fri"), ("1/2", "Mon Wed Fri"), ("sun", "Sun"),
        ("mon-wed", "Mon Tue Wed"), ("*", "Mon Tue Wed Thu Fri Sat Sun"),
    ],
)  # fmt: skip
def test_the_weekday_field(field: str, expected: str) -> None:
    assert days(f"0 9 * * {field}") == expected


@pytest.mark.parametrize("field", ["8", "5-1", "1-9"])
def test_days_that_are_none_are_refused_by_name(field: str) -> None:
    with pytest.raises(ValueError, match="Sunday is 0 or 7"):
        parse_schedule(f"0 9 * * {field}")


def test_a_time_that_never_comes() -> None:
    assert cron.after("0 0 30 2 *", MONDAY) is None
    with pytest.raises(ValueError, match="never comes due"):
        parse_schedule("0 0 30 2 *").first(MONDAY)
