"""What to do about an alert."""

from importlib.resources import files
from pathlib import PurePosixPath

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from alerts.custom import CUSTOM_RUNBOOK
from alerts.rules import RULES
from service.services import services_of
from service.ui.pages.common import html, missing
from service.ui.views.base import RunbookPage

router = APIRouter()


@router.get("/runbooks/{name}")
async def runbook(name: str, request: Request) -> HTMLResponse:
    """What to do about an alert; `name` with or without .md, as the pages link to each other."""
    services = services_of(request)
    wanted = name.removesuffix(".md")
    known = {PurePosixPath(rule.runbook).stem: rule.name for rule in RULES} | {
        PurePosixPath(CUSTOM_RUNBOOK).stem: "CustomRule"
    }
    if wanted not in known:
        return missing(services, "runbook", name, f"There are: {', '.join(sorted(known))}.")
    text = files("alerts").joinpath("runbooks", f"{wanted}.md").read_text(encoding="utf-8")
    page = RunbookPage(now=services.clock(), name=known[wanted], text=text)
    return html(page)
