"""One endpoint: verdict, history, measurements, runs."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service import alert_list, own_baseline
from service.services import Services, services_of
from service.storage import endpoints as endpoint_store
from service.storage import results
from service.storage.schema import EndpointRow, RunRow
from service.ui import parts
from service.ui.fill import common, endpoints, measured
from service.ui.fill import endpoint as fill
from service.ui.pages.common import Live, Part, html, missing
from service.ui.views.endpoint import EndpointPage

router = APIRouter()
RECENT_RUNS = 20


@router.get("/endpoints/{name}")
async def endpoint(name: str, request: Request, part: Part = None, live: Live = True) -> HTMLResponse:
    """One endpoint: verdict, history, measurements, runs."""
    services = services_of(request)
    async with services.database.read() as session:
        row = await endpoint_store.by_name(session, name)
        if row is None:
            return missing(services, "endpoint", name, "The front page lists those that are registered.")
        shown = await _endpoint(session, services, row, live=live)
    return html(shown, part)


async def _endpoint(session: AsyncSession, services: Services, row: EndpointRow, *, live: bool) -> EndpointPage:
    runs = select(RunRow).where(RunRow.endpoint_id == row.id).order_by(RunRow.id.desc()).limit(RECENT_RUNS)
    baseline = await own_baseline.current(session, row.id)
    last = (await results.concluded(session, row.id, 1))[-1:]
    cells = await measured.measurements(session, last[0].id) if last else ()
    schedules = (await endpoint_store.schedules_of(session, [row.id]))[row.id]
    return EndpointPage(
        now=services.clock(),
        live=live,
        row=(await endpoints.endpoint_rows(session, [row]))[0],
        registration=parts.Registration(
            base_url=row.base_url, profiles=row.profiles, schedules={s.plan: s.spec for s in schedules},
            limits=row.limits, sampling=row.sampling, labels=row.labels, key_kind=row.key_kind,
            created_at=row.created_at,
        ),
        histories=await fill.histories(session, row),
        measurements=cells,
        reference=measured.reference(baseline, cells),
        reference_name="its own baseline" if baseline else "",
        runs=tuple(common.run_row(run) for run in await session.scalars(runs)),
        alerts=common.alert_rows(await alert_list.listed(session, services.alerting, services.clock()), row.name),
        baseline=fill.baseline_view(baseline),
        instrument=await fill.newest_instrument(session, row.id),
        budget=common.allowances(services.ledger.standing(row)),
        base_url=services.settings.url,
        slots=await fill.slots(session, row.id),
        next_probe=row.next_probe,
    )  # fmt: skip
