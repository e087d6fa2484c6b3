"""Endpoints in a list, from rows of the database."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from baselines.types import Arm, Comparison
from service.storage import endpoints as endpoint_store
from service.storage import results
from service.storage.schema import EndpointRow, RunRow, ScheduleRow
from service.ui import parts
from service.ui.fill.common import comparison_of, cost, trouble, verdict_of


async def endpoint_rows(session: AsyncSession, rows: Sequence[EndpointRow]) -> list[parts.EndpointRow]:
    """What the fleet shows of each endpoint."""
    ids = [row.id for row in rows]
    schedules = await endpoint_store.schedules_of(session, ids)
    last = await endpoint_store.last_runs(session, ids)
    active = await endpoint_store.active_runs(session, ids)
    concluded = await results.newest_concluded(session, ids)
    return [
        _endpoint_row(row, schedules[row.id], last.get(row.id), active.get(row.id), concluded.get(row.id))
        for row in rows
    ]


def with_trend(
    row: parts.EndpointRow, drifts: Sequence[tuple[float | None, float | None]], standing: Mapping[str, Any]
) -> parts.EndpointRow:
    """With its last drifts (self-report, behaviour), oldest first, and what was spent."""
    says, does = (tuple(pair[index] for pair in drifts) for index in (0, 1))
    return replace(
        row,
        self_report=replace(row.self_report, trend=says),
        behaviour=replace(row.behaviour, trend=does),
        cost=cost(standing),
    )


def _endpoint_row(
    row: EndpointRow,
    schedules: Sequence[ScheduleRow],
    last: RunRow | None,
    active: RunRow | None,
    concluded: RunRow | None,
) -> parts.EndpointRow:
    comparison = comparison_of(concluded)
    asked = sum(arm.n + arm.invalid for arm in comparison.arms.values()) if comparison else 0
    invalid = sum(arm.invalid for arm in comparison.arms.values()) if comparison else 0
    return parts.EndpointRow(
        labels=row.labels,
        name=row.name,
        model=row.model,
        simulated=row.simulated,
        paused=row.paused,
        verdict=verdict_of(row.verdict),
        because=row.because or "",
        self_report=_arm_view(Arm.SELF_REPORT, comparison, concluded),
        behaviour=_arm_view(Arm.BEHAVIOUR, comparison, concluded),
        invalid_share=invalid / asked if asked else None,
        last_run_id=last.id if last else None,
        last_run_at=last.finished_at if last else None,
        next_run_at=min((s.next_due for s in schedules), default=None) if not row.paused else None,
        running=_progress(active),
        down=trouble(row.health_reason, row.health_detail, row.health_remedy, row.health_at),
        judge_down=trouble(last.judge_reason, last.judge_detail, last.judge_remedy, last.finished_at) if last else None,
    )


def _arm_view(arm: Arm, comparison: Comparison | None, run: RunRow | None) -> parts.ArmView:
    figures = comparison.arms.get(arm) if comparison else None
    return parts.ArmView(
        arm=arm, figures=figures, measured_at=run.finished_at if run else None, plan=run.plan if run else ""
    )


def _progress(run: RunRow | None) -> parts.Progress | None:
    if run is None:
        return None
    return parts.Progress(run_id=run.id, plan=run.plan, answered=run.answered, total=run.total, state=run.state)
