"""The health of the installation as JSON: the facts of the page /system."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends, Request

from service import system
from service.api import present
from service.api.access import requires
from service.services import services_of
from service.system import Check

router = APIRouter(prefix="/api/v1", tags=["health"])


@router.get("/system", dependencies=[Depends(requires("read"))])
async def read(request: Request) -> dict[str, Any]:
    """Every part with one word (`ok`, `look at this`), its figures, and what to do."""
    services = services_of(request)
    found = await system.checks(services)
    return {
        "status": system.overall(found),
        "at": present.time(services.clock()),
        "checks": {one.name: _check(one) for one in found},
    }


def _check(one: Check) -> dict[str, Any]:
    facts = {name: present.time(value) if isinstance(value, datetime) else value for name, value in one.facts.items()}
    return {"status": one.word, "told": one.told, "todo": one.todo or None, **facts}
