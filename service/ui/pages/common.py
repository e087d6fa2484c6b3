"""What every page needs: the renderer, the query parameters of a live page, the form of a reply."""

from dataclasses import replace
from typing import Annotated

from fastapi import Query
from fastapi.responses import HTMLResponse

from service.api.access import VIEWER
from service.services import Services
from service.ui.render import Renderer
from service.ui.views.base import LIVE, PART, ErrorPage, Page

renderer = Renderer()

Part = Annotated[str | None, Query(alias=PART)]
Live = Annotated[bool, Query(alias=LIVE)]


def html(page: Page, part: str | None = None, *, status: int = 200) -> HTMLResponse:
    """The page, with who looks at it, or its body alone when a `part` is asked for."""
    page = replace(page, viewer=VIEWER.get())
    return HTMLResponse(renderer.part(page) if part else renderer.whole(page), status_code=status)


def error(services: Services, *, status: int, heading: str, detail: str, remedy: str) -> HTMLResponse:
    """A page that says what went wrong and what to do."""
    return error_page(ErrorPage(now=services.clock(), status=status, heading=heading, detail=detail, remedy=remedy))


def error_page(page: ErrorPage) -> HTMLResponse:
    return html(page, status=page.status)


def missing(services: Services, what: str, name: str, remedy: str) -> HTMLResponse:
    return error(services, status=404, heading=f"No such {what}", detail=f"There is no {what} {name!r}.", remedy=remedy)
