"""The health of the installation."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service import system
from service.services import services_of
from service.ui import format as fmt
from service.ui.pages.common import Live, Part, html
from service.ui.views.system import CheckRow, SystemPage

router = APIRouter()


@router.get("/system")
async def health(request: Request, part: Part = None, live: Live = True) -> HTMLResponse:
    """Every part with a plain word and what to do; works while the database is away."""
    services = services_of(request)
    now = services.clock()
    rows = tuple(
        CheckRow(
            title=one.title, word=one.word, told=one.told, todo=one.todo, facts=tuple(_facts(one.facts, now))
        )
        for one in await system.checks(services)
    )  # fmt: skip
    return html(SystemPage(now=now, live=live, checks=rows), part)


def _facts(facts: Mapping[str, Any], now: datetime) -> list[tuple[str, str]]:
    """Those that the sentence beside them does not tell: times and places."""
    found = []
    for name, value in facts.items():
        if isinstance(value, datetime):
            found.append((fmt.words(name.removesuffix("_at")), fmt.relative(value, now)))
        elif name in ("data_dir", "kind") and value:
            found.append((fmt.words(name), str(value)))
        elif name == "uptime_s":
            found.append(("up for", fmt.duration(value)))
    return found
