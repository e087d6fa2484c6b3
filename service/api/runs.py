"""Runs: start, read, list, cancel; and their answers."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response
from sqlalchemy import select

from service.api import downloads, present, run_control
from service.api.access import requires
from service.api.endpoints import known
from service.api.models import AnswersQuery, RunIn, RunsQuery
from service.api.problems import ProblemError
from service.api.run_control import known_run
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


FILE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
"""What a call may answer beside JSON, for the documentation."""


@router.get("/runs/{run_id}", dependencies=[READ], response_model=dict[str, Any], responses=FILE)
async def read(
    run_id: str,
    request: Request,
    format: Annotated[  # noqa: A002 (the outward name)
        Literal["json", "csv"], Query(description="csv: the measurements alone, as a file")
    ] = "json",
) -> dict[str, Any] | Response:
    """One run: progress, usage, measurements, comparison, verdict."""
    services = services_of(request)
    async with services.database.read() as session:
        row, endpoint = await known_run(session, run_id)
        measured = await results.measurements(session, run_id)
        if format == "csv":
            return downloads.measurements_csv(row, endpoint, measured)
        shown = present.run(row, endpoint.name, measured, await results.invalid_by_reason(session, run_id))
    return shown | {"progress": services.progress.of(row)}


@router.get(
    "/runs/{run_id}/answers",
    dependencies=[Depends(requires("transcripts"))],
    response_model=dict[str, Any],
    responses=FILE,
)
async def answers(run_id: str, request: Request, query: Annotated[AnswersQuery, Query()]) -> dict[str, Any] | Response:
    """The answers as they came, page by page: pass `next` as `cursor`. `format=csv` gives every answer as a file,
    `all=true` as one JSON document; both are sent as they are read, in the order of items."""
    services = services_of(request)
    wanted = query.wanted()
    async with services.database.read() as session:
        run, endpoint = await known_run(session, run_id)
        if query.format == "csv":
            return downloads.answers_csv(services, run, endpoint, wanted)
        if query.all:
            return downloads.answers_json(services, run, endpoint, wanted)
        found = select(AnswerRow).where(*wanted.conditions(run_id), AnswerRow.id > query.cursor)
        rows = (await session.scalars(found.order_by(AnswerRow.id).limit(query.limit + 1))).all()
    page = rows[: query.limit]
    return {
        "answers": [present.answer(row, kept=run.retention is None) for row in page],
        "next": page[-1].id if len(rows) > query.limit else None,
        "removed": present.removed(run),
    }


@router.post("/runs/{run_id}/cancel", status_code=202, dependencies=[WRITE])
async def cancel(run_id: str, request: Request) -> dict[str, Any]:
    """Ask a run to stop. Its answers so far are kept."""
    row, endpoint = await run_control.cancel(services_of(request), run_id)
    return present.run_summary(row, endpoint.name)


@router.post("/runs/{run_id}/pause", status_code=202, dependencies=[WRITE])
async def pause(run_id: str, request: Request) -> dict[str, Any]:
    """Hold a run: it asks nothing new, keeps its answers, and waits in the queue until it is resumed."""
    row, endpoint = await run_control.set_paused(services_of(request), run_id, paused=True)
    return present.run_summary(row, endpoint.name)


@router.post("/runs/{run_id}/resume", status_code=202, dependencies=[WRITE])
async def resume(run_id: str, request: Request) -> dict[str, Any]:
    """Let a held run go on, from where it was."""
    row, endpoint = await run_control.set_paused(services_of(request), run_id, paused=False)
    return present.run_summary(row, endpoint.name)


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
