"""Registration: create, read, change, remove, check, pause, resume, baseline."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.serialize import profile_to_json
from probes.types import Problem
from service import own_baseline, quote, registrar
from service.api import present
from service.api.access import requires
from service.api.models import BaselineIn
from service.api.problems import ProblemError, not_found
from service.registration import EndpointFields, EndpointIn, EndpointPatch
from service.services import Services, services_of
from service.storage import endpoints as store
from service.storage import runs as run_store
from service.storage import slots as slot_store
from service.storage.runs import FINISHED
from service.storage.schema import BaselineRow, EndpointRow, RunRow

router = APIRouter(prefix="/api/v1/endpoints", tags=["endpoints"])
READ = Depends(requires("read"))
WRITE = Depends(requires("write"))


known = registrar.known
"""The endpoint of a name; a 404 without one."""


async def present_all(session: AsyncSession, services: Services, rows: list[EndpointRow]) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    schedules = await store.schedules_of(session, ids)
    last = await store.last_runs(session, ids)
    active = await store.active_runs(session, ids)
    return [
        present.endpoint(row, schedules[row.id], last.get(row.id), active.get(row.id), services.ledger.standing(row))
        for row in rows
    ]


@router.post("", status_code=201, dependencies=[WRITE])
async def create(body: EndpointIn, request: Request, response: Response) -> dict[str, Any]:
    """Register an OpenAI-compatible endpoint. Its first scheduled run starts at once."""
    services = services_of(request)
    await may_name_key(body, request)
    await registrar.create(services, body)
    response.headers["Location"] = f"/api/v1/endpoints/{body.name}"
    shown = await read(body.name, request)
    quotes = await registrar.quotes_of(services, body.profiles, body.schedules)
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
    await may_name_key(body, request)
    await registrar.change(services_of(request), name, body)
    return await read(name, request)


@router.delete("/{name}", status_code=204, dependencies=[WRITE])
async def remove(name: str, request: Request) -> None:
    """Forget an endpoint with its runs, answers and series. Alerts that were told as firing are told as resolved."""
    await registrar.remove(services_of(request), name)


@router.post("/{name}/pause", status_code=204, dependencies=[WRITE])
async def pause(name: str, request: Request) -> None:
    """Stop scheduled runs, and hold what is going on: it keeps its answers and goes on after the resumption. A run that
    a person starts meanwhile is carried out."""
    await set_paused(services_of(request), name, paused=True)


@router.post("/{name}/resume", status_code=204, dependencies=[WRITE])
async def resume(name: str, request: Request) -> None:
    await set_paused(services_of(request), name, paused=False)


@router.post("/{name}/check", dependencies=[WRITE])
async def check(name: str, request: Request) -> dict[str, Any]:
    """Reach the endpoint once and say what was seen, or why not."""
    found = await registrar.check(services_of(request), name)
    if isinstance(found, Problem):
        return {"ok": False, "problem": {"reason": found.reason, "detail": found.detail, "remedy": found.remedy}}
    return {"ok": True, **found}


@router.put("/{name}/baseline", dependencies=[WRITE])
async def set_baseline(name: str, body: BaselineIn, request: Request) -> dict[str, Any]:
    """Build the endpoint's own baseline from its runs. Evidence starts anew against it."""
    return _present_baseline(await pin_baseline(services_of(request), name, body.runs))


async def pin_baseline(services: Services, name: str, run_ids: Sequence[str]) -> BaselineRow:
    """The new baseline. Raises a 404 for an unknown endpoint, a 422 for runs that make no baseline."""
    async with services.database.write() as session:
        row = await known(session, name)
        runs = await baseline_runs(session, row, run_ids)
        try:
            made = await own_baseline.build(session, row, runs, made_by="user", now=services.clock())
        except ValueError as error:
            raise ProblemError(422, "no-baseline", str(error)) from error
    services.changed()
    return made


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


async def baseline_runs(session: AsyncSession, endpoint: EndpointRow, run_ids: Sequence[str]) -> list[RunRow]:
    """The runs, each once. Raises a 422 for one that is no run of the endpoint, or did not succeed."""
    return [await _baseline_run(session, endpoint, run_id) for run_id in dict.fromkeys(run_ids)]


async def _baseline_run(session: AsyncSession, endpoint: EndpointRow, run_id: str) -> RunRow:
    run = await session.get(RunRow, run_id)
    if run is None or run.endpoint_id != endpoint.id:
        raise ProblemError(422, "no-baseline", f"runs: {run_id!r} is not a run of {endpoint.name!r}; GET /api/v1/runs")
    if run.state not in FINISHED or run.state in ("failed", "cancelled"):
        raise ProblemError(422, "no-baseline", f"runs: {run_id!r} is {run.state}; choose runs that succeeded")
    return run


async def set_paused(services: Services, name: str, *, paused: bool) -> None:
    """Pause or resume an endpoint, with what goes on of it. Raises a 404."""
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


async def may_name_key(body: EndpointFields, request: Request) -> None:
    """A variable or file of the server is sent to an address of the caller's choice: that takes the scope `admin`."""
    if body.api_key_env is not None or body.api_key_file is not None:
        await requires("admin")(request)


def _warnings(services: Services) -> list[str]:
    return [services.judge_note] if services.judge_note else []
