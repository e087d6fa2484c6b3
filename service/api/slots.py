"""What became of the times at which an endpoint's schedules were due."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from service.api import present
from service.api.access import requires
from service.api.endpoints import known
from service.api.models import SlotsQuery
from service.services import services_of
from service.storage import slots as store

router = APIRouter(prefix="/api/v1", tags=["endpoints"])


@router.get("/endpoints/{name}/slots", dependencies=[Depends(requires("read"))])
async def slots(name: str, request: Request, query: Annotated[SlotsQuery, Query()]) -> dict[str, Any]:
    """Slots, newest first, page by page: pass `next` as `cursor`. Slots skipped in a row for one reason are one entry
    with a count."""
    async with services_of(request).database.read() as session:
        endpoint = await known(session, name)
        rows = await store.newest_first(
            session, endpoint.id, limit=query.limit + 1, before=query.cursor, plan=query.plan, state=query.state
        )
    page = rows[: query.limit]
    more = page[-1].id if len(rows) > query.limit else None
    return {"slots": [present.slot(row) for row in page], "next": more}
