"""Registration: create, read, change, remove, check, pause, resume, baseline."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.serialize import profile_to_json
from baselines.types import ProfileSet
from probes.types import Problem
from service import own_baseline, profile_library, quote
from service.api import present
from service.api.access import requires
from service.api.models import BaselineIn
from service.api.problems import ProblemError, not_found
from service.circuit import CLOSED
from service.farewell import say_farewell
from service.keys import stored_form
from service.prices import unpriced_endpoint
from service.progress import clock_flip
from service.reach import reach
from service.registration import EndpointFields, EndpointIn, EndpointPatch
from service.services import Services, services_of
from service.storage import endpoints as store
from service.storage import health as health_store
from service.storage import runs as run_store
from service.storage import slots as slot_store
from service.storage.runs import FINISHED
from service.storage.schema import BaselineRow, EndpointRow, RunRow

router = APIRouter(prefix="/api/v1/endpoints", tags=["endpoints"])
READ = Depends(requires("read"))
WRITE = Depends(requires("write"))
KEY_FIELDS = ("api_key", "api_key_env", "api_key_file")


async def known(session: AsyncSession, name: str) -> EndpointRow:
    """The endpoint called `name`. Raises a 404."""
    row = await store.by_name(session, name)
    if row is None:
        raise not_found("endpoint", name, "GET /api/v1/endpoints lists those that are registered")
    return row


async def present_all(session: AsyncSession, services: Services, rows: list[EndpointRow]) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    schedules = await store.schedules_of(session, ids)
    last = await store.last_runs(session, ids)
    active = await store.active_runs(session, ids)
    return [
        present.endpoint(row, schedules[row.id], last.get(row.id), active.get(row.id), services.ledger.standing(row))
        for row in rows
    ]


async def register(services: Services, body: EndpointIn) -> int:
    """Store a new endpoint with its schedules. Raises a 409 for a name that is taken, a 422 for an unknown plan or a
    limit in USD without a price. Gives its id."""
    _check_plans(services, body)
    _check_prices(services, body.model, body.limits.model_dump())
    await _check_power(services, await _profiles(services, body.profiles), body.schedules)
    key_kind, key_value = stored_form(body, services.vault)
    now = services.clock()
    row = EndpointRow(
        name=body.name, base_url=body.base_url, model=body.model, key_kind=key_kind, key_value=key_value,
        profiles=body.profiles, labels=body.labels, limits=body.limits.model_dump(),
        sampling=body.sampling.model_dump(), health="unknown", created_at=now,
        simulated=body.labels.get("simulated") == "true",
    )  # fmt: skip
    try:
        async with services.database.write() as session:
            await _check_profiles(session, body.profiles)
            session.add(row)
            await session.flush()
            await store.set_schedules(session, row.id, body.schedules, now)
    except IntegrityError as error:
        raise ProblemError(
            409, "name-taken", f"an endpoint named {body.name!r} exists; choose another name, or PATCH or DELETE it"
        ) from error
    return row.id


@router.post("", status_code=201, dependencies=[WRITE])
async def create(body: EndpointIn, request: Request, response: Response) -> dict[str, Any]:
    """Register an OpenAI-compatible endpoint. Its first scheduled run starts at once."""
    services = services_of(request)
    await _may_name_key(body, request)
    endpoint_id = await register(services, body)
    services.false_alarms.forget()
    await services.metrics.refresh(endpoint_id)
    services.changed()
    response.headers["Location"] = f"/api/v1/endpoints/{body.name}"
    shown = await read(body.name, request)
    quotes = await quotes_of(services, await _profiles(services, body.profiles), body.schedules)
    told = [quote.to_json(one, services.prices, body.model) for one in quotes]
    return shown | {"warnings": _warnings(services), "quotes": told}


@router.get("", dependencies=[READ])
async def list_all(request: Request) -> dict[str, Any]:
    """All endpoints, by name."""
    services = services_of(request)
    async with services.database.read() as session:
        return {"endpoints": await present_all(session, services, list(await store.all_endpoints(session)))}


@router.get("/{name}", dependencies=[READ])
async def read(name: str, request: Request) -> dict[str, Any]:
    """One endpoint with its verdict, last run and next runs; never its key."""
    services = services_of(request)
    async with services.database.read() as session:
        return (await present_all(session, services, [await known(session, name)]))[0]


@router.patch("/{name}", dependencies=[WRITE])
async def change(name: str, body: EndpointPatch, request: Request) -> dict[str, Any]:
    """Change the fields given. A new key replaces the old one."""
    services = services_of(request)
    await _may_name_key(body, request)
    _check_plans(services, body)
    given = body.model_fields_set
    if "schedules" in given:
        profiles = body.profiles if "profiles" in given else (await read(name, request))["profiles"]
        await _check_power(services, await _profiles(services, profiles), body.schedules)
    async with services.database.write() as session:
        row = await known(session, name)
        _refuse_to_move_key(row, body)
        if "profiles" in given:
            await _check_profiles(session, body.profiles)
        _apply(row, body)
        if given & {"model", "limits"}:
            _check_prices(services, row.model, row.limits)
        if given & set(KEY_FIELDS):
            row.key_kind, row.key_value = stored_form(body, services.vault)
        if given & {"base_url", "model", *KEY_FIELDS}:
            health_store.forget(row)
            await slot_store.catch_up(session, row.id, services.clock())
        if "schedules" in given:
            await store.set_schedules(session, row.id, body.schedules, services.clock())
    if given & {"base_url", "model"}:
        services.gates.forget(row.id)
    elif "limits" in given:
        services.gates.of(row)  # they hold at once
    services.false_alarms.forget()
    await services.metrics.refresh(row.id)
    services.changed()
    return await read(name, request)


def _apply(row: EndpointRow, body: EndpointPatch) -> None:
    given = body.model_fields_set
    for field in given & {"base_url", "model", "profiles", "labels"}:
        setattr(row, field, getattr(body, field))
    row.simulated = row.labels.get("simulated") == "true"
    if given & {"base_url", "model", "sampling"}:
        row.capabilities = None  # found out anew before the next run
    for field in given & {"limits", "sampling"}:
        setattr(row, field, getattr(row, field) | getattr(body, field).model_dump(exclude_unset=True))


@router.delete("/{name}", status_code=204, dependencies=[WRITE])
async def remove(name: str, request: Request) -> None:
    """Forget an endpoint with its runs, answers and series. Alerts that were told as firing are told as resolved."""
    services = services_of(request)
    async with services.database.write() as session:
        row = await known(session, name)
        flips = await say_farewell(session, row, services.alerting.policy.notifiers, services.clock())
        await store.remove(session, row.id)
    for flip in flips:
        services.events.publish("flip", clock_flip(flip))
    services.gates.forget(row.id)
    services.ledger.forget(row.id)
    services.false_alarms.forget()
    await services.metrics.refresh(row.id)
    services.changed()


@router.post("/{name}/pause", status_code=204, dependencies=[WRITE])
async def pause(name: str, request: Request) -> None:
    """Stop scheduled runs, and hold what is going on: it keeps its answers and goes on after the resumption. A run that
    a person starts meanwhile is carried out."""
    await _set_paused(services_of(request), name, paused=True)


@router.post("/{name}/resume", status_code=204, dependencies=[WRITE])
async def resume(name: str, request: Request) -> None:
    await _set_paused(services_of(request), name, paused=False)


@router.post("/{name}/check", dependencies=[WRITE])
async def check(name: str, request: Request) -> dict[str, Any]:
    """Reach the endpoint once and say what was seen, or why not."""
    services = services_of(request)
    async with services.database.read() as session:
        row = await known(session, name)
    found = await reach(services.database, services.clients, row, services.settings.call_deadline_s)
    async with services.database.write() as session:
        await store.set_health(session, row.id, found if isinstance(found, Problem) else None, services.clock())
        if not isinstance(found, Problem):
            await health_store.save_circuit(session, row.id, CLOSED)
    services.changed()
    if isinstance(found, Problem):
        return {"ok": False, "problem": {"reason": found.reason, "detail": found.detail, "remedy": found.remedy}}
    return {"ok": True, **found}


@router.put("/{name}/baseline", dependencies=[WRITE])
async def set_baseline(name: str, body: BaselineIn, request: Request) -> dict[str, Any]:
    """Build the endpoint's own baseline from its runs. Evidence starts anew against it."""
    services = services_of(request)
    async with services.database.write() as session:
        row = await known(session, name)
        runs = [await _baseline_run(session, row, run_id) for run_id in dict.fromkeys(body.runs)]
        try:
            made = await own_baseline.build(session, row, runs, made_by="user", now=services.clock())
        except ValueError as error:
            raise ProblemError(422, "no-baseline", str(error)) from error
        found = _present_baseline(made)
    services.changed()
    return found


