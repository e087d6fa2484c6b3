"""What a reader can start or change on the page of an endpoint. The same functions as behind the API carry it out."""

from contextlib import suppress
from datetime import timedelta

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from service.api import endpoints, runs, silences
from service.api.access import VIEWER, requires
from service.api.models import RunIn
from service.api.problems import ProblemError
from service.api.silences import SilenceIn
from service.drills import DrillError
from service.rule_settings import MatchIn
from service.services import Services, services_of
from service.storage import endpoints as endpoint_store
from service.storage.schema import RunRow
from service.ui.fill.action_forms import over_budget
from service.ui.pages import action_forms, common
from service.ui.pages.forms import Form, see, text
from service.ui.parts import endpoint_path
from service.ui.views.action_forms import Refusal, refused
from service.ui.views.endpoint import DONE_QUERY

router = APIRouter(prefix="/endpoints/{name}", dependencies=[Depends(requires("write"))])
NOBODY = "a reader of the pages"
NO_RUN, KEPT = "no run was chosen; choose at least one", "The baseline stays as it is"
HOURS = ("1", "4", "24")
"""For so long alerts can be silenced by one click. Longer, or for others: the page of alerts, or the API."""


@router.post("/run")
async def start(name: str, request: Request, form: Form) -> Response:
    """Queue a run, unless one goes on, or the budget does not allow it."""
    services = services_of(request)
    plan, key = text(form, "plan"), text(form, "key")[:100]
    try:
        if (refusal := await _not_now(services, name, plan, key)) is not None:
            return await action_forms.start_run(name, request, plan=plan, refusal=refusal)
        await runs.queue_run(services, name, RunIn(plan=plan), key=key or None)
    except ValidationError:
        refusal = Refusal(status=422, heading="There is no such plan", detail="", remedy="Choose one of those below.")
    except ProblemError as error:
        if error.status == 404:
            return _missing(services, name)
        refusal = refused(error.detail, heading="The run was not started", status=error.status)
    else:
        return _done(name, "started")
    return await action_forms.start_run(name, request, plan=plan, refusal=refusal)


async def _not_now(services: Services, name: str, plan: str, key: str) -> Refusal | None:
    async with services.database.read() as session:
        row = await endpoints.known(session, name)
        active = (await endpoint_store.active_runs(session, [row.id])).get(row.id)
    if active is not None and not active.paused and active.slot != f"key:{key}":
        return _busy(active)
    if plan in services.plans:
        _, problem = await services.ledger.foresee(row, services.plans[plan])
        return over_budget(problem) if problem is not None else None
    return None


def _busy(active: RunRow) -> Refusal:
    return Refusal(
        status=409, heading="A run is already going on",
        detail=f"A {active.plan} run is {active.state}: {active.answered} of {active.total} answered. "
        "Of one endpoint runs are carried out one after the other.",
        remedy="Wait for its end, or cancel it, and start this one then.", run_id=active.id,
    )  # fmt: skip


@router.post("/pause")
async def pause(name: str, request: Request) -> Response:
    return await _set_paused(name, request, paused=True)


@router.post("/resume")
async def resume(name: str, request: Request) -> Response:
    return await _set_paused(name, request, paused=False)


async def _set_paused(name: str, request: Request, *, paused: bool) -> Response:
    services = services_of(request)
    try:
        await endpoints.set_paused(services, name, paused=paused)
    except ProblemError:
        return _missing(services, name)
    return _done(name, "paused" if paused else "resumed")


@router.post("/baseline")
async def pin(name: str, request: Request, form: Form) -> Response:
    """Build the baseline from the runs that were chosen and confirmed."""
    services = services_of(request)
    chosen = [run for run in form.getlist("run") if isinstance(run, str)]
    if not chosen:
        refusal = refused(NO_RUN, heading=KEPT)
        return await action_forms.pin_baseline(name, request, run=chosen, refusal=refusal)
    try:
        await endpoints.pin_baseline(services, name, chosen)
    except ProblemError as error:
        if error.status == 404:
            return _missing(services, name)
        refusal = refused(error.detail, heading=KEPT, status=error.status)
        return await action_forms.pin_baseline(name, request, run=chosen, refusal=refusal)
    return _done(name, "pinned")


@router.post("/drill")
async def drill(name: str, request: Request, form: Form) -> Response:
    """Begin a fire drill."""
    services = services_of(request)
    persona = text(form, "persona")[:100]
    try:
        await services.drills.begin(name, persona)
    except DrillError as error:
        if error.kind == "unknown-endpoint":
            return _missing(services, name)
        busy = error.kind == "busy"
        refusal = Refusal(
            status=409 if busy else 422,
            heading="A drill is already going on" if busy else "There is no such persona",
            detail="One drill is carried out at a time." if busy else "",
            remedy="Wait for its end, and begin this one then." if busy else "Choose one of those below.",
        )
        return await action_forms.drill(name, request, persona=persona, refusal=refusal)
    return _done(name, "drilled")


@router.post("/silence")
async def silence(name: str, request: Request, form: Form) -> Response:
    """Silence this endpoint's alerts for some hours, or end such a silence."""
    services = services_of(request)
    async with services.database.read() as session:
        if await endpoint_store.by_name(session, name) is None:
            return _missing(services, name)
    if ended := text(form, "end"):
        with suppress(ProblemError):  # it is gone already: that is what was asked for
            await silences.finish(services, ended[:100])
        return _done(name, "unsilenced")
    hours = text(form, "hours")
    if hours not in HOURS:
        return common.error(
            services, status=422, heading="No such span", detail="Nothing was silenced.",
            remedy=f"Choose one of {', '.join(HOURS)} hours; the API takes any other.",
        )  # fmt: skip
    who = VIEWER.get()
    body = SilenceIn(
        match=MatchIn(endpoint=name), duration=timedelta(hours=int(hours)), comment="from the page of the endpoint",
        who=(who.name if who is not None else "")[:100] or NOBODY,
    )  # fmt: skip
    await silences.begin(services, body)
    return _done(name, "silenced")


def _missing(services: Services, name: str) -> Response:
    return common.missing(services, "endpoint", name, "The front page lists those that are registered.")


def _done(name: str, code: str) -> RedirectResponse:
    return see(f"{endpoint_path(name)}?{DONE_QUERY}={code}")
