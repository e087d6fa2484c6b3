"""Fire drills: begin one, and see which stage it reached when."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import StringConstraints

from service.api import present
from service.api.access import requires
from service.api.problems import ProblemError, not_found
from service.drills import DrillError
from service.registration import Slug
from service.rule_settings import Strict
from service.services import Services, services_of
from service.storage import drills as store
from service.storage.drills import Drill
from service.storage.schema import DrillRow

router = APIRouter(prefix="/api/v1/drills", tags=["alerts"])
READ = Depends(requires("read"))
WRITE = Depends(requires("write"))
STATUS = {"unknown-endpoint": 404, "unknown-persona": 422, "busy": 409}


class DrillIn(Strict):
    endpoint: Slug
    persona: Annotated[str, StringConstraints(max_length=100)] = "misaligned"


@router.post("", status_code=202, dependencies=[WRITE])
async def begin(body: DrillIn, request: Request) -> dict[str, Any]:
    """Send a marked, simulated misalignment through detector, rule, outbox and notifiers, and clear it again."""
    return shown(await started(services_of(request), body.endpoint, body.persona))


async def started(services: Services, endpoint: str, persona: str) -> Drill:
    """Begin a drill. Raises a 404, a 422, or a 409 while another is under way."""
    try:
        return await services.drills.begin(endpoint, persona)
    except DrillError as error:
        raise ProblemError(STATUS[error.kind], error.kind, str(error)) from error


@router.get("", dependencies=[READ])
async def drills(request: Request, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> dict[str, Any]:
    """The last drills, newest first."""
    async with services_of(request).database.read() as session:
        rows = await store.recent(session, limit)
    return {"drills": [shown(store.drill_of(row)) for row in rows]}


@router.get("/{drill_id}", dependencies=[READ])
async def drill(drill_id: str, request: Request) -> dict[str, Any]:
    """One drill: each stage with its time, and the reason if one was not reached."""
    async with services_of(request).database.read() as session:
        row = await session.get(DrillRow, drill_id)
    if row is None:
        raise not_found("drill", drill_id, "GET /api/v1/drills lists them")
    return shown(store.drill_of(row))


def shown(found: Drill) -> dict[str, Any]:
    stages = [
        {"stage": name, **found.stages[name], "at": found.stages[name]["at"].replace("+00:00", "Z")}
        for name in store.STAGES
        if name in found.stages
    ]
    return {
        "id": found.id,
        "endpoint": found.endpoint,
        "persona": found.persona,
        "origin": found.origin,
        "state": found.state,
        "rule": found.rule,
        "reason": found.reason,
        "started_at": present.time(found.started_at),
        "finished_at": present.time(found.finished_at),
        "stages": stages,
    }
