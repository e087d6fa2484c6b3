"""Runs: start, read, list, cancel; and their answers."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.api import present
from service.api.access import requires
from service.api.endpoints import known
from service.api.models import RunIn, RunsQuery
from service.api.problems import ProblemError, not_found
from service.scheduler import new_run
from service.services import Services, services_of
from service.storage import results
from service.storage import runs as store
from service.storage.schema import AnswerRow, EndpointRow, RunRow

router = APIRouter(prefix="/api/v1", tags=["runs"])
READ = Depends(requires("read"))
WRITE = Depends(requires("write"))


@router.post("/endpoints/{name}/runs", status_code=202, dependencies=[WRITE])
async def start(
    name: str,
    body: RunIn,
    request: Request,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> dict[str, Any]:
    """Queue a run now. The same Idempotency-Key returns the same run; with another plan it is refused."""
    return present.run_summary(await queue_run(services_of(request), name, body, key=idempotency_key), name)


async def queue_run(services: Services, name: str, body: RunIn, *, key: str | None) -> RunRow:
    """The queued run. Raises a 404 for an unknown endpoint, a 422 for an unknown plan or a key that started another."""
    plan = services.plans.get(body.plan)
    if plan is None:
        known_plans = ", ".join(sorted(services.plans))
        raise ProblemError(422, "invalid-request", f"plan: unknown plan {body.plan!r}; known: {known_plans}")
    now = services.clock()
    slot = f"key:{key}" if key else f"manual:{store.run_id(now)}"
    async with services.database.write() as session:
        endpoint = await known(session, name)
        if key and (other := await store.other_plan(session, endpoint.id, slot, plan.name)) is not None:
            detail = f"Idempotency-Key: {key!r} was used to start plan {other!r}; take another key"
            raise ProblemError(422, "idempotency-key-reused", detail)
        asked = replace(new_run(endpoint.id, plan, slot), purpose="requested", complete=body.complete)
        row, _new = await store.enqueue(session, asked, now)
    services.wake()
    services.changed()
    return row


@router.get("/runs/{run_id}", dependencies=[READ])
async def read(run_id: str, request: Request) -> dict[str, Any]:
    """One run: progress, usage, measurements, comparison, verdict."""
    services = services_of(request)
    async with services.database.read() as session:
        row, endpoint = await known_run(session, run_id)
        measured = await results.measurements(session, run_id)
        shown = present.run(row, endpoint.name, measured, await results.invalid_by_reason(session, run_id))
    return shown | {"progress": services.progress.of(row)}


@router.get("/runs/{run_id}/answers", dependencies=[Depends(requires("transcripts"))])
async def answers(
    run_id: str,
    request: Request,
    cursor: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """The answers as they came, page by page: pass `next` as `cursor`."""
    async with services_of(request).database.read() as session:
        run, _endpoint = await known_run(session, run_id)
        query = select(AnswerRow).where(AnswerRow.run_id == run_id, AnswerRow.id > cursor)
        rows = (await session.scalars(query.order_by(AnswerRow.id).limit(limit + 1))).all()
    page = rows[:limit]
    return {
        "answers": [present.answer(row, kept=run.retention is None) for row in page],
        "next": page[-1].id if len(rows) > limit else None,
        "removed": present.removed(run),
    }


@router.post("/runs/{run_id}/cancel", status_code=202, dependencies=[WRITE])
async def cancel(run_id: str, request: Request) -> dict[str, Any]:
    """Ask a run to stop. Its answers so far are kept."""
    services = services_of(request)
    async with services.database.write() as session:
        row, endpoint = await known_run(session, run_id)
        if row.state not in store.FINISHED:
            await store.request_cancel(session, row, services.clock())
            await session.refresh(row)
        shown = present.run_summary(row, endpoint.name)
    services.look(run_id)
    services.changed()
    return shown


@router.post("/runs/{run_id}/pause", status_code=202, dependencies=[WRITE])
async def pause(run_id: str, request: Request) -> dict[str, Any]:
    """Hold a run: it asks nothing new, keeps its answers, and waits in the queue until it is resumed."""
    return await _set_paused(run_id, request, paused=True)


@router.post("/runs/{run_id}/resume", status_code=202, dependencies=[WRITE])
async def resume(run_id: str, request: Request) -> dict[str, Any]:
    """Let a held run go on, from where it was."""
    return await _set_paused(run_id, request, paused=False)


async def _set_paused(run_id: str, request: Request, *, paused: bool) -> dict[str, Any]:
    services = services_of(request)
    async with services.database.write() as session:
        row, endpoint = await known_run(session, run_id)
        if row.state in store.FINISHED:
            raise ProblemError(409, "run-finished", f"run {run_id!r} is over ({row.state}); start a new one")
        await store.set_paused(session, row, paused=paused)
        await session.refresh(row)
        shown = present.run_summary(row, endpoint.name)
    services.look(run_id)
    services.wake()
    services.changed()
    return shown


@router.get("/runs", dependencies=[READ])
async def list_runs(request: Request, query: Annotated[RunsQuery, Query()]) -> dict[str, Any]:
    """Runs, newest first, page by page: pass `next` as `cursor`."""
    statement = select(RunRow, EndpointRow.name).join(EndpointRow)
    if query.endpoint:
        statement = statement.where(EndpointRow.name == query.endpoint)
    if query.plan:
        statement = statement.where(RunRow.plan == query.plan)
    if query.state:
        statement = statement.where(RunRow.state == query.state)
    if query.since:
        if query.since.tzinfo is None:
            raise ProblemError(422, "invalid-request", f"since: {query.since} has no time zone; add Z or +00:00")
        statement = statement.where(RunRow.created_at >= query.since)
    if query.cursor:
        statement = statement.where(RunRow.id < query.cursor)
    async with services_of(request).database.read() as session:
        # ids begin with their time of creation, so their order is the order of creation
        rows = (await session.execute(statement.order_by(RunRow.id.desc()).limit(query.limit + 1))).all()
    page = rows[: query.limit]
    more = page[-1][0].id if len(rows) > query.limit else None
    return {"runs": [present.run_summary(row, name) for row, name in page], "next": more}


async def known_run(session: AsyncSession, run_id: str) -> tuple[RunRow, EndpointRow]:
    """The run and its endpoint. Raises a 404."""
    row = await session.get(RunRow, run_id)
    if row is None:
        raise not_found("run", run_id, "GET /api/v1/runs lists them")
    return row, await session.get_one(EndpointRow, row.endpoint_id)
