"""Profile sets: the list, one set, two side by side, and importing."""

import json
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from baselines.profiles import published_names
from service.api import profiles as api
from service.api.access import requires
from service.api.problems import ProblemError
from service.profile_documents import OWN
from service.services import Services, services_of
from service.storage import profiles as store
from service.ui.fill import profiles as fill
from service.ui.pages.common import html, missing
from service.ui.pages.forms import LargeForm, see, text
from service.ui.views.profiles import ComparisonPage, ProfilePage, ProfilesPage, differences, profiles_path

router = APIRouter()
WRITE = Depends(requires("write"))
Name = Annotated[str, Query(max_length=200)]
REMEDY = "The page Profiles lists those that there are."


@router.get("/profiles")
async def profiles(request: Request, left: Name = "", right: Name = "", done: Name = "") -> HTMLResponse:
    """All sets; with `left` and `right`, these two side by side."""
    services = services_of(request)
    if left and right:
        return await _compared(services, left, right)
    return html(replace(await _list(services), done=done))


async def _list(services: Services) -> ProfilesPage:
    async with services.database.read() as session:
        sets, own = await fill.rows(session)
    return ProfilesPage(now=services.clock(), sets=sets, baselines=own)


async def _compared(services: Services, left: str, right: str) -> HTMLResponse:
    async with services.database.read() as session:
        views = []
        for name in (left, right):
            try:
                views.append(await fill.view(session, name))
            except KeyError:
                return missing(services, "profile set", name, REMEDY)
        names = await fill.names(session)
    page = ComparisonPage(
        now=services.clock(), left=views[0], right=views[1], rows=differences(*views), names=names
    )  # fmt: skip
    return html(page)


@router.post("/profiles", dependencies=[WRITE], response_model=None)
async def take(request: Request, form: LargeForm) -> HTMLResponse | RedirectResponse:
    """What POST /api/v1/profiles does."""
    services = services_of(request)
    typed = text(form, "document")
    try:
        found, new = await api.imported(services, json.loads(typed))
    except (ValueError, RecursionError) as error:
        errors: tuple[str, ...] = (f"This is not JSON: {error}.",)
        status = 422
    except ProblemError as error:
        given = error.extra.get("errors", [])
        errors, status = tuple(_told(one) for one in given) or (error.detail,), error.status
    else:
        return see(f"{profiles_path(found['name'])}" if new else f"/profiles?done={found['name']}")
    return html(replace(await _list(services), typed=typed, errors=errors), status=status)


def _told(mistake: dict[str, str | None]) -> str:
    where = mistake["field"] if mistake["value"] is None else f"{mistake['field']} = {mistake['value']}"
    return f"{where}: {mistake['message']}"


@router.get("/profiles/{name:path}")
async def profile(name: str, request: Request) -> HTMLResponse:
    """One set: its states by dimension."""
    services = services_of(request)
    shown = await _one(services, name)
    return missing(services, "profile set", name, REMEDY) if shown is None else html(shown)


async def _one(services: Services, name: str) -> ProfilePage | None:
    async with services.database.read() as session:
        try:
            found = await fill.view(session, name)
        except KeyError:
            return None
        used = (await store.used_by(session)).get(name, [])
        names = await fill.names(session)
    origin = "published" if name in published_names() else "own baseline" if name.startswith(OWN) else "imported"
    return ProfilePage(now=services.clock(), found=found, origin=origin, used_by=used, names=names)


@router.post("/profiles/{name:path}/delete", dependencies=[WRITE], response_model=None)
async def delete(name: str, request: Request) -> HTMLResponse | RedirectResponse:
    """What DELETE /api/v1/profiles/NAME does."""
    services = services_of(request)
    try:
        await api.removed(services, name)
    except ProblemError as error:
        shown = await _one(services, name)
        if shown is None:
            return missing(services, "profile set", name, REMEDY)
        return html(replace(shown, problem=error.detail), status=error.status)
    return see("/profiles")
