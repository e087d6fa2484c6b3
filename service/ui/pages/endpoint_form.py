"""Registering an endpoint by form, with a live check; changing one; deleting one."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import func, select
from starlette.datastructures import FormData

from service import profile_library, registrar
from service.api.access import requires
from service.api.endpoints import may_name_key, present_all
from service.api.problems import ProblemError
from service.registration import EndpointIn
from service.services import Services, services_of
from service.storage.schema import EndpointRow, RunRow
from service.ui import endpoint_form
from service.ui import format as fmt
from service.ui.endpoint_form import KEEP, PASTE
from service.ui.fill import endpoint_form as fill
from service.ui.pages.common import html
from service.ui.pages.forms import Form, see, text
from service.ui.parts import endpoint_path
from service.ui.views.endpoint_form import CheckPart, CheckView, DeletePage, EndpointFormPage

router = APIRouter(dependencies=[Depends(requires("write"))])
UNNAMED = "unnamed"
"""A check needs no name."""


@router.get("/endpoints/new")
async def new(request: Request) -> Response:
    """The empty form."""
    services = services_of(request)
    values = dict.fromkeys(endpoint_form.fields_of(services.plans), "")
    values |= {"schedules.heartbeat": "PT15M", "profiles": "gpt-4.1/all", "limits.concurrency": "8", "key": "none"}
    return html(await _page(services, values))


@router.post("/endpoints/new")
async def register(request: Request, form: Form) -> Response:
    """Register what the form says, as POST /api/v1/endpoints does."""
    services = services_of(request)
    values = _typed(services, form)

    async def save(body: EndpointIn) -> None:
        await may_name_key(body, request)
        await registrar.create(services, body)

    errors = await _save(values, text(form, "api_key"), save)
    if not errors:
        return see(endpoint_path(values["name"]))
    return html(replace(await _page(services, values), errors=errors, key_again=values["key"] == PASTE), status=422)


@router.post("/endpoints/new/check")
async def check_new(request: Request, form: Form) -> Response:
    """Reach what the form says, without registering it."""
    services = services_of(request)
    values = _typed(services, form)
    check, errors = await _check(request, values, text(form, "api_key"))
    page = replace(await _page(services, values), errors=errors, check=check, key_again=values["key"] == PASTE)
    return _checked(request, page)


@router.get("/endpoints/{name}/edit")
async def edit(name: str, request: Request) -> Response:
    """The form with what is registered; the key is not in it."""
    services = services_of(request)
    shown, _row = await _registered(services, name)
    return html(await _edit_page(services, shown, endpoint_form.values_of(shown, services.plans)))


@router.post("/endpoints/{name}/edit")
async def change(name: str, request: Request, form: Form) -> Response:
    """Change what differs, as PATCH /api/v1/endpoints/{name} does."""
    services = services_of(request)
    shown, _row = await _registered(services, name)
    values = _typed(services, form) | {"name": name}

    async def save(body: EndpointIn) -> None:
        changed = endpoint_form.patch(shown, body, values["key"])
        await may_name_key(changed, request)
        if changed.model_fields_set:
            await registrar.change(services, name, changed)

    errors = await _save(values, text(form, "api_key"), save)
    if not errors:
        return see(endpoint_path(name))
    page = await _edit_page(services, shown, values)
    return html(replace(page, errors=errors, key_again=values["key"] == PASTE), status=422)


@router.post("/endpoints/{name}/edit/check")
async def check_edit(name: str, request: Request, form: Form) -> Response:
    """Reach what the form says, with the stored key where none is given, without changing anything."""
    services = services_of(request)
    shown, row = await _registered(services, name)
    values = _typed(services, form) | {"name": name}
    key_of = row if values["key"] == KEEP else None
    check, errors = await _check(request, values, text(form, "api_key"), key_of)
    page = await _edit_page(services, shown, values)
    page = replace(page, errors=errors, check=check, key_again=values["key"] == PASTE)
    return _checked(request, page)


@router.get("/endpoints/{name}/delete")
async def confirm(name: str, request: Request) -> Response:
    """What would be lost."""
    return html(await _delete_page(services_of(request), name))


@router.post("/endpoints/{name}/delete")
async def delete(name: str, request: Request, form: Form) -> Response:
    """Forget the endpoint, if its name was typed."""
    services = services_of(request)
    typed = text(form, "confirm")
    if typed != name:
        return html(replace(await _delete_page(services, name), typed=typed or "nothing"), status=422)
    await registrar.remove(services, name)
    return see("/")


def _typed(services: Services, form: FormData) -> dict[str, str]:
    return {name: text(form, name) for name in endpoint_form.fields_of(services.plans)}


async def _page(services: Services, values: Mapping[str, str]) -> EndpointFormPage:
    async with services.database.read() as session:
        profiles = await profile_library.names(session)
    return EndpointFormPage(
        now=services.clock(), values=values, plans=tuple(services.plans), profiles=profiles,
        note=services.judge_note or "",
    )  # fmt: skip


async def _edit_page(services: Services, shown: Mapping[str, Any], values: Mapping[str, str]) -> EndpointFormPage:
    key = shown["key"]
    kind = key.partition(":")[0] if key else ""
    return replace(await _page(services, values), name=shown["name"], key_now=fmt.KEYS.get(kind, kind) if key else "")


async def _registered(services: Services, name: str) -> tuple[dict[str, Any], EndpointRow]:
    """As the API presents it, and its row. Raises a 404."""
    async with services.database.read() as session:
        row = await registrar.known(session, name)
        return (await present_all(session, services, [row]))[0], row


async def _save(
    values: Mapping[str, str], api_key: str, save: Callable[[EndpointIn], Awaitable[None]]
) -> Mapping[str, str]:
    """Do it with what the form says. The errors by field; none when it is done."""
    read = endpoint_form.read(values, api_key)
    if read.body is None:
        return read.errors
    try:
        await save(read.body)
    except ProblemError as error:
        return _told(error, values)
    return {}


async def _check(
    request: Request, values: Mapping[str, str], api_key: str, key_of: EndpointRow | None = None
) -> tuple[CheckView, Mapping[str, str]]:
    """What a look at the endpoint finds, and the errors of the form by field."""
    services = services_of(request)
    read = endpoint_form.read({**values, "name": values["name"] or UNNAMED}, api_key)
    if read.body is None:
        return CheckView(errors=await _listed(services, read.errors)), read.errors
    try:
        await may_name_key(read.body, request)
        row = registrar.drafted(services, read.body, key_of)
    except ProblemError as error:
        errors = _told(error, values)
        return CheckView(errors=await _listed(services, errors)), errors
    found = await registrar.try_out(services, row)
    note, wrong = await _valid(services, read.body, values)
    quotes = [] if wrong else await registrar.quotes_of(services, read.body.profiles, read.body.schedules)
    views = fill.quote_views(quotes, services.prices, read.body.model)
    return fill.check_view(found, views, note), wrong


async def _valid(services: Services, body: EndpointIn, values: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """Why it could not be registered like this, in words and by field."""
    try:
        await registrar.validate(services, body)
    except ProblemError as error:
        return error.detail, _told(error, values)
    return "", {}


def _told(error: ProblemError, values: Mapping[str, str]) -> dict[str, str]:
    """The error by field. A missing scope belongs to the kind of key that was chosen."""
    if error.extra.get("missing_scope"):
        return {"key": f"a variable or a file of the server takes the scope admin: {error.detail}"}
    return endpoint_form.placed(error.extra.get("errors") or [{"field": "", "message": error.detail}], values)


async def _listed(services: Services, errors: Mapping[str, str]) -> list[tuple[str, str]]:
    """By the label of each field."""
    labels = (await _page(services, {})).labels
    return [(labels.get(field, field), message) for field, message in errors.items()]


def _checked(request: Request, page: EndpointFormPage) -> Response:
    """The result alone for the script of the page; else the page with it."""
    if "hx-request" in request.headers and page.check is not None:
        return html(CheckPart(now=page.now, check=page.check), "body")
    return html(page, status=200 if page.check is not None and not page.check.errors else 422)


async def _delete_page(services: Services, name: str) -> DeletePage:
    async with services.database.read() as session:
        row = await registrar.known(session, name)
        runs = await session.scalar(select(func.count()).select_from(RunRow).where(RunRow.endpoint_id == row.id))
    return DeletePage(now=services.clock(), name=row.name, runs=runs or 0)
