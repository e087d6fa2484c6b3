"""Forms that browsers send: `async def save(form: Form)`. Small, and of the one kind that our pages send."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData

from service.api.problems import ProblemError

MOST_BYTES = 64 * 1024
MOST_FILE_BYTES = 2 * 1024 * 1024
MOST_FIELDS = 500
KIND = "application/x-www-form-urlencoded"


async def submitted(request: Request) -> FormData:
    """The fields of a form, of at most MOST_BYTES."""
    return await _read(request, MOST_BYTES)


async def submitted_file(request: Request) -> FormData:
    """The fields of a form that holds a document."""
    return await _read(request, MOST_FILE_BYTES)


async def _read(request: Request, most_bytes: int) -> FormData:
    """Raises a 415 for another kind of body, a 413 for one that is too long, a 400 for one that
    is no form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != KIND:
        raise ProblemError(415, "not-a-form", f"the body is {kind[:80] or 'of no kind'}; send {KIND}")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise ProblemError(413, "form-too-long", f"a form may take {most_bytes} bytes; shorten what you entered")
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise ProblemError(400, "not-a-form", "the body is no form in UTF-8, or has too many fields") from error
    return FormData([*fields])


Form = Annotated[FormData, Depends(submitted)]
LargeForm = Annotated[FormData, Depends(submitted_file)]


def text(form: FormData, name: str) -> str:
    """What was entered, without spaces around it; empty when there is no such field."""
    found = form.get(name, "")
    return found.strip() if isinstance(found, str) else ""


def see(path: str) -> RedirectResponse:
    """The answer to a form that worked: look at `path`."""
    return RedirectResponse(path, status_code=303)
