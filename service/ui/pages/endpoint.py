"""One endpoint: verdict, map, trajectories, measurements, runs."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from service import alert_list, own_baseline
from service.services import Services, services_of
from service.storage import endpoints as endpoint_store
from service.storage import history, results
from service.storage.schema import EndpointRow, RunRow
from service.ui import parts
from service.ui.charts_data import charts_data
from service.ui.fill import common, endpoints, measured
from service.ui.fill import endpoint as fill
from service.ui.fill.trajectory import IN_CHART, trajectory
from service.ui.pages.common import Live, Part, html, missing
from service.ui.views.endpoint import DONE_QUERY, SPAN_QUERY, EndpointPage
from service.ui.views.trajectory import Span, Trajectory

router = APIRouter()
RECENT_RUNS = 20
MOST_ALARMS = 200
"""Of a chart: more marks would hide it."""
REMEDY = "The front page lists those that are registered."

Range = Annotated[str, Query(alias=SPAN_QUERY)]
Done = Annotated[str, Query(alias=DONE_QUERY)]


@router.get("/endpoints/{name}")
async def endpoint(
    name: str, request: Request, *, part: Part = None, live: Live = True, within: Range = "", done: Done = ""
) -> HTMLResponse:
    """One endpoint: verdict, map, trajectories, measurements, runs."""
    services = services_of(request)
    async with services.database.read() as session:
        row = await endpoint_store.by_name(session, name)
        if row is None:
            return missing(services, "endpoint", name, REMEDY)
        way = await trajectory(session, row, span_of(within), services.clock())
        shown = await _endpoint(session, services, row, way)
    return html(replace(shown, live=live, done=done), part)


@router.get("/endpoints/{name}/history.json")
async def charts(name: str, request: Request, within: Range = "") -> Response:
    """What the charts of the page draw, in columns: as many points as a chart can show."""
    services = services_of(request)
    span = span_of(within)
    now = services.clock()
    async with services.database.read() as session:
        row = await endpoint_store.by_name(session, name)
        if row is None:
            return missing(services, "endpoint", name, REMEDY)
        way = await trajectory(session, row, span, now, limit=IN_CHART)
        since = now - span.length if span.length is not None else None
        alarms = await history.firing(session, row.id, since, MOST_ALARMS)
    return JSONResponse(charts_data(way, [(one.at, one.rule) for one in alarms], since=since, now=now))


def span_of(text: str) -> Span:
    """The span called `text`; a week for what is none."""
    return Span(text) if text in tuple(Span) else Span.WEEK


def recent_runs(endpoint_id: int) -> Select[RunRow]:
    """The newest of the endpoint, in an order that an index has: without one its whole history would be sorted."""
    query = select(RunRow).where(RunRow.endpoint_id == endpoint_id)
    return query.order_by(RunRow.created_at.desc(), RunRow.id.desc()).limit(RECENT_RUNS)


async def _endpoint(session: AsyncSession, services: Services, row: EndpointRow, way: Trajectory) -> EndpointPage:
    now = services.clock()
    runs = recent_runs(row.id)
    baseline = await own_baseline.current(session, row.id)
    last = (await results.concluded(session, row.id, 1))[-1:]
    cells = await measured.measurements(session, last[0].id) if last else ()
    schedules = (await endpoint_store.schedules_of(session, [row.id]))[row.id]
    alerts = await alert_list.listed(session, services.alerting, now, subject=row.name)
    return EndpointPage(
        now=now,
        row=(await endpoints.endpoint_rows(session, [row]))[0],
        registration=parts.Registration(
            base_url=row.base_url, profiles=row.profiles, schedules={s.plan: s.spec for s in schedules},
            limits=row.limits, sampling=row.sampling, labels=row.labels, key_kind=row.key_kind,
            created_at=row.created_at,
        ),
        trajectory=way,
        measurements=cells,
        reference=measured.reference(baseline, cells),
        reference_name="its own baseline" if baseline else "",
        runs=tuple(common.run_row(run) for run in await session.scalars(runs)),
        alerts=common.alert_rows(alerts, row.name),
        silences=await fill.silences(session, row.name, now),
        baseline=fill.baseline_view(baseline),
        instrument=await fill.newest_instrument(session, row.id),
        budget=common.allowances(services.ledger.standing(row)),
        base_url=services.settings.url,
        slots=await fill.slots(session, row.id),
        next_probe=row.next_probe,
    )  # fmt: skip
