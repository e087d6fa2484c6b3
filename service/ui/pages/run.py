"""One run: progress, problem, what moved, comparison, measurements; and the buttons that hold or stop it."""

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from service import own_baseline
from service.api import downloads, run_control
from service.api.access import requires
from service.services import Services, services_of
from service.storage import results
from service.storage.schema import EndpointRow, RunRow
from service.ui import parts
from service.ui.fill import common, measured
from service.ui.fill import run as fill
from service.ui.pages.common import Live, Part, html, missing
from service.ui.pages.forms import Form, see
from service.ui.reasons import reasons
from service.ui.views.run import RunPage

router = APIRouter()
WRITE = [Depends(requires("write"))]


@router.get("/runs/{run_id}")
async def run(run_id: str, request: Request, part: Part = None, live: Live = True) -> HTMLResponse:
    """One run: progress, problem, what moved, comparison, measurements."""
    services = services_of(request)
    async with services.database.read() as session:
        row = await session.get(RunRow, run_id)
        if row is None:
            return missing(services, "run", run_id, "An endpoint's page lists its runs.")
        shown = await _run(session, services, row, live=live)
    return html(shown, part)


@router.post("/runs/{run_id}/pause", dependencies=WRITE)
async def pause(run_id: str, request: Request, _form: Form) -> Response:
    """Hold the run, and show it."""
    await run_control.set_paused(services_of(request), run_id, paused=True)
    return see(parts.run_path(run_id))


@router.post("/runs/{run_id}/resume", dependencies=WRITE)
async def resume(run_id: str, request: Request, _form: Form) -> Response:
    """Let the run go on, and show it."""
    await run_control.set_paused(services_of(request), run_id, paused=False)
    return see(parts.run_path(run_id))


@router.post("/runs/{run_id}/cancel", dependencies=WRITE)
async def cancel(run_id: str, request: Request, _form: Form) -> Response:
    """Stop the run, and show it."""
    await run_control.cancel(services_of(request), run_id)
    return see(parts.run_path(run_id))


async def _run(session: AsyncSession, services: Services, row: RunRow, *, live: bool) -> RunPage:
    endpoint_row = await session.get_one(EndpointRow, row.endpoint_id)
    cells = await measured.measurements(session, row.id)
    baseline = await own_baseline.current(session, row.endpoint_id)
    comparison = common.comparison_of(row)
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
        comparison=comparison,
        measurements=cells,
        reference=measured.reference(baseline, cells),
        reference_name="its own baseline" if baseline else "",
        invalid=await results.invalid_by_reason(session, row.id),
        removed=fill.removed(row),
        instrument=measured.instrument(row),
        reasons=reasons(row),
        under=fill.under(row, services.progress.of(row)),
        moved=await fill.moved_of(session, endpoint_row, baseline, cells, comparison),
        before=await fill.run_before(session, row),
        baseline_run=fill.run_of_baseline(row, baseline),
        file=downloads.file_name(row, endpoint_row, "run", "json"),
    )
