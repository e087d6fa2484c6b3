"""What the page of a run shows, from rows of the database."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.types import Comparison
from probes.types import Cell, Measurement
from service import own_baseline, profile_library
from service.storage.newest import CONCLUDED
from service.storage.schema import BaselineRow, EndpointRow, RunRow
from service.ui import moved, parts
from service.ui.fill import measured
from service.ui.views.run import MovedView, Under

COMPASS = "another model, asked in other words: a compass, not a ruler"


def usage(run: RunRow) -> parts.Usage:
    """What a run has cost, beside what was expected."""
    expected = run.estimate or {}
    return parts.Usage(
        requests=run.requests, prompt_tokens=run.prompt_tokens, completion_tokens=run.completion_tokens, usd=run.usd,
        estimated=run.usage_estimated, expected_tokens=expected.get("tokens"), expected_usd=expected.get("usd"),
    )  # fmt: skip


def removed(row: RunRow) -> str:
    """What retention has taken of a run, in a sentence; empty when nothing."""
    if row.retention is None or row.retention_at is None or not row.answered:
        return ""
    what = "replies" if "replies" in row.retention else "single answers"
    return f"The {what} of this run were removed by retention on {row.retention_at:%Y-%m-%d}; what was measured stays."


def under(row: RunRow, progress: dict[str, Any]) -> Under:
    return Under(paused=row.paused, stopping=row.cancel_requested, rate=progress["rate_per_s"], eta_s=progress["eta_s"])


async def moved_of(
    session: AsyncSession,
    endpoint: EndpointRow,
    baseline: BaselineRow | None,
    cells: tuple[Measurement, ...],
    comparison: Comparison | None,
) -> MovedView:
    """Cells against the own baseline; without one, dimensions against the base of its profiles."""
    if comparison is None:
        return MovedView()
    tests = moved.strongest_first(comparison.paired)
    if own_baseline.profile(baseline) is not None:
        rows = moved.against_reference(cells, measured.reference(baseline, cells))
        return MovedView(reference="its own baseline", rows=rows, paired=tests)
    profiles = await profile_library.resolve(session, endpoint.profiles)
    base: dict[Cell, float] = {one.cell: one.mean for one in profiles.base.cells}
    rows = moved.against_profile(comparison.dimensions, base)
    return MovedView(reference=f"the base of {profiles.name}", caveat=COMPASS, rows=rows, paired=tests)


async def run_before(session: AsyncSession, row: RunRow) -> str | None:
    """The run of the same endpoint and plan that concluded before this one was queued."""
    query = select(RunRow.id).where(
        RunRow.endpoint_id == row.endpoint_id, RunRow.plan == row.plan, RunRow.state.in_(CONCLUDED), RunRow.id < row.id
    )
    return await session.scalar(query.order_by(RunRow.id.desc()).limit(1))


def run_of_baseline(row: RunRow, baseline: BaselineRow | None) -> str | None:
    """The newest run that the baseline was made from, if it is another one."""
    if baseline is None:
        return None
    return max((run_id for run_id in baseline.runs if run_id != row.id), default=None)
