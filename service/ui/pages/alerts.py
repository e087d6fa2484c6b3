"""Alerts: what fires, silences, rules, deliveries and drills."""

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession

from service.api import deliveries as delivery_api
from service.api import drills as drill_api
from service.api import silences as silence_api
from service.api.access import requires
from service.api.models import LARGEST_ID
from service.api.problems import ProblemError
from service.services import Services, services_of
from service.ui.fill import alerts as fill
from service.ui.pages import silence_form
from service.ui.pages.common import Live, Part, html
from service.ui.pages.forms import Form, see, text
from service.ui.pages.silence_form import FormError
from service.ui.views.alerts import AlertsPage, DeliveriesPage, Filters, RulesPage, SilenceForm, SilencesPage

router = APIRouter(prefix="/alerts")
WRITE = Depends(requires("write"))
Word = Annotated[str, Query(max_length=200)]
State = Literal["", "firing", "pending", "resolved"]
Severity = Literal["", "critical", "warning", "info"]
LAST_PAGE = 10_000


@router.get("")
async def alerts(
    request: Request,
    *,
    part: Part = None,
    live: Live = True,
    state: State = "",
    severity: Severity = "",
    endpoint: Word = "",
    rule: Word = "",
    page: Annotated[int, Query(ge=1, le=LAST_PAGE)] = 1,
    silence: Annotated[str | None, Query(max_length=200)] = None,
) -> HTMLResponse:
    """What fires and what is about to; with `silence`, a form to silence it."""
    services = services_of(request)
    filters = Filters(state=state, severity=severity, endpoint=endpoint, rule=rule)
    form = None
    if silence is not None:
        form = silence_form.prefilled(silence, endpoint, rule)
        filters = Filters()
    async with services.database.read() as session:
        shown = await _alerts(session, services, filters, page, form)
    # what is being typed must not be replaced
    return html(replace(shown, live=live and form is None), part)


async def _alerts(
    session: AsyncSession, services: Services, filters: Filters, page: int, form: SilenceForm | None
) -> AlertsPage:
    rows, total, _ = await fill.alert_rows(session, services, filters)
    flips, more = await fill.flips(session, filters, page)
    return AlertsPage(
        now=services.clock(), rows=rows, total=total, filters=filters, endpoints=await fill.names(session),
        rules=sorted(services.alerting.rules), flips=flips, page=page, more=more,
        promise=await fill.promise(session, services),
        form=await fill.choices(session, services, form) if form is not None else None,
    )  # fmt: skip


@router.get("/silences")
async def silences(request: Request, made: Word = "") -> HTMLResponse:
    """Silences that hold, are to come or have ended, and maintenance windows."""
    services = services_of(request)
    return html(await _silences(services, SilenceForm(), made))


async def _silences(services: Services, form: SilenceForm, made: str = "") -> SilencesPage:
    async with services.database.read() as session:
        active, ended = await fill.silences(session, services)
        form = await fill.choices(session, services, form)
    return SilencesPage(
        now=services.clock(), form=form, silences=active, ended=ended, windows=fill.windows(services), made=made
    )


@router.post("/silences", dependencies=[WRITE], response_model=None)
async def begin_silence(request: Request, form: Form) -> HTMLResponse | RedirectResponse:
    """What POST /api/v1/silences does."""
    services = services_of(request)
    given = silence_form.entered(form)
    try:
        row = await silence_api.begin(services, silence_form.silence_of(given))
    except FormError as error:
        errors = error.errors
    except ProblemError as error:
        field, _, told = error.detail.partition(": ")
        errors = {field: told} if field == "until" and given.duration == "other" else {"duration": error.detail}
    else:
        return see(f"/alerts/silences?made={row.id}")
    return html(await _silences(services, replace(given, errors=errors)), status=422)


@router.post("/silences/{silence_id}/end", dependencies=[WRITE])
async def end_silence(request: Request, silence_id: Annotated[str, Path(max_length=64)]) -> RedirectResponse:
    """What DELETE /api/v1/silences/ID does."""
    await silence_api.finish(services_of(request), silence_id)
    return see("/alerts/silences")


@router.get("/rules")
async def rules(request: Request, part: Part = None, live: Live = True) -> HTMLResponse:
    """The rules in force, and how many endpoints each fires for."""
    services = services_of(request)
    async with services.database.read() as session:
        found = await fill.rules(session, services)
    return html(RulesPage(now=services.clock(), live=live, rules=found, off=fill.turned_off(services)), part)


@router.get("/deliveries")
async def deliveries(request: Request, part: Part = None, live: Live = True) -> HTMLResponse:
    """What waits to be delivered, what was given up, and fire drills."""
    services = services_of(request)
    shown = await _deliveries(services)
    # refreshed only while a drill is under way: nothing can be chosen then
    return html(replace(shown, live=live and shown.drilling), part)


async def _deliveries(
    services: Services, *, problem: str = "", chosen: tuple[str, str] = ("", "misaligned")
) -> DeliveriesPage:
    async with services.database.read() as session:
        waiting, more = await fill.unsettled(session)
        return DeliveriesPage(
            now=services.clock(), live=False, notifiers=await fill.notifiers(session, services), unsettled=waiting,
            more=more, drills=await fill.drills(session), endpoints=await fill.names(session),
            personas=fill.personas(), problem=problem, chosen=chosen,
        )  # fmt: skip


@router.post("/deliveries/{delivery}/resend", dependencies=[WRITE], response_model=None)
async def resend(
    request: Request, delivery: Annotated[int, Path(ge=1, le=LARGEST_ID)]
) -> HTMLResponse | RedirectResponse:
    """What POST /api/v1/deliveries/ID/resend does."""
    services = services_of(request)
    try:
        await delivery_api.sent_again(services, delivery, force=False)
    except ProblemError as error:
        told = error.detail.partition("; add ?force")[0]
        return html(await _deliveries(services, problem=f"Not sent again: {told}."), status=error.status)
    return see("/alerts/deliveries")


@router.post("/drills", dependencies=[WRITE], response_model=None)
async def drill(request: Request, form: Form) -> HTMLResponse | RedirectResponse:
    """What POST /api/v1/drills does."""
    services = services_of(request)
    endpoint, persona = text(form, "endpoint"), text(form, "persona")
    try:
        await drill_api.started(services, endpoint, persona)
    except ProblemError as error:
        shown = await _deliveries(services, problem=f"No drill was begun: {error.detail}.", chosen=(endpoint, persona))
        return html(shown, status=error.status)
    return see("/alerts/deliveries")
