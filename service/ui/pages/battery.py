"""The battery: what is asked, in which plans, and every item word for word."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from baselines.profiles import published
from service import quote
from service.false_alarms import interval
from service.quoting import EVERY
from service.services import Services, services_of
from service.ui.fill import battery as fill
from service.ui.pages.common import html, missing
from service.ui.views.battery import BatteryPage, ItemsPage, PlanPage

router = APIRouter(prefix="/battery")
Word = Annotated[str, Query(max_length=200)]
PROFILES = "gpt-4.1/all"
WEEKLY = "P7D"
MANY_CALLS = 1000
"""A plan of so many questions is for once a week."""


@router.get("")
async def battery(request: Request) -> HTMLResponse:
    """The probes and the plans."""
    services = services_of(request)
    async with services.database.read() as session:
        used, _ = await fill.schedules(session)
    plans = [await fill.plan_row(services, plan, used) for plan in services.plans.values()]
    return html(BatteryPage(now=services.clock(), probes=fill.probes(), plans=tuple(plans)))


@router.get("/items")
async def items(
    request: Request,
    *,
    probe: Word = "",
    dimension: Word = "",
    method: Word = "",
    category: Word = "",
    search: Word = "",
    page: Annotated[int, Query(ge=1)] = 1,
) -> HTMLResponse:
    """Items, filtered and searched, with the exact text that is asked and how the reply is scored."""
    services = services_of(request)
    filters = {"probe": probe, "dimension": dimension, "method": method, "category": category, "search": search.strip()}
    found, total, number = await asyncio.to_thread(fill.items, filters, page)
    shown = ItemsPage(
        now=services.clock(), items=found, total=total, page=number, pages=max(1, -(-total // fill.ON_PAGE)),
        filters=filters, choices=fill.choices(probe),
    )  # fmt: skip
    return html(shown)


@router.get("/plans/{name}")
async def plan(name: str, request: Request, every: Word = "") -> HTMLResponse:
    """What a plan asks and costs, and what it detects on a schedule."""
    services = services_of(request)
    if name not in services.plans:
        return missing(services, "plan", name, f"There are: {', '.join(sorted(services.plans))}.")
    return html(await _plan(services, name, every.strip()))


async def _plan(services: Services, name: str, wanted: str) -> PlanPage:
    async with services.database.read() as session:
        used, commonest = await fill.schedules(session)
        threshold = await services.false_alarms.threshold_log10(session)
    found = services.plans[name]
    report, row = await fill.reported(found), await fill.plan_row(services, found, used)
    usual = commonest.get(name) or (WEEKLY if row.calls > MANY_CALLS else EVERY)
    every, problem = wanted or usual, ""
    try:
        interval(every)
    except ValueError as error:
        every, problem = usual, f"{wanted!r}: {error}"
    (told,) = await asyncio.to_thread(
        quote.of_schedules, {name: every}, services.plans, published(PROFILES), threshold=threshold,
        baseline_runs=services.settings.auto_baseline_runs, judged=services.judge_note is None,
    )  # fmt: skip
    usd = [(one, cost) for one in fill.models(services) if (cost := told.usd_per_month(services.prices, one))]
    return PlanPage(
        now=services.clock(), plan=row, lines=report.lines, anchor_calls=report.anchor_calls,
        anchor_tokens=report.anchor_tokens, every=every, calls_per_month=told.calls_per_month,
        tokens_per_month=told.tokens_per_month, usd_per_month=usd, detects=fill.detects(told),
        promise=services.false_alarms.promise, problem=problem,
    )  # fmt: skip
