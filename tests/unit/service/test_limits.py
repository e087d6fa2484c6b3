"""Limits: their names, their periods, and what is said of them."""

from datetime import UTC, date, datetime

import pytest

from service.amounts import Amounts
from service.limits import Limit, first_day, in_unit, limits_in, reached, resets_at, would_exceed

DAY = date(2026, 12, 31)


def limit(unit: str = "tokens", period: str = "day", amount: float = 1_000, where: str = "limits") -> Limit:
    return Limit(scope=1, where=where, unit=unit, period=period, amount=amount)


def test_only_those_that_are_set_are_limits_and_they_are_named_as_the_user_wrote_them() -> None:
    given = {"concurrency": 8, "tokens_per_day": 5, "usd_per_day": None, "usd_per_month": 2.5}
    found = limits_in(given, scope=3, where="limits")
    assert [(one.name, one.amount, one.scope) for one in found] == [
        ("limits.tokens_per_day", 5.0, 3), ("limits.usd_per_month", 2.5, 3),
    ]  # fmt: skip
    assert [one.name for one in limits_in({"tokens_per_month": 9}, scope=0, where="budget")] == [
        "budget.tokens_per_month"
    ]


@pytest.mark.parametrize(
    ("period", "day", "first", "reset"),
    [
        ("day", date(2026, 2, 28), date(2026, 2, 28), datetime(2026, 3, 1, tzinfo=UTC)),
        ("day", date(2028, 2, 28), date(2028, 2, 28), datetime(2028, 2, 29, tzinfo=UTC)),
        ("day", date(2026, 12, 31), date(2026, 12, 31), datetime(2027, 1, 1, tzinfo=UTC)),
        ("month", date(2026, 1, 31), date(2026, 1, 1), datetime(2026, 2, 1, tzinfo=UTC)),
        ("month", date(2026, 2, 1), date(2026, 2, 1), datetime(2026, 3, 1, tzinfo=UTC)),
        ("month", date(2026, 12, 15), date(2026, 12, 1), datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_periods_begin_and_end_at_midnight_utc(period: str, day: date, first: date, reset: datetime) -> None:
    assert first_day(period, day) == first
    assert resets_at(period, day) == reset


def test_tokens_hold_the_judges_share() -> None:
    amounts = Amounts(prompt_tokens=1, completion_tokens=2, judge_prompt_tokens=4, judge_completion_tokens=8, usd=0.5)
    assert in_unit(amounts, "tokens") == 15
    assert in_unit(amounts, "usd") == 0.5
    assert in_unit(Amounts(), "usd") == 0


def test_a_refusal_says_what_is_needed_what_is_left_and_when_that_changes() -> None:
    found = would_exceed(limit(), needed=800, left=200, reserved=0, basis="measured", day=DAY)
    assert found.detail == (
        "it may take 800 tokens (measured on its last runs), and 200 of the 1,000 of limits.tokens_per_day are left "
        "today; the limit resets at 2027-01-01T00:00Z"
    )
    assert found.remedy == "wait until 2027-01-01T00:00Z, or raise limits.tokens_per_day"


def test_a_refusal_for_what_others_have_set_aside_says_so() -> None:
    found = would_exceed(
        limit("usd", "month", 2.0, "budget"), needed=1.5, left=-0.5, reserved=2.5, basis="plan", day=DAY
    )
    assert "it may take 1.5000 USD (estimated from the text)" in found.detail
    assert "0.0000 of the 2.0000 of budget.usd_per_month are left this month" in found.detail
    assert "(2.5000 more are set aside for runs under way)" in found.detail


def test_a_limit_that_is_smaller_than_one_run_is_told_from_one_that_is_used_up() -> None:
    """Waiting would not help."""
    found = would_exceed(limit(amount=100), needed=800, left=100, reserved=0, basis="plan", day=DAY)
    assert found.remedy.startswith("raise limits.tokens_per_day to 800 or more")
    assert "wait" not in found.remedy


def test_a_run_under_way_is_told_which_limit_it_reached() -> None:
    found = reached(limit(), spent=1_003, day=DAY)
    assert "1,003 of the 1,000 tokens of limits.tokens_per_day are used today" in found.detail
    assert "2027-01-01T00:00Z" in found.detail
