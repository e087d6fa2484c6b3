"""What the page of an endpoint shows, from rows of the database."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service import own_baseline
from service.storage import alerts as alert_store
from service.storage import slots as slot_store
from service.storage.schema import BaselineRow, RunRow
from service.ui import parts
from service.ui.fill.measured import instrument
from service.ui.views.endpoint import SilenceView, SlotView


async def newest_instrument(session: AsyncSession, endpoint_id: int) -> parts.InstrumentView:
    """Each figure from the newest run that has it: a heartbeat is too small to tell of the wording."""
    runs = []
    for column in (RunRow.judge, RunRow.wording):
        query = select(RunRow).where(RunRow.endpoint_id == endpoint_id, column.is_not(None))
        runs.append(await session.scalar(query.order_by(RunRow.id.desc()).limit(1)))
    judged, worded = (instrument(run) if run is not None else parts.InstrumentView() for run in runs)
    return parts.InstrumentView(judge=judged.judge, wording=worded.wording)


async def slots(session: AsyncSession, endpoint_id: int, limit: int = 10) -> tuple[SlotView, ...]:
    """What became of the newest slots."""
    return tuple(
        SlotView(
            plan=row.plan, due=row.due, until=row.until, count=row.count, state=row.state, reason=row.reason,
            late_s=row.late_s, run_id=row.run_id,
        )
        for row in await slot_store.newest_first(session, endpoint_id, limit=limit)
    )  # fmt: skip


async def silences(session: AsyncSession, name: str, now: datetime) -> tuple[SilenceView, ...]:
    """Those that hold now and are about this endpoint and all its alerts."""
    return tuple(
        SilenceView(id=row.id, until=row.ends_at, who=row.who)
        for row in await alert_store.all_silences(session, ended_since=now)
        if row.match == {"endpoint": name} and row.starts_at <= now
    )


def baseline_view(row: BaselineRow | None) -> parts.BaselineView | None:
    own = own_baseline.profile(row)
    if row is None or own is None:
        return None
    return parts.BaselineView(
        provenance=own.provenance, made_at=row.created_at, made_by=row.made_by, runs=tuple(row.runs)
    )
