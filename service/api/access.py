"""Who may call what. On loopback everybody on this machine; elsewhere only with a token of the right scope."""

import base64
import binascii
from collections.abc import Awaitable, Callable

from fastapi import Request

from service import security
from service.api.problems import ProblemError
from service.services import Services, services_of

Check = Callable[[Request], Awaitable[None]]


def requires(scope: str) -> Check:
    """A dependency that lets a request pass only with `scope`."""

    async def check(request: Request) -> None:
        services = services_of(request)
        if services.settings.loopback:
            return
        await _check_token(request, services, scope)

    return check


async def _check_token(request: Request, services: Services, scope: str) -> None:
    token = _token(request.headers.get("authorization", ""))
    scopes = await security.scopes_of(services.database, token) if token else frozenset[str]()
    if not scopes:
        raise ProblemError(
            401,
            "unauthorized",
            "send a token as `Authorization: Bearer ...` (a browser: any user name, the token as password); "
            "make one with `selfwatch token create --scope read,write`",
            headers={"WWW-Authenticate": 'Basic realm="selfwatch", charset="UTF-8"'},
        )
    if scope not in scopes:
        raise ProblemError(403, "forbidden", f"this token has no scope {scope!r}; it has: {', '.join(sorted(scopes))}")


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
