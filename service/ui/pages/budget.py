"""The budget: what was spent, what is left, and what the schedules will take."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from service.limits import PERIODS
from service.services import services_of
from service.storage import endpoints as endpoint_store
from service.ui.fill import budget as fill
from service.ui.pages.common import Live, Part, html
from service.ui.views.budget import BudgetPage

router = APIRouter()
ON_PAGE = 50


@router.get("/budget")
async def budget(
    request: Request, part: Part = None, live: Live = True, page: Annotated[int, Query(ge=1)] = 1
) -> HTMLResponse:
    """Spent against limits in total and by endpoint, the largest share first."""
    services = services_of(request)
    async with services.database.read() as session:
        rows = list(await endpoint_store.all_endpoints(session))
        schedules = await endpoint_store.schedules_of(session, [row.id for row in rows])
    runs = await fill.a_run_of_each(services)
    found = fill.spending(services, rows, schedules, runs)
    pages = max(1, -(-len(found) // ON_PAGE))
    number = min(page, pages)
    overall = fill.allowances(services.ledger.total())
    shown = BudgetPage(
        now=services.clock(), live=live, overall=overall,
        resets={period: next(one.resets_at for one in overall if one.period == period) for period in PERIODS},
        expected=fill.total(one.expected for one in found),
        rows=tuple(found[(number - 1) * ON_PAGE : number * ON_PAGE]),
        total=len(found), page=number, pages=pages, prices=fill.prices(services, [row.model for row in rows]),
    )  # fmt: skip
    return html(shown, part)
