"""One run: progress, problem, comparison, measurements."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from service import own_baseline
from service.services import Services, services_of
from service.storage import results
from service.storage.schema import EndpointRow, RunRow
from service.ui.fill import common, measured
from service.ui.fill import run as fill
from service.ui.pages.common import Live, Part, html, missing
from service.ui.reasons import reasons
from service.ui.views.run import RunPage

router = APIRouter()


@router.get("/runs/{run_id}")
async def run(run_id: str, request: Request, part: Part = None, live: Live = True) -> HTMLResponse:
    """One run: progress, problem, comparison, measurements."""
    services = services_of(request)
    async with services.database.read() as session:
        row = await session.get(RunRow, run_id)
        if row is None:
            return missing(services, "run", run_id, "An endpoint's page lists its runs.")
        shown = await _run(session, services, row, live=live)
    return html(shown, part)


async def _run(session: AsyncSession, services: Services, row: RunRow, *, live: bool) -> RunPage:
    endpoint_row = await session.get_one(EndpointRow, row.endpoint_id)
    cells = await measured.measurements(session, row.id)
    baseline = await own_baseline.current(session, row.endpoint_id)
    return RunPage(
        now=services.clock(),
        live=live and row.finished_at is None,
        run=common.run_row(row),
        endpoint=endpoint_row.name,
        model=endpoint_row.model,
        simulated=endpoint_row.simulated,
        because=row.because or "",
        usage=fill.usage(row),
        problem=common.trouble(row.reason, row.detail, row.remedy, row.finished_at),
        judge_problem=common.trouble(row.judge_reason, row.judge_detail, row.judge_remedy, row.finished_at),
        comparison=common.comparison_of(row),
        measurements=cells,
        reference=measured.reference(baseline, cells),
        reference_name="its own baseline" if baseline else "",
        invalid=await results.invalid_by_reason(session, row.id),
        removed=fill.removed(row),
        instrument=measured.instrument(row),
        reasons=reasons(row),
    )