@router.get("/{name}/baseline", dependencies=[READ])
async def get_baseline(name: str, request: Request) -> dict[str, Any]:
    """The baseline that holds."""
    async with services_of(request).database.read() as session:
        row = await own_baseline.newest(session, (await known(session, name)).id)
    if row is None:
        raise not_found("baseline of", name, "PUT one with the ids of its runs")
    return _present_baseline(row)


def _present_baseline(row: BaselineRow) -> dict[str, Any]:
    profile = own_baseline.profile(row)
    shown = profile_to_json(profile) if profile else {}
    return {
        "runs": row.runs,
        "made_by": row.made_by,
        "stale": own_baseline.stale(row),
        "created_at": present.time(row.created_at),
        "profile": shown,
    }


async def _baseline_run(session: AsyncSession, endpoint: EndpointRow, run_id: str) -> RunRow:
    run = await session.get(RunRow, run_id)
    if run is None or run.endpoint_id != endpoint.id:
        raise ProblemError(422, "no-baseline", f"runs: {run_id!r} is not a run of {endpoint.name!r}; GET /api/v1/runs")
    if run.state not in FINISHED or run.state in ("failed", "cancelled"):
        raise ProblemError(422, "no-baseline", f"runs: {run_id!r} is {run.state}; choose runs that succeeded")
    return run


