"""Limits on what asking may cost: their names, their periods, and what is said when one is reached. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from probes.types import Problem, Reason
from service.amounts import Amounts

PERIODS = ("day", "month")
UNITS = ("tokens", "usd")
WORDS = {"day": "today", "month": "this month"}


@dataclass(frozen=True, kw_only=True)
class Limit:
    """`amount` of `unit` (tokens, usd) in a `period` (day, month) for a scope. `where`: limits, or budget for all."""

    scope: int
    where: str
    unit: str
    period: str
    amount: float

    @property
    def name(self) -> str:
        """As the user wrote it: `limits.usd_per_day`, `budget.tokens_per_month`."""
        return f"{self.where}.{self.unit}_per_{self.period}"


def limits_in(given: Mapping[str, Any], *, scope: int, where: str) -> tuple[Limit, ...]:
    """Those that are set."""
    return tuple(
        Limit(scope=scope, where=where, unit=unit, period=period, amount=float(amount))
        for period in PERIODS
        for unit in UNITS
        if (amount := given.get(f"{unit}_per_{period}")) is not None
    )


def in_unit(amounts: Amounts, unit: str) -> float:
    return float(amounts.tokens) if unit == "tokens" else amounts.usd or 0.0


def first_day(period: str, day: date) -> date:
    """Of the UTC day or month that `day` is in."""
    return day if period == "day" else day.replace(day=1)


def resets_at(period: str, day: date) -> datetime:
    """Midnight UTC when the next day or month begins."""
    after = day + timedelta(days=1) if period == "day" else (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return datetime.combine(after, time(), tzinfo=UTC)


def would_exceed(limit: Limit, *, needed: float, left: float, reserved: float, basis: str, day: date) -> Problem:
    """Why a run is not started: what it may take, what is left, and when that changes."""
    until = _moment(resets_at(limit.period, day))
    guess = {"measured": "measured on its last runs", "mixed": "in part measured"}.get(basis, "estimated from the text")
    aside = f" ({_figure(limit.unit, reserved)} more are set aside for runs under way)" if reserved > 0 else ""
    if needed > limit.amount:
        remedy = f"raise {limit.name} to {_figure(limit.unit, needed)} or more, or ask less: one such run exceeds it"
    else:
        remedy = f"wait until {until}, or raise {limit.name}"
    detail = (
        f"it may take {_figure(limit.unit, needed)} {_unit(limit.unit)} ({guess}), and "
        f"{_figure(limit.unit, max(left, 0.0))} of the {_figure(limit.unit, limit.amount)} of {limit.name} are left "
        f"{WORDS[limit.period]}{aside}; the limit resets at {until}"
    )
    return Problem(reason=Reason.BUDGET_EXHAUSTED, detail=detail, remedy=remedy)


def reached(limit: Limit, *, spent: float, day: date) -> Problem:
    """Why a run under way asks no more."""
    until = _moment(resets_at(limit.period, day))
    detail = (
        f"{_figure(limit.unit, spent)} of the {_figure(limit.unit, limit.amount)} {_unit(limit.unit)} of {limit.name} "
        f"are used {WORDS[limit.period]}, with what is under way; the limit resets at {until}"
    )
    return Problem(reason=Reason.BUDGET_EXHAUSTED, detail=detail, remedy=f"wait until {until}, or raise {limit.name}")


def _figure(unit: str, value: float) -> str:
    return f"{value:,.0f}" if unit == "tokens" else f"{value:,.4f}"


def _unit(unit: str) -> str:
    return "tokens" if unit == "tokens" else "USD"


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%MZ")
