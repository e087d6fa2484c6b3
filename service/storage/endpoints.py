"""Endpoints and their schedules in the database."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from probes.types import Problem
from service.schedules import parse_schedule
from service.storage import newest, spending
from service.storage.newest import ACTIVE
from service.storage.schema import EndpointRow, RunRow, ScheduleRow
from service.storage.slots import next_era

DETAILS = tuple(
    defer(column, raiseload=True)
    for column in (
        RunRow.comparison, RunRow.judge, RunRow.wording, RunRow.savings, RunRow.basis, RunRow.configuration,
        RunRow.attribution, RunRow.focus, RunRow.escalation, RunRow.estimate, RunRow.latency,
    )
)  # fmt: skip
"""Of a run, what a list does not show."""


async def by_name(session: AsyncSession, name: str) -> EndpointRow | None:
    return await session.scalar(select(EndpointRow).where(EndpointRow.name == name))


async def all_endpoints(session: AsyncSession) -> Sequence[EndpointRow]:
    return (await session.scalars(select(EndpointRow).order_by(EndpointRow.name))).all()


async def schedules_of(session: AsyncSession, endpoint_ids: Sequence[int]) -> dict[int, list[ScheduleRow]]:
    """Schedules by endpoint id, each list by plan name."""
    found: dict[int, list[ScheduleRow]] = {endpoint_id: [] for endpoint_id in endpoint_ids}
    query = select(ScheduleRow).where(ScheduleRow.endpoint_id.in_(endpoint_ids)).order_by(ScheduleRow.plan)
    for row in await session.scalars(query):
        found[row.endpoint_id].append(row)
    return found


async def set_schedules(session: AsyncSession, endpoint_id: int, specs: dict[str, str], now: datetime) -> None:
    """Replace the schedules. One that stays as it is keeps its next slot."""
    kept = {row.plan: row for row in (await schedules_of(session, [endpoint_id]))[endpoint_id]}
    for plan, row in kept.items():
        if specs.get(plan) != row.spec:
            await session.delete(row)
    await session.flush()
    for plan, spec in specs.items():
        if plan not in kept or kept[plan].spec != spec:
            first = parse_schedule(spec).first(now)
            era = await next_era(session, endpoint_id, plan)
            session.add(ScheduleRow(endpoint_id=endpoint_id, plan=plan, spec=spec, next_due=first, era=era, since=now))


async def remove(session: AsyncSession, endpoint_id: int) -> None:
    """Forget an endpoint with everything that belongs to it. `service.farewell` comes before: alerts go with it."""
    await spending.forget(session, endpoint_id)
    await session.execute(delete(EndpointRow).where(EndpointRow.id == endpoint_id))


async def set_health(session: AsyncSession, endpoint_id: int, problem: Problem | None, now: datetime) -> None:
    values = {
        "health": "down" if problem else "up",
        "health_reason": str(problem.reason) if problem else None,
        "health_detail": problem.detail if problem else None,
        "health_remedy": problem.remedy if problem else None,
        "health_at": now,
    }
    await session.execute(update(EndpointRow).where(EndpointRow.id == endpoint_id).values(**values))


async def last_runs(session: AsyncSession, endpoint_ids: Sequence[int]) -> dict[int, RunRow]:
    """The newest finished run of each endpoint that has one, without its details (`DETAILS`)."""
    query = select(RunRow).join(EndpointRow, RunRow.id == newest.finished()).where(EndpointRow.id.in_(endpoint_ids))
    return {run.endpoint_id: run for run in await session.scalars(query.options(*DETAILS))}


async def active_runs(session: AsyncSession, endpoint_ids: Sequence[int]) -> dict[int, RunRow]:
    """The run that is going on, or waits, for each endpoint that has one, without its details."""
    wanted = set(endpoint_ids)
    # of all endpoints: there are few such runs, and they have an index of their own
    query = select(RunRow).where(RunRow.state.in_(ACTIVE)).order_by(RunRow.state, RunRow.id)
    runs = (await session.scalars(query.options(*DETAILS))).all()
    return {run.endpoint_id: run for run in runs if run.endpoint_id in wanted}
