"""What the page of an endpoint shows, from rows of the database."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.types import Arm, Comparison
from service import own_baseline, profile_library
from service.storage import results
from service.storage import slots as slot_store
from service.storage.schema import BaselineRow, EndpointRow, RunRow
from service.ui import parts
from service.ui.fill.common import comparison_of, realigned_drift
from service.ui.fill.measured import instrument
from service.ui.views.endpoint import SlotView


async def histories(session: AsyncSession, row: EndpointRow, limit: int = 60) -> tuple[parts.History, ...]:
    """Drift of both arms over the last concluded runs."""
    runs = await results.concluded(session, row.id, limit)
    marks = realigned_drift(await profile_library.resolve(session, row.profiles))
    compared = [(run, comparison_of(run)) for run in runs]
    return tuple(
        parts.History(
            arm=arm,
            points=tuple(_history_point(arm, run, comparison) for run, comparison in compared),
            realigned=marks[index] if marks else None,
        )
        for index, arm in enumerate((Arm.SELF_REPORT, Arm.BEHAVIOUR))
    )


def _history_point(arm: Arm, run: RunRow, comparison: Comparison | None) -> parts.HistoryPoint:
    figures = comparison.arms.get(arm) if comparison else None
    return parts.HistoryPoint(
        at=run.finished_at or run.created_at,
        run_id=run.id,
        plan=run.plan,
        drift=figures.drift if figures else None,
        low=figures.low if figures else None,
        high=figures.high if figures else None,
        alarm=figures.alarm if figures else False,
    )


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


def baseline_view(row: BaselineRow | None) -> parts.BaselineView | None:
    own = own_baseline.profile(row)
    if row is None or own is None:
        return None
    return parts.BaselineView(
        provenance=own.provenance, made_at=row.created_at, made_by=row.made_by, runs=tuple(row.runs)
    )
