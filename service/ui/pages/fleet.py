"""The fleet: all endpoints, worst first, or those that the address asks for."""

from collections import Counter
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.types import Verdict
from service import alert_list, profile_library
from service.services import Services, services_of
from service.storage import fleet as store
from service.storage.fleet import Listing
from service.storage.schema import EndpointRow
from service.ui import parts
from service.ui.fill import common, endpoints
from service.ui.fleet_filter import Filter, FilterError
from service.ui.pages.common import Live, Part, error, html
from service.ui.views.fleet import FleetPage

router = APIRouter()
ON_PAGE = 50
TREND = 30
"""Runs that a sparkline shows."""
MOST_LABELS = 100
"""So many labels may be chosen from; others can be searched for."""


@router.get("/")
async def fleet(request: Request, part: Part = None, live: Live = True) -> Response:
    """All endpoints, filtered and sorted as the address says."""
    services = services_of(request)
    try:
        wanted = Filter.of(request.query_params)
    except FilterError as problem:
        return error(services, status=422, heading="No such filter", detail=str(problem), remedy=problem.remedy)
    asked_by_script = "hx-request" in request.headers
    if not asked_by_script and "" in request.query_params.values():  # a form sends what was left empty as well
        return RedirectResponse(FleetPage(now=services.clock(), live=live).link(wanted), status_code=303)
    async with services.database.read() as session:
        shown = await _fleet(session, services, wanted, live=live)
    response = html(shown, part)
    if asked_by_script and part is None:
        how = "HX-Replace-Url" if _types(request, wanted) else "HX-Push-Url"
        response.headers[how] = shown.link(shown.filter)
    return response


def _types(request: Request, wanted: Filter) -> bool:
    """Whether the reader goes on typing what they search for: no step that one would go back to."""
    query = parse_qs(urlsplit(request.headers.get("hx-current-url", "")).query)
    before = query.get("q", [""])[0]
    return bool(before and wanted.q and before != wanted.q)


async def _fleet(session: AsyncSession, services: Services, wanted: Filter, *, live: bool) -> FleetPage:
    every = await store.listings(session)
    found = wanted.order(filter(wanted.shows, every), _cost(services))
    pages = max(1, -(-len(found) // ON_PAGE))
    wanted = wanted.turned_to(min(wanted.page, pages))
    rows = await _rows(session, services, found[(wanted.page - 1) * ON_PAGE : wanted.page * ON_PAGE])
    profiles = sorted({one.profiles for one in every})
    return FleetPage(
        now=services.clock(),
        live=live,
        filter=wanted,
        rows=tuple(rows),
        matching=len(found),
        registered=len(every),
        labels=_labels(every),
        alerts=common.alert_rows(await alert_list.listed(session, services.alerting, services.clock())),
        promise=services.false_alarms.promise,
        map=parts.map_of(
            rows,
            realigned=common.realigned_drift(await profile_library.resolve(session, profiles[0]))
            if len(profiles) == 1
            else None,
            profiles=", ".join(profiles),
        ),
        counts=Counter(Verdict(one.verdict) if one.verdict else None for one in every),
        down=sum(one.down for one in every),
        any_simulated=any(one.simulated for one in every),
        page=wanted.page,
        pages=pages,
        budget=tuple(one for one in common.allowances(services.ledger.total()) if one.limit is not None or one.spent),
        base_url=services.settings.url,
        offline_since=services.connectivity.offline_since(),
    )


async def _rows(session: AsyncSession, services: Services, shown: Sequence[Listing]) -> list[parts.EndpointRow]:
    ids = [one.id for one in shown]
    by_id = {row.id: row for row in await session.scalars(select(EndpointRow).where(EndpointRow.id.in_(ids)))}
    trends = await store.drifts(session, ids, TREND)
    known = [by_id[one] for one in ids]
    filled = await endpoints.endpoint_rows(session, known)
    return [
        endpoints.with_trend(made, trends[row.id], services.ledger.standing(row))
        for row, made in zip(known, filled, strict=True)
    ]


def _cost(services: Services) -> Callable[[Listing], tuple[float, float]]:
    """What an endpoint has cost this month: USD, and tokens where there is no price."""
    ledger = services.ledger
    return lambda one: (ledger.spent(one.id, "month", "usd"), ledger.spent(one.id, "month", "tokens"))


def _labels(every: Sequence[Listing]) -> tuple[str, ...]:
    """The most frequent labels, by name."""
    many = Counter(f"{key}={value}" for one in every for key, value in one.labels.items())
    return tuple(sorted(label for label, _ in many.most_common(MOST_LABELS)))
