"""The forms of an endpoint: run now, pin a baseline, fire drill. Reading them changes nothing."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from service import own_baseline
from service.api import endpoints
from service.api.problems import ProblemError
from service.services import Services, services_of
from service.storage import endpoints as endpoint_store
from service.storage.schema import EndpointRow
from service.ui.fill import action_forms as offers
from service.ui.fill import endpoint as fill
from service.ui.pages.common import html, missing
from service.ui.views.action_forms import BaselinePage, DrillPage, FormPage, Refusal, StartRunPage, refused

router = APIRouter(prefix="/endpoints/{name}")
MOST_RUNS = 100
REMEDY = "The front page lists those that are registered."
NOT_TOGETHER = "These runs make no baseline"


@router.get("/run")
async def ask_run(name: str, request: Request, plan: Annotated[str, Query(max_length=63)] = "") -> HTMLResponse:
    """What each plan costs, before one is run."""
    return await start_run(name, request, plan=plan)


@router.get("/baseline")
async def ask_baseline(
    name: str, request: Request, run: Annotated[list[str] | None, Query(max_length=MOST_RUNS)] = None,
    confirm: bool = False,
) -> HTMLResponse:  # fmt: skip
    """Runs to choose from; then, before anything changes, what would."""
    return await pin_baseline(name, request, run=run or [], confirm=confirm)


@router.get("/drill")
async def ask_drill(name: str, request: Request) -> HTMLResponse:
    """What a fire drill does, and which there are."""
    return await drill(name, request)


async def start_run(name: str, request: Request, *, plan: str, refusal: Refusal | None = None) -> HTMLResponse:
    services = services_of(request)
    row = await _row(services, name)
    if row is None:
        return missing(services, "endpoint", name, REMEDY)
    plans = await offers.plan_choices(services, row)
    async with services.database.read() as session:
        active = (await endpoint_store.active_runs(session, [row.id])).get(row.id)
    names = [one.plan for one in plans]
    page = StartRunPage(
        now=services.clock(), name=row.name, simulated=row.simulated, refusal=refusal, plans=plans,
        chosen=plan if plan in names else names[0] if names else "", key=secrets.token_hex(8),
        active=active.id if active is not None and not active.paused else None, paused=row.paused,
    )  # fmt: skip
    return _answer(page)


async def pin_baseline(
    name: str, request: Request, *, run: Sequence[str], confirm: bool = False, refusal: Refusal | None = None
) -> HTMLResponse:
    services = services_of(request)
    async with services.database.read() as session:
        row = await endpoint_store.by_name(session, name)
        if row is None:
            return missing(services, "endpoint", name, REMEDY)
        if confirm and refusal is None:
            refusal = await _unfit(session, row, run)
        current = await own_baseline.current(session, row.id)
        runs = await offers.baseline_choices(session, row.id, run, current.runs if current is not None else ())
        page = BaselinePage(
            now=services.clock(), name=row.name, simulated=row.simulated, refusal=refusal, runs=runs,
            current=fill.baseline_view(current), profiles=row.profiles, confirm=confirm and refusal is None,
        )  # fmt: skip
    return _answer(page)


async def drill(
    name: str, request: Request, *, persona: str = "misaligned", refusal: Refusal | None = None
) -> HTMLResponse:
    services = services_of(request)
    async with services.database.read() as session:
        row = await endpoint_store.by_name(session, name)
        if row is None:
            return missing(services, "endpoint", name, REMEDY)
        recent = await offers.recent_drills(session, row.name)
    page = DrillPage(
        now=services.clock(), name=row.name, simulated=row.simulated, refusal=refusal, personas=offers.personas(),
        notifiers=services.alerting.policy.notifiers, recent=recent,
    )  # fmt: skip
    return _answer(replace(page, chosen=persona) if persona in [one for one, *_ in page.personas] else page)


async def _unfit(session: AsyncSession, row: EndpointRow, chosen: Sequence[str]) -> Refusal | None:
    """Why these runs make no baseline, told before it is tried."""
    try:
        runs = await endpoints.baseline_runs(session, row, chosen)
    except ProblemError as error:
        return refused(error.detail, heading=NOT_TOGETHER)
    why = own_baseline.unfit(runs)
    return refused(why, heading=NOT_TOGETHER) if why is not None else None


async def _row(services: Services, name: str) -> EndpointRow | None:
    async with services.database.read() as session:
        return await endpoint_store.by_name(session, name)


def _answer(page: FormPage) -> HTMLResponse:
    return html(page, status=page.refusal.status if page.refusal is not None else 200)
