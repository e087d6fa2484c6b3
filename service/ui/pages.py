"""The pages: fleet, endpoint, run. Server-rendered; their bodies refresh themselves."""

from importlib.resources import files
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.custom import CUSTOM_RUNBOOK
from alerts.rules import RULES
from baselines.types import Verdict
from service import alert_list, own_baseline
from service.api.access import requires
from service.services import Services, services_of
from service.storage import endpoints as endpoint_store
from service.storage import results
from service.storage.schema import EndpointRow, RunRow
from service.ui import fill, views
from service.ui.reasons import reasons
from service.ui.render import Renderer

router = APIRouter(include_in_schema=False, dependencies=[Depends(requires("read"))])
renderer = Renderer()
RECENT_RUNS = 20
ON_PAGE = 50

Part = Annotated[str | None, Query(alias=views.PART)]
Live = Annotated[bool, Query(alias=views.LIVE)]


@router.get("/")
async def fleet(
    request: Request, part: Part = None, live: Live = True, page: Annotated[int, Query(ge=1)] = 1
) -> HTMLResponse:
    """All endpoints, worst first."""
    services = services_of(request)
    async with services.database.read() as session:
        shown = await _fleet(session, services, page, live=live)
    return HTMLResponse(renderer.fleet_body(shown) if part else renderer.fleet(shown))


