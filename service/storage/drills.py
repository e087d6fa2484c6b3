"""Fire drills in the database. A drill writes here, and into flips and deliveries under its own id; nowhere else."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import render
from alerts.types import DrillOutcome, Flip, Notice
from service.overdue import expected, following
from service.schedules import Cron, parse_schedule
from service.storage import alerts as alert_store
from service.storage.schema import DeliveryRow, DrillRow

STAGES = ("detected", "fired", "queued", "delivered", "cleared", "clear_queued", "clear_delivered")
"""In their order."""


@dataclass(kw_only=True)
class Drill:
    """How far a drill has come. `owed`: what closes its alert, while that is open."""

    id: str
    endpoint: str
    persona: str
    origin: str
    started_at: datetime
    state: str = "running"
    rule: str | None = None
    reason: str | None = None
    finished_at: datetime | None = None
    stages: dict[str, dict[str, str]] = field(default_factory=dict)
    notifiers: tuple[str, ...] = ()
    owed: Notice | None = None

    def reach(self, stage: str, at: datetime, detail: str) -> None:
        self.stages[stage] = {"at": at.isoformat(), "detail": detail}

    def failed(self, reason: str, at: datetime) -> None:
        self.state, self.reason, self.finished_at = "failed", reason, at

    def succeeded(self, at: datetime) -> None:
        self.state, self.finished_at = "succeeded", at


def drill_of(row: DrillRow) -> Drill:
    stored = row.notice or {}
    return Drill(
        id=row.id, endpoint=row.endpoint, persona=row.persona, origin=row.origin, started_at=row.started_at,
        state=row.state, rule=row.rule, reason=row.reason, finished_at=row.finished_at, stages=dict(row.stages),
        notifiers=tuple(stored.get("notifiers", ())),
        owed=render.from_json(stored["notice"]) if stored.get("notice") else None,
    )  # fmt: skip


async def save(session: AsyncSession, drill: Drill) -> None:
    owed = {"notifiers": list(drill.notifiers), "notice": render.to_json(drill.owed)} if drill.owed else None
    values: dict[str, Any] = {
        "id": drill.id, "endpoint": drill.endpoint, "persona": drill.persona, "origin": drill.origin,
        "state": drill.state, "rule": drill.rule, "reason": drill.reason, "stages": drill.stages, "notice": owed,
        "started_at": drill.started_at, "finished_at": drill.finished_at,
    }  # fmt: skip
    statement = insert(DrillRow).values(values)
    changed = {name: statement.excluded[name] for name in values if name != "id"}
    await session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))


async def send(session: AsyncSession, drill: Drill, flip: Flip, notice: Notice, now: datetime) -> None:
    """Put a notice into the outbox, in lanes of the drill's own: real alerts neither wait for it nor hold it up."""
    await alert_store.save_flip(session, flip, None, drill_id=drill.id)
    payload = render.to_json(notice)
    session.add_all(
        DeliveryRow(
            flip_id=flip.id, notifier=name, lane=f"{name}/drill/{drill.id}", notice=payload, state="pending", attempt=0,
            next_at=now,
        )
        for name in drill.notifiers
    )  # fmt: skip
    await session.flush()


async def receipts(session: AsyncSession, flip_id: str) -> dict[str, tuple[str, str | None]]:
    """State and last error of each notifier's delivery."""
    query = select(DeliveryRow.notifier, DeliveryRow.state, DeliveryRow.last_error)
    rows = (await session.execute(query.where(DeliveryRow.flip_id == flip_id))).all()
    return {name: (state, error) for name, state, error in rows}


async def running(session: AsyncSession) -> Sequence[DrillRow]:
    return (await session.scalars(select(DrillRow).where(DrillRow.state == "running"))).all()


async def recent(session: AsyncSession, limit: int) -> Sequence[DrillRow]:
    """The last drills, newest first."""
    query = select(DrillRow).order_by(DrillRow.started_at.desc(), DrillRow.id).limit(limit)
    return (await session.scalars(query)).all()


async def last_scheduled(session: AsyncSession) -> datetime | None:
    """When the last scheduled drill began."""
    query = select(DrillRow.started_at).where(DrillRow.origin == "scheduled")
    return await session.scalar(query.order_by(DrillRow.started_at.desc()).limit(1))


async def last_success(session: AsyncSession) -> datetime | None:
    query = select(DrillRow.finished_at).where(DrillRow.state == "succeeded")
    return await session.scalar(query.order_by(DrillRow.finished_at.desc()).limit(1))


def due(spec: str, last: datetime | None, since: datetime, now: datetime) -> bool:
    """Whether a scheduled drill is due. `since`: when this process began. The first of an interval is due at once."""
    if last is None and not isinstance(parse_schedule(spec), Cron):
        return True
    return following(spec, last or since) <= now


async def outcome(session: AsyncSession, spec: str | None, since: datetime, now: datetime) -> DrillOutcome | None:
    """None when there is neither a drill nor a schedule."""
    query = select(DrillRow).where(DrillRow.state != "running").order_by(DrillRow.finished_at.desc()).limit(1)
    last = await session.scalar(query)
    if last is None and spec is None:
        return None
    failed = (
        f"{last.persona} on {last.endpoint}: {last.reason}" if last is not None and last.state == "failed" else None
    )
    missing = None
    if spec is not None:
        success = await last_success(session)
        if now > expected(spec, max(success, since) if success else since):
            told = f"none has succeeded since {success:%Y-%m-%d %H:%M} UTC" if success else "none has succeeded yet"
            missing = f"{told}, though they are scheduled ({spec})"
    return DrillOutcome(failed=failed, overdue=missing)
