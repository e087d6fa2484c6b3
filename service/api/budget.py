"""What asking may cost, has cost, and when the limits reset: of the whole installation and of every endpoint."""

from typing import Any

from fastapi import APIRouter, Depends, Request

from service.api.access import requires
from service.services import services_of
from service.storage import endpoints as store

router = APIRouter(prefix="/api/v1", tags=["budget"])


@router.get("/budget", dependencies=[Depends(requires("read"))])
async def budget(request: Request) -> dict[str, Any]:
    """By period (UTC day, month) and unit (tokens, usd): limit, spent, reserved, left, overrun; and when it resets.

    Tokens and USD hold the judge's share. The total holds what deleted endpoints have cost as well.
    """
    services = services_of(request)
    async with services.database.read() as session:
        rows = await store.all_endpoints(session)
    return {
        "total": services.ledger.total(),
        "endpoints": [{"endpoint": row.name, **services.ledger.standing(row)} for row in rows],
        "prices": {name: price.model_dump() for name, price in services.settings.prices.items()},
    }
