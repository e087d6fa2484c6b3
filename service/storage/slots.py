"""Slots in the database: what became of each, in stretches, and schedules that are anchored anew."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from probes.types import Reason
from service.schedules import schedule_of
from service.slots import Record, Skipped, SlotState, started
from service.storage.runs import FINISHED
from service.storage.schema import EndpointRow, RunRow, ScheduleRow, SlotRow

Counts = Counter[tuple[int, str, str, str]]
"""(endpoint id, plan, state, reason) -> slots that ended so."""


@dataclass(frozen=True, kw_only=True)
class Due:
    """A schedule that is due, its endpoint and its newest slot."""

    schedule: ScheduleRow
    endpoint: EndpointRow
    newest: SlotRow | None


async def any_due(session: AsyncSession, now: datetime) -> bool:
    return await session.scalar(select(ScheduleRow.id).where(ScheduleRow.next_due <= now).limit(1)) is not None


async def due(session: AsyncSession, now: datetime, limit: int) -> Sequence[Due]:
    """Schedules with slots up to `now`, the oldest first."""
    query = (
        select(ScheduleRow, EndpointRow, SlotRow)
        .join(EndpointRow, EndpointRow.id == ScheduleRow.endpoint_id)
        .outerjoin(SlotRow, SlotRow.id == ScheduleRow.slot_id)
        .where(ScheduleRow.next_due <= now)
        .order_by(ScheduleRow.next_due)
        .limit(limit)
    )
    found = (await session.execute(query)).all()
    return [Due(schedule=schedule, endpoint=endpoint, newest=newest) for schedule, endpoint, newest in found]


async def waiting_runs(session: AsyncSession, endpoint_ids: Collection[int]) -> set[tuple[int, str]]:
    """(endpoint id, plan) of the runs that wait for a worker."""
    query = select(RunRow.endpoint_id, RunRow.plan).where(
        RunRow.endpoint_id.in_(endpoint_ids), RunRow.state == "queued"
    )
    return {(endpoint_id, plan) for endpoint_id, plan in await session.execute(query)}


async def record(session: AsyncSession, of: Due, found: Record, run_id: str | None, newest: SlotRow | None) -> SlotRow:
    """Store a record; one that only goes on with the stretch of `newest` is added to it. Returns the newest slot."""
    if (
        newest is not None
        and found.state == SlotState.SKIPPED == newest.state
        and (newest.reason, newest.era) == (found.reason, of.schedule.era)
    ):
        newest.until, newest.count = found.until, newest.count + found.count
        return newest
    row = SlotRow(
        endpoint_id=of.endpoint.id, plan=of.schedule.plan, era=of.schedule.era, due=found.due, until=found.until,
        count=found.count, state=str(found.state), reason=str(found.reason) if found.reason else None, run_id=run_id,
    )  # fmt: skip
    session.add(row)
    await session.flush()
    of.schedule.slot_id = row.id
    return row


async def any_to_settle(session: AsyncSession) -> bool:
    return await session.scalar(_to_settle().limit(1)) is not None


async def settle(session: AsyncSession) -> tuple[Counts, Mapping[tuple[int, str], float]]:
    """End the waiting slots whose run has started, or never will. Returns what ended, and the newest lateness (s) by
    endpoint id and plan."""
    counts: Counts = Counter()
    late: dict[tuple[int, str], float] = {}
    for slot, run in (await session.execute(_to_settle().add_columns(RunRow))).all():
        if run is not None and run.started_at is not None:
            state, slot.late_s = started(slot.due, run.started_at)
            slot.state = str(state)
            late[slot.endpoint_id, slot.plan] = slot.late_s
        else:
            slot.state, slot.reason = str(SlotState.SKIPPED), str(Skipped.CANCELLED)
        counts[slot.endpoint_id, slot.plan, slot.state, slot.reason or ""] += 1
    return counts, late


def _to_settle() -> Select[SlotRow]:
    over = or_(RunRow.id.is_(None), RunRow.started_at.is_not(None), RunRow.state.in_(FINISHED))
    waits = SlotRow.state == str(SlotState.WAITING)
    return select(SlotRow).outerjoin(RunRow, RunRow.id == SlotRow.run_id).where(waits, over).order_by(SlotRow.id)


async def anchor_anew(session: AsyncSession, now: datetime, set_back: timedelta | None) -> int:
    """After the clock was set back by `set_back` to `now`: no schedule waits until it has caught up. None: unknown,
    then a schedule whose newest slot lies in the future tells. Returns how many were moved."""
    moved = 0
    query = (
        select(ScheduleRow, EndpointRow.name, SlotRow.until)
        .join(EndpointRow, EndpointRow.id == ScheduleRow.endpoint_id)
        .outerjoin(SlotRow, SlotRow.id == ScheduleRow.slot_id)
        .where(ScheduleRow.next_due > now)
    )
    for row, name, until in (await session.execute(query)).all():
        if set_back is None and until is not None and until <= now:
            continue
        remaining = row.next_due - now - set_back if set_back is not None else None
        anew = schedule_of(row.spec, name, row.plan).after_set_back(now, remaining)
        if anew < row.next_due:
            row.next_due, row.era = anew, row.era + 1
            moved += 1
    return moved


async def next_era(session: AsyncSession, endpoint_id: int, plan: str) -> int:
    """The era of a schedule that is made now: none of its slots can be mistaken for one before."""
    query = select(func.max(SlotRow.era)).where(SlotRow.endpoint_id == endpoint_id, SlotRow.plan == plan)
    newest = await session.scalar(query)
    return 0 if newest is None else newest + 1


async def watch_from(session: AsyncSession, endpoint_id: int, now: datetime) -> None:
    """After a pause: that no run has succeeded counts from now on."""
    await session.execute(update(ScheduleRow).where(ScheduleRow.endpoint_id == endpoint_id).values(since=now))


async def catch_up(session: AsyncSession, endpoint_id: int, now: datetime, *, plans: Collection[str] = ()) -> None:
    """Make due at once what was skipped last because the endpoint was down, and `plans`."""
    missed = (
        select(SlotRow.id)
        .where(SlotRow.id == ScheduleRow.slot_id, SlotRow.reason == str(Skipped.ENDPOINT_DOWN))
        .exists()
    )
    await _due_at_once(session, now, ScheduleRow.endpoint_id == endpoint_id, or_(missed, ScheduleRow.plan.in_(plans)))


async def catch_up_after_offline(session: AsyncSession, now: datetime) -> None:
    """Make due at once what was skipped last because we were offline, and what ended early because of it."""
    missed = (
        select(SlotRow.id)
        .outerjoin(RunRow, RunRow.id == SlotRow.run_id)
        .where(SlotRow.id == ScheduleRow.slot_id)
        .where(or_(SlotRow.reason == str(Skipped.OFFLINE), RunRow.reason == str(Reason.OFFLINE)))
        .exists()
    )
    await _due_at_once(session, now, missed)


async def _due_at_once(session: AsyncSession, now: datetime, *which: ColumnElement[bool]) -> None:
    await session.execute(
        update(ScheduleRow)
        .where(ScheduleRow.next_due > now, *which)
        .values(next_due=now)
        .execution_options(synchronize_session=False)
    )


async def newest_first(
    session: AsyncSession,
    endpoint_id: int,
    *,
    limit: int,
    before: int | None = None,
    plan: str | None = None,
    state: str | None = None,
) -> Sequence[SlotRow]:
    """Slots of an endpoint, those with an id under `before`."""
    query = select(SlotRow).where(SlotRow.endpoint_id == endpoint_id)
    if before is not None:
        query = query.where(SlotRow.id < before)
    if plan is not None:
        query = query.where(SlotRow.plan == plan)
    if state is not None:
        query = query.where(SlotRow.state == state)
    return (await session.scalars(query.order_by(SlotRow.id.desc()).limit(limit))).all()
