"""Errors as RFC 9457 problem+json: a type, a title, the value and the remedy. Never a stack trace."""

import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from service.log import logger
from service.registration import SLUG

MEDIA_TYPE = "application/problem+json"
MOST_BODY_BYTES = 4 * 1024 * 1024
"""Of a request. A JSON body is read before it is known who sends it, so that its length is not left to the sender."""
log = logger()


class ProblemError(Exception):
    """An error to show the caller. `kind` becomes the last part of its type URI."""

    def __init__(
        self, status: int, kind: str, detail: str, *, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = headers
        self.extra = extra


def not_found(what: str, name: str, remedy: str) -> ProblemError:
    return ProblemError(404, f"unknown-{what}", f"there is no {what} {name!r}; {remedy}")


def too_long() -> ProblemError:
    return ProblemError(413, "body-too-long", f"the body of a request may take {MOST_BODY_BYTES} bytes; send less")


def body(status: int, kind: str, detail: str, **extra: Any) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    return {"type": f"urn:selfwatch:problem:{kind}", "title": title, "status": status, "detail": detail, **extra}


def response(error: ProblemError) -> JSONResponse:
    content = body(error.status, error.kind, error.detail, **error.extra)
    return JSONResponse(content, status_code=error.status, media_type=MEDIA_TYPE, headers=error.headers)


PageOf = Callable[[Request, ProblemError], Response | None]
"""The error as a page, for a browser that asked for one; None where JSON is asked for."""


def answer(request: Request, error: ProblemError) -> Response:
    """The error in the form that is asked for."""
    page_of: PageOf | None = getattr(request.app.state, "problem_page", None)
    page = page_of(request, error) if page_of is not None else None
    return page or response(error)


def install(app: FastAPI, page_of: PageOf | None = None) -> None:
    """Every error of `app` leaves as problem+json, or as the page that `page_of` makes of it."""
    app.state.problem_page = page_of

    @app.exception_handler(ProblemError)
    async def _problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)  # noqa: S101 (registered for this class)
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for this class)
        errors = [field_error(dict(problem)) for problem in error.errors()]
        detail = "; ".join(f"{e['field']}: {e['message']}" for e in errors)
        return answer(request, ProblemError(422, "invalid-request", detail, errors=errors))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 (registered for this class)
        if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return answer(request, too_long())
        phrase = HTTPStatus(error.status_code).phrase
        detail = str(error.detail)
        if detail == phrase:
            detail = f"{request.method} {request.url.path[:200]} is not there; /docs lists what is"
        kind = phrase.lower().replace(" ", "-")
        return answer(request, ProblemError(error.status_code, kind, detail, headers=error.headers))

    @app.exception_handler(OperationalError)
    async def _database(request: Request, _error: Exception) -> Response:
        detail = "the database cannot be used at the moment; nothing was changed; GET /readyz says why; try again"
        return answer(request, ProblemError(503, "database-unavailable", detail, headers={"Retry-After": "5"}))

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        reference = secrets.token_hex(4)
        log.error("request failed", action="request_failed", path=request.url.path, reference=reference, exc_info=error)
        detail = "selfwatch met an unexpected error; its log has the details"
        return answer(request, ProblemError(500, "internal-error", detail, reference=reference))


def field_error(problem: dict[str, Any]) -> dict[str, str]:
    """Field and message, without the value where it could be a secret."""
    where = [str(part) for part in problem["loc"] if part not in ("body", "query", "path", "header")]
    if problem["type"] == "json_invalid":
        reason = problem.get("ctx", {}).get("error", "")
        return {"field": "body", "message": f"is not valid JSON, at character {'.'.join(where)}: {reason}"}
    field = ".".join(where) or "body"
    if problem["type"] == "model_attributes_type":
        return {"field": field, "message": "must be a JSON object, sent with `Content-Type: application/json`"}
    if problem["type"] == "string_pattern_mismatch" and problem.get("ctx", {}).get("pattern") == SLUG:
        message = "may hold a-z, 0-9, '.', '_' and '-', at most 63 in all, and begins and ends with a letter or digit"
        return {"field": field, "message": message}
    if problem["type"] == "extra_forbidden":
        return {"field": field, "message": "unknown field; remove it or check its spelling"}
    message = str(problem["msg"]).removeprefix("Value error, ")
    return {"field": field, "message": message}
