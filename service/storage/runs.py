"""Runs in the database: the queue and the leases."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.storage.holder import is_gone, me
from service.storage.schema import RunRow

LEASE = timedelta(seconds=30)
"""A running run whose worker has not renewed it for this long is taken over."""
FINISHED = ("succeeded", "partial", "failed", "cancelled")


class LostLeaseError(Exception):
    """Another worker has taken the run over, or it was deleted; this one must stop without writing."""


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """`purpose`: scheduled, requested, follow_up or confirm. `focus`: what of the plan is in doubt, and is asked alone.
    `complete`: ask to the end, even when the evidence has decided."""

    endpoint_id: int
    plan: str
    slot: str
    banks_hash: str
    total: int
    purpose: str = "scheduled"
    focus: dict[str, Any] | None = None
    complete: bool = False


def run_id(now: datetime) -> str:
    """32 hex digits that sort by time of creation: milliseconds, then chance."""
    return f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}"


def new_seed() -> int:
    """What a run's questions are drawn from: by chance, so that no provider can foresee them."""
    return secrets.randbits(63)


async def enqueue(session: AsyncSession, new: NewRun, now: datetime) -> tuple[RunRow, bool]:
    """The run of a slot and whether it is new. Asking for the same slot again returns the same run."""
    values = {
        "id": run_id(now),
        "endpoint_id": new.endpoint_id,
        "plan": new.plan,
        "slot": new.slot,
        "seed": new_seed(),
        "banks_hash": new.banks_hash,
        "state": "queued",
        "created_at": now,
        "total": new.total,
        "cancel_requested": False,
        "purpose": new.purpose,
        "focus": new.focus,
        "complete": new.complete,
        **dict.fromkeys(("answered", "requests", "prompt_tokens", "completion_tokens"), 0),
    }
    await session.execute(insert(RunRow).values(**values).on_conflict_do_nothing())
    row = await session.scalar(
        select(RunRow).where(RunRow.endpoint_id == new.endpoint_id, RunRow.plan == new.plan, RunRow.slot == new.slot)
    )
    if row is None:
        raise LookupError(f"run of slot {new.slot!r} vanished while it was queued")
    return row, row.id == values["id"]


async def other_plan(session: AsyncSession, endpoint_id: int, slot: str, plan: str) -> str | None:
    """Another plan that has a run of this slot, if there is one."""
    query = select(RunRow.plan).where(RunRow.endpoint_id == endpoint_id, RunRow.slot == slot, RunRow.plan != plan)
    return await session.scalar(query.limit(1))


async def claim(session: AsyncSession, now: datetime, *, not_these: Collection[str] = ()) -> RunRow | None:
    """Take the oldest run that is queued or whose lease ran out; one an endpoint at a time: evidence is a sequence.

    `not_these`: runs that the caller has in hand. Their leases may run out while the database cannot be written to.
    """
    other = aliased(RunRow)
    busy = select(other.id).where(
        other.endpoint_id == RunRow.endpoint_id,
        other.id != RunRow.id,
        other.state == "running",
        or_(other.lease_until >= now, other.id.in_(not_these)),
    )
    queued = (RunRow.state == "queued") & RunRow.paused.is_(False)
    free = (queued | ((RunRow.state == "running") & (RunRow.lease_until < now))) & RunRow.id.not_in(not_these)
    candidate = (
        select(RunRow.id).where(free, ~busy.exists()).order_by(RunRow.created_at, RunRow.id).limit(1).scalar_subquery()
    )
    lease = f"{me()}#{secrets.token_hex(8)}"
    values: dict[str, Any] = {
        "state": "running",
        "lease": lease,
        "lease_until": now + LEASE,
        "started_at": func.coalesce(RunRow.started_at, now),
    }
    await session.execute(
        update(RunRow).where(RunRow.id == candidate).values(**values).execution_options(synchronize_session=False)
    )
    return await session.scalar(select(RunRow).where(RunRow.lease == lease))


async def orphans(session: AsyncSession, now: datetime) -> int:
    """End the leases of processes of this machine that are no more, rather than wait for them to run out."""
    rows = await session.execute(
        select(RunRow.id, RunRow.lease).where(RunRow.state == "running", RunRow.lease_until >= now)
    )
    gone = [(run, lease) for run, lease in rows.all() if lease and is_gone(lease.partition("#")[0])]
    for run, lease in gone:
        await session.execute(
            update(RunRow).where(RunRow.id == run, RunRow.lease == lease).values(lease_until=now - timedelta(seconds=1))
        )
    return len(gone)


async def held(session: AsyncSession, run: RunRow, now: datetime) -> RunRow:
    """Renew the lease and return the row as it is. Raises LostLeaseError."""
    query = select(RunRow).where(RunRow.id == run.id, RunRow.lease == run.lease, RunRow.state == "running")
    row = await session.scalar(query.execution_options(populate_existing=True))
    if row is None:
        raise LostLeaseError(run.id)
    row.lease_until = now + LEASE
    return row


async def release(session: AsyncSession, run: RunRow) -> None:
    """Put a run back in the queue, for the next worker to resume from its stored answers."""
    await session.execute(
        update(RunRow)
        .where(RunRow.id == run.id, RunRow.lease == run.lease, RunRow.state == "running")
        .values(state="queued", lease=None, lease_until=None)
    )


async def set_paused(session: AsyncSession, run: RunRow, *, paused: bool) -> None:
    """Hold an unfinished run, or let it go on. Its worker stops asking and puts it back in the queue."""
    await session.execute(
        update(RunRow).where(RunRow.id == run.id, RunRow.state.in_(("queued", "running"))).values(paused=paused)
    )


async def pause_all(session: AsyncSession, endpoint_id: int, *, paused: bool) -> None:
    """Hold, or let go on, every unfinished run of an endpoint."""
    mine = (RunRow.endpoint_id == endpoint_id, RunRow.state.in_(("queued", "running")))
    await session.execute(update(RunRow).where(*mine).values(paused=paused))


async def request_cancel(session: AsyncSession, run: RunRow, now: datetime) -> None:
    """Cancel a queued run at once, and ask the worker of a running one to stop."""
    await session.execute(
        update(RunRow).where(RunRow.id == run.id, RunRow.state == "queued").values(state="cancelled", finished_at=now)
    )
    await session.execute(update(RunRow).where(RunRow.id == run.id).values(cancel_requested=True))
