"""Who may call what. On loopback everybody on this machine; elsewhere only with a token of the right scope, sent with
the request, or with the session of somebody who signed in with one."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar

from fastapi import Request

from service import cookies, security, sessions
from service.api.problems import ProblemError
from service.security import Holder
from service.services import Services, services_of

Check = Callable[[Request], Awaitable[None]]
VIEWER: ContextVar[Holder | None] = ContextVar("viewer", default=None)
"""Who is signed in in this request, for the header of its page; None on loopback, where nobody signs in."""
REMEDY = (
    "send a token as `Authorization: Bearer ...` (or by HTTP Basic: any user name, the token as password), or sign in "
    "at /sign-in; make one with `selfwatch token create --scope read,write`"
)


def requires(scope: str) -> Check:
    """A dependency that lets a request pass only with `scope`."""

    async def check(request: Request) -> None:
        services = services_of(request)
        if services.settings.loopback:
            return
        who = await viewer(request, services)
        if who is None:
            raise ProblemError(401, "unauthorized", REMEDY, headers=_challenge(request, services))
        if scope not in who.scopes:
            has = ", ".join(sorted(who.scopes))
            detail = f"this token has no scope {scope!r}; it has: {has}"
            raise ProblemError(403, "forbidden", detail, missing_scope=scope)

    return check


async def viewer(request: Request, services: Services) -> Holder | None:
    """Who sends the request; None when nobody, or nobody known. Looked up once a request."""
    if not hasattr(request.state, "viewer"):
        request.state.viewer = await _look_up(request, services)
        VIEWER.set(request.state.viewer)
    found: Holder | None = request.state.viewer
    return found


async def _look_up(request: Request, services: Services) -> Holder | None:
    """A token that is sent counts, whatever the cookie says: a wrong one is not made good by a session."""
    if (header := request.headers.get("authorization")) is not None:
        token = _token(header)
        return await security.holder_of(services.database, token) if token else None
    secret = cookies.read(request, services.settings)
    return await sessions.find(services.database, secret, services.clock()) if secret else None


def _challenge(request: Request, services: Services) -> Mapping[str, str]:
    """How to ask for a token. A script of a page must not make the browser open its own password window."""
    script = (
        "hx-request" in request.headers
        or request.headers.get("sec-fetch-mode", "navigate") != "navigate"
        or "text/event-stream" in request.headers.get("accept", "")
        or cookies.read(request, services.settings) is not None
    )
    return {"WWW-Authenticate": 'Bearer realm="selfwatch"' if script else 'Basic realm="selfwatch", charset="UTF-8"'}


def _token(header: str) -> str | None:
    """The token in a Bearer header, or the password in a Basic one."""
    kind, _, value = header.partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            decoded = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        return decoded.partition(":")[2]
    return None


async def allows(request: Request, scope: str) -> bool:
    """Whether this request may do what needs `scope`: for pages that show some parts only to those who may."""
    try:
        await requires(scope)(request)
    except ProblemError as error:
        if error.status in (401, 403):
            return False
        raise
    return True