async def _fleet(session: AsyncSession, services: Services, number: int, *, live: bool) -> views.FleetPage:
    every = await endpoint_store.all_endpoints(session)
    rows = sorted(await fill.endpoint_rows(session, every), key=views.urgency)
    pages = max(1, -(-len(rows) // ON_PAGE))
    number = min(number, pages)
    on_page = rows[(number - 1) * ON_PAGE : number * ON_PAGE]
    profiles = sorted({row.profiles for row in every})
    return views.FleetPage(
        now=services.clock(),
        live=live,
        rows=tuple(on_page),
        alerts=fill.alert_rows(await alert_list.listed(session, services.alerting, services.clock())),
        promise=services.false_alarms.promise,
        map=views.map_of(
            on_page,
            realigned=fill.realigned_drift(profiles[0]) if len(profiles) == 1 else None,
            profiles=", ".join(profiles),
        ),
        counts=_count(rows),
        down=sum(row.down is not None for row in rows),
        any_simulated=any(row.simulated for row in rows),
        page=number,
        pages=pages,
        budget=tuple(one for one in fill.allowances(services.ledger.total()) if one.limit is not None or one.spent),
        base_url=services.settings.url,
        offline_since=services.connectivity.offline_since(),
    )


def _count(rows: list[views.EndpointRow]) -> dict[Verdict | None, int]:
    counts: dict[Verdict | None, int] = {}
    for row in rows:
        counts[row.verdict] = counts.get(row.verdict, 0) + 1
    return counts


@router.get("/endpoints/{name}")
async def endpoint(name: str, request: Request, part: Part = None, live: Live = True) -> HTMLResponse:
    """One endpoint: verdict, history, measurements, runs."""
    services = services_of(request)
    async with services.database.read() as session:
        row = await endpoint_store.by_name(session, name)
        if row is None:
            return _missing(services, "endpoint", name, "The front page lists those that are registered.")
        shown = await _endpoint(session, services, row, live=live)
    return HTMLResponse(renderer.endpoint_body(shown) if part else renderer.endpoint(shown))


async def _endpoint(session: AsyncSession, services: Services, row: EndpointRow, *, live: bool) -> views.EndpointPage:
    runs = select(RunRow).where(RunRow.endpoint_id == row.id).order_by(RunRow.id.desc()).limit(RECENT_RUNS)
    baseline = await own_baseline.current(session, row.id)
    last = (await results.concluded(session, row.id, 1))[-1:]
    measured = await fill.measurements(session, last[0].id) if last else ()
    schedules = (await endpoint_store.schedules_of(session, [row.id]))[row.id]
    return views.EndpointPage(
        now=services.clock(),
        live=live,
        row=(await fill.endpoint_rows(session, [row]))[0],
        registration=views.Registration(
            base_url=row.base_url, profiles=row.profiles, schedules={s.plan: s.spec for s in schedules},
            limits=row.limits, sampling=row.sampling, labels=row.labels, key_kind=row.key_kind,
            created_at=row.created_at,
        ),
        histories=await fill.histories(session, row),
        measurements=measured,
        reference=fill.reference(baseline, measured),
        reference_name="its own baseline" if baseline else "",
        runs=tuple(fill.run_row(run) for run in await session.scalars(runs)),
        alerts=fill.alert_rows(await alert_list.listed(session, services.alerting, services.clock()), row.name),
        baseline=fill.baseline_view(baseline),
        instrument=await fill.newest_instrument(session, row.id),
        budget=fill.allowances(services.ledger.standing(row)),
        base_url=services.settings.url,
        slots=await fill.slots(session, row.id),
        next_probe=row.next_probe,
    )  # fmt: skip


@router.get("/runs/{run_id}")
async def run(run_id: str, request: Request, part: Part = None, live: Live = True) -> HTMLResponse:
    """One run: progress, problem, comparison, measurements."""
    services = services_of(request)
    async with services.database.read() as session:
        row = await session.get(RunRow, run_id)
        if row is None:
            return _missing(services, "run", run_id, "An endpoint's page lists its runs.")
        shown = await _run(session, services, row, live=live)
    return HTMLResponse(renderer.run_body(shown) if part else renderer.run(shown))


async def _run(session: AsyncSession, services: Services, row: RunRow, *, live: bool) -> views.RunPage:
    endpoint_row = await session.get_one(EndpointRow, row.endpoint_id)
    measured = await fill.measurements(session, row.id)
    baseline = await own_baseline.current(session, row.endpoint_id)
    return views.RunPage(
        now=services.clock(),
        live=live and row.finished_at is None,
        run=fill.run_row(row),
        endpoint=endpoint_row.name,
        model=endpoint_row.model,
        simulated=endpoint_row.simulated,
        because=row.because or "",
        usage=fill.usage(row),
        problem=fill.trouble(row.reason, row.detail, row.remedy, row.finished_at),
        judge_problem=fill.trouble(row.judge_reason, row.judge_detail, row.judge_remedy, row.finished_at),
        comparison=fill.comparison_of(row),
        measurements=measured,
        reference=fill.reference(baseline, measured),
        reference_name="its own baseline" if baseline else "",
        invalid=await results.invalid_by_reason(session, row.id),
        removed=fill.removed(row),
        instrument=fill.instrument(row),
        reasons=reasons(row),
    )


@router.get("/runbooks/{name}")
async def runbook(name: str, request: Request) -> HTMLResponse:
    """What to do about an alert; `name` with or without .md, as the pages link to each other."""
    services = services_of(request)
    wanted = name.removesuffix(".md")
    known = {PurePosixPath(rule.runbook).stem: rule.name for rule in RULES} | {
        PurePosixPath(CUSTOM_RUNBOOK).stem: "CustomRule"
    }
    if wanted not in known:
        return _missing(services, "runbook", name, f"There are: {', '.join(sorted(known))}.")
    text = files("alerts").joinpath("runbooks", f"{wanted}.md").read_text(encoding="utf-8")
    page = views.RunbookPage(now=services.clock(), live=False, name=known[wanted], text=text)
    return HTMLResponse(renderer.runbook(page))


def _missing(services: Services, what: str, name: str, remedy: str) -> HTMLResponse:
    page = views.ErrorPage(
        now=services.clock(), status=404, title=f"No such {what}", detail=f"There is no {what} {name!r}.", remedy=remedy
    )
    return HTMLResponse(renderer.error(page), status_code=404)
