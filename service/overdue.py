"""Schedules without a successful run for too long: what the dead man's rule goes by."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.types import Overdue
from service import cron
from service.log import logger
from service.schedules import Cron, parse_schedule
from service.storage.schema import CounterRow, EndpointRow, RunRow, ScheduleRow

log = logger()


@lru_cache(maxsize=20_000)
def expected(spec: str, since: datetime) -> datetime:
    """When a schedule should have led to a second successful run, had it last done so at `since`: one may fail."""
    return following(spec, following(spec, since))


def following(spec: str, at: datetime) -> datetime:
    """The first time after `at` that a schedule asks for; of an interval, counted from `at`."""
    schedule = parse_schedule(spec)
    if isinstance(schedule, Cron):
        found = cron.after(schedule.expression, at)
        return found if found is not None else datetime.max.replace(tzinfo=UTC)
    return at + schedule.interval


@lru_cache(maxsize=1000)
def _unreadable(endpoint: str, plan: str, spec: str, error: str) -> None:
    """Cached, so that it is said once and not at every look."""
    log.error(
        "schedule cannot be read, so nothing tells when it is overdue; set it again with PATCH /api/v1/endpoints/NAME",
        action="schedule_unreadable", endpoint=endpoint, plan=plan, spec=spec, error=error,
    )  # fmt: skip


def overdue(
    endpoint: EndpointRow, schedules: Sequence[ScheduleRow], successes: Mapping[str, datetime], now: datetime
) -> tuple[Overdue, ...]:
    """The schedules of an endpoint that are. A paused endpoint has none, and one that cannot be read is left out.
    `successes`: the last one by plan."""
    if endpoint.paused:
        return ()
    found = []
    for one in schedules:
        began = one.since or endpoint.created_at
        since = max(began, successes.get(one.plan, began))
        try:
            due = expected(one.spec, since)
        except ValueError as error:  # one that cannot be read must not stop the clock of all alerts
            _unreadable(endpoint.name, one.plan, one.spec, str(error))
            continue
        if now > due:
            found.append(Overdue(plan=one.plan, spec=one.spec, since=since, expected=due))
    return tuple(found)


async def last_successes(session: AsyncSession) -> dict[int, dict[str, datetime]]:
    """By endpoint and plan."""
    query = select(CounterRow.endpoint_id, CounterRow.label, CounterRow.value).where(CounterRow.name == "last_success")
    found: dict[int, dict[str, datetime]] = {}
    for endpoint_id, plan, value in (await session.execute(query)).all():
        found.setdefault(endpoint_id, {})[plan] = datetime.fromtimestamp(value, tz=UTC)
    return found


async def under_way(session: AsyncSession, now: datetime) -> frozenset[int]:
    """Endpoints with a run that a living worker has in hand. A run has a deadline, so that none is for ever."""
    query = select(RunRow.endpoint_id).where(RunRow.state == "running", RunRow.lease_until >= now)
    return frozenset((await session.scalars(query)).all())
