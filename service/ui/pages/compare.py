"""Two runs side by side."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from service import comparing
from service.services import Services, services_of
from service.storage import endpoints as endpoint_store
from service.storage.schema import EndpointRow, RunRow
from service.ui import moved
from service.ui.fill import compare as fill
from service.ui.fill import measured
from service.ui.pages.common import html
from service.ui.views.compare import ChoosePage, ComparePage

router = APIRouter()
RunAndEndpoint = tuple[RunRow, EndpointRow]
Name = Annotated[str, Query(max_length=200)]


@router.get("/compare")
async def compare(request: Request, a: Name = "", b: Name = "", endpoint: Name = "") -> HTMLResponse:
    """Two runs side by side; a form to choose them while the address names fewer."""
    services = services_of(request)
    async with services.database.read() as session:
        before, now = await _run(session, a), await _run(session, b)
        if before is not None and now is not None:
            return html(await _compared(session, services, before, now))
        wrong = [name for name, found in ((a, before), (b, now)) if name and found is None]
        known = before or now
        row = known[1] if known else await endpoint_store.by_name(session, endpoint)
        page = ChoosePage(
            now=services.clock(),
            a=before[0].id if before else "",
            b=now[0].id if now else "",
            endpoint=row.name if row else "",
            choices=await fill.choices(session, row),
            problem=f"There is no run {' and no run '.join(map(repr, wrong))}." if wrong else "",
        )
    return html(page, status=404 if wrong else 200)


async def _run(session: AsyncSession, run_id: str) -> RunAndEndpoint | None:
    row = await session.get(RunRow, run_id) if run_id else None
    return (row, await session.get_one(EndpointRow, row.endpoint_id)) if row is not None else None


async def _compared(session: AsyncSession, services: Services, a: RunAndEndpoint, b: RunAndEndpoint) -> ComparePage:
    before, now = [await measured.measurements(session, run.id) for run, _ in (a, b)]
    return ComparePage(
        now=services.clock(),
        a=await fill.side(session, *a),
        b=await fill.side(session, *b),
        caveats=comparing.caveats(a, b),
        rows=moved.between(before, now),
        items=await comparing.by_item(session, a[0], b[0]),
    )
