"""The fleet: all endpoints, worst first."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.types import Verdict
from service import alert_list, profile_library
from service.services import Services, services_of
from service.storage import endpoints as endpoint_store
from service.ui import parts
from service.ui.fill import common, endpoints
from service.ui.pages.common import Live, Part, html
from service.ui.views.fleet import FleetPage

router = APIRouter()
ON_PAGE = 50


@router.get("/")
async def fleet(
    request: Request, part: Part = None, live: Live = True, page: Annotated[int, Query(ge=1)] = 1
) -> HTMLResponse:
    """All endpoints, worst first."""
    services = services_of(request)
    async with services.database.read() as session:
        shown = await _fleet(session, services, page, live=live)
    return html(shown, part)


async def _fleet(session: AsyncSession, services: Services, number: int, *, live: bool) -> FleetPage:
    every = await endpoint_store.all_endpoints(session)
    rows = sorted(await endpoints.endpoint_rows(session, every), key=parts.urgency)
    pages = max(1, -(-len(rows) // ON_PAGE))
    number = min(number, pages)
    on_page = rows[(number - 1) * ON_PAGE : number * ON_PAGE]
    profiles = sorted({row.profiles for row in every})
    return FleetPage(
        now=services.clock(),
        live=live,
        rows=tuple(on_page),
        alerts=common.alert_rows(await alert_list.listed(session, services.alerting, services.clock())),
        promise=services.false_alarms.promise,
        map=parts.map_of(
            on_page,
            realigned=common.realigned_drift(await profile_library.resolve(session, profiles[0]))
            if len(profiles) == 1
            else None,
            profiles=", ".join(profiles),
        ),
        counts=_count(rows),
        down=sum(row.down is not None for row in rows),
        any_simulated=any(row.simulated for row in rows),
        page=number,
        pages=pages,
        budget=tuple(one for one in common.allowances(services.ledger.total()) if one.limit is not None or one.spent),
        base_url=services.settings.url,
        offline_since=services.connectivity.offline_since(),
    )


def _count(rows: list[parts.EndpointRow]) -> dict[Verdict | None, int]:
    counts: dict[Verdict | None, int] = {}
    for row in rows:
        counts[row.verdict] = counts.get(row.verdict, 0) + 1
    return counts
