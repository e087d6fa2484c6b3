"""How many false alarms the user accepts, and what that makes of the threshold of each detector.

Either one false alarm in N heartbeats of an endpoint and arm, or so many false pages a quarter over the whole fleet:
then each heartbeat of each arm gets the same share, and the threshold follows from how many there are in a quarter.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.types import ARM_PROBES, Arm
from probes.types import Plan
from service.schedules import Cron, parse_schedule
from service.storage.schema import CounterRow, EndpointRow, ScheduleRow

QUARTER = timedelta(days=365.25 / 4)
COUNTER = "false_alarms_spent"
FRESH_S = 60.0
"""The fleet is counted again after so long."""
LEAST_LOG10 = 2.0
"""A threshold is never lower, however few heartbeats there are: one in 100 is no evidence."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """One endpoint's part in what the fleet may cost: false pages a quarter, at most, by arm."""

    endpoint: str
    heartbeats: Mapping[Arm, float]


class FalseAlarms:
    """The promise as the user has set it. `pages_per_quarter` takes precedence over `per_heartbeats`."""

    def __init__(self, *, per_heartbeats: float, pages_per_quarter: float | None, plans: Mapping[str, Plan]) -> None:
        self._per_heartbeats = per_heartbeats
        self._pages = pages_per_quarter
        self._plans = plans
        self._counted: tuple[float, float] | None = None

    @property
    def promise(self) -> str:
        if self._pages is not None:
            return f"at most {self._pages:g} false pages a quarter over all endpoints, on average"
        return f"at most one false alarm in {self._per_heartbeats:,.0f} heartbeats of an endpoint's arm, on average"

    @property
    def alone(self) -> float:
        """The threshold, as a logarithm, of a promise that is made for each endpoint by itself."""
        return round(math.log10(self._per_heartbeats), 6)

    async def threshold_log10(self, session: AsyncSession) -> float:
        """Of every detector, now."""
        if self._pages is None:
            return self.alone
        if self._counted is None or time.monotonic() - self._counted[0] > FRESH_S:
            total = sum(sum(share.heartbeats.values()) for share in await self.shares(session))
            self._counted = (time.monotonic(), total)
        return round(max(math.log10(max(self._counted[1], 1.0) / self._pages), LEAST_LOG10), 6)

    def forget(self) -> None:
        """Count the fleet anew: it was changed."""
        self._counted = None

    async def shares(self, session: AsyncSession) -> list[Share]:
        """Scheduled heartbeats of each endpoint and arm in a quarter."""
        query = select(EndpointRow.name, ScheduleRow.plan, ScheduleRow.spec).join(EndpointRow)
        found: dict[str, dict[Arm, float]] = {}
        for name, plan, spec in (
            await session.execute(query.where(~EndpointRow.paused).order_by(EndpointRow.name))
        ).all():
            beats = QUARTER / interval(spec)
            arms = found.setdefault(name, dict.fromkeys(Arm, 0.0))
            for arm in arms_of(self._plans.get(plan)):
                arms[arm] += beats
        return [Share(endpoint=name, heartbeats=arms) for name, arms in found.items()]

    async def spent(self, session: AsyncSession, now: datetime) -> dict[str, float]:
        """False alarms to be expected at most from the heartbeats of this quarter so far, by endpoint."""
        query = (
            select(EndpointRow.name, func.sum(CounterRow.value))
            .join(EndpointRow)
            .where(CounterRow.name == COUNTER, CounterRow.label == quarter(now))
            .group_by(EndpointRow.name)
        )
        return {name: float(value) for name, value in (await session.execute(query)).all()}


def arms_of(plan: Plan | None) -> list[Arm]:
    """The arms that a plan asks about."""
    asked = {selection.probe for selection in plan.selections} if plan else set()
    return [arm for arm in Arm if asked & set(ARM_PROBES[arm])]


def quarter(now: datetime) -> str:
    """Such as `2026-Q4`, in UTC."""
    utc = now.astimezone(UTC)
    return f"{utc.year}-Q{(utc.month + 2) // 3}"


@lru_cache(maxsize=4096)
def interval(spec: str) -> timedelta:
    """Between two runs of a schedule, on average over its next few. Raises ValueError for what is no schedule."""
    schedule = parse_schedule(spec)
    if not isinstance(schedule, Cron):
        return schedule.interval
    first = at = schedule.first(datetime.now(UTC))
    runs = 14  # two weeks of a daily one
    for _ in range(runs):
        at = schedule.follow(at)
    return (at - first) / runs