async def _set_paused(services: Services, name: str, *, paused: bool) -> None:
    async with services.database.write() as session:
        row = await known(session, name)
        if row.paused and not paused:
            await slot_store.watch_from(session, row.id, services.clock())
        row.paused = paused
        await run_store.pause_all(session, row.id, paused=paused)
        active = await store.active_runs(session, [row.id])
    if row.id in active:
        services.look(active[row.id].id)
    services.wake()
    services.false_alarms.forget()
    services.changed()


def _check_plans(services: Services, body: EndpointFields) -> None:
    for plan in body.schedules:
        if plan not in services.plans:
            detail = f"schedules.{plan}: unknown plan; known: {', '.join(sorted(services.plans))}"
            raise ProblemError(422, "invalid-request", detail)


def _check_prices(services: Services, model: str, limits: Mapping[str, Any]) -> None:
    """A limit in USD that could not be kept is refused: it would look like protection and be none."""
    if (why := unpriced_endpoint(services.settings, services.prices, model, limits)) is not None:
        raise ProblemError(422, "no-price", why)


async def _profiles(services: Services, name: str) -> ProfileSet:
    """The set called `name`, published or imported. Raises a 422 naming the known ones."""
    async with services.database.read() as session:
        await _check_profiles(session, name)
        return await profile_library.resolve(session, name)


async def _check_profiles(session: AsyncSession, name: str) -> None:
    """In the transaction that stores the name: a set that is in use cannot be deleted, so it stays known."""
    if not await profile_library.known(session, name):
        why = await profile_library.unknown(session, name)
        errors = [{"field": "profiles", "message": why}]
        raise ProblemError(422, "invalid-request", f"profiles: {why}", errors=errors)


async def quotes_of(services: Services, profiles: ProfileSet, schedules: Mapping[str, str]) -> list[quote.Quote]:
    """What the schedules cost and find, at the promised rate of false alarms."""
    async with services.database.read() as session:
        threshold = await services.false_alarms.threshold_log10(session)
    return await asyncio.to_thread(
        quote.of_schedules, schedules, services.plans, profiles, threshold=threshold,
        baseline_runs=services.settings.auto_baseline_runs, judged=services.judge_note is None,
    )  # fmt: skip


async def _check_power(services: Services, profiles: ProfileSet, schedules: Mapping[str, str]) -> None:
    """A plan that would not find even a full shift is refused, with the smallest change that would."""
    for one in await quotes_of(services, profiles, schedules):
        if one.powerless:
            async with services.database.read() as session:
                threshold = await services.false_alarms.threshold_log10(session)
            remedy = await asyncio.to_thread(
                quote.with_power, services.plans[one.plan], one.every, profiles, threshold=threshold,
                baseline_runs=services.settings.auto_baseline_runs,
            )  # fmt: skip
            detail = (
                f"schedules.{one.plan}: {schedules[one.plan]!r} would not find even a model that has turned misaligned "
                f"altogether (false alarms: {services.false_alarms.promise}); {remedy}"
            )
            raise ProblemError(422, "no-power", detail)


async def _may_name_key(body: EndpointFields, request: Request) -> None:
    """A variable or file of the server is sent to an address of the caller's choice: that takes the scope `admin`."""
    if body.api_key_env is not None or body.api_key_file is not None:
        await requires("admin")(request)


def _refuse_to_move_key(row: EndpointRow, body: EndpointPatch) -> None:
    """A key goes to the server it was given for. Raises a 422 when it would follow the endpoint to another one."""
    given = body.model_fields_set
    if row.key_kind == "none" or "base_url" not in given or given & set(KEY_FIELDS):
        return
    if urlsplit(body.base_url)[:2] != urlsplit(row.base_url)[:2]:
        detail = "base_url: the endpoint's key would go to another server; give api_key (or api_key_env, ...) as well"
        raise ProblemError(422, "invalid-request", detail)


def _warnings(services: Services) -> list[str]:
    return [services.judge_note] if services.judge_note else []
