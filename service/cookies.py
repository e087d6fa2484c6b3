"""The cookie of a session: out of reach for scripts, other sites, and, where the pages are https, for plain HTTP."""

from urllib.parse import urlsplit

from fastapi import Response
from starlette.requests import HTTPConnection

from service.sessions import LIFETIME
from service.settings import Settings

PLAIN = "selfwatch_session"
SECURE = "__Host-selfwatch_session"
"""Browsers take a cookie of this prefix only over https, for the whole site, and from no subdomain."""


def name_of(settings: Settings) -> str:
    return SECURE if _https(settings) else PLAIN


def read(connection: HTTPConnection, settings: Settings) -> str | None:
    """The secret that the request carries; None without one."""
    return connection.cookies.get(name_of(settings)) or None


def write(response: Response, settings: Settings, secret: str) -> None:
    response.set_cookie(
        name_of(settings), secret, max_age=int(LIFETIME.total_seconds()), path="/", secure=_https(settings),
        httponly=True, samesite="strict",
    )  # fmt: skip


def clear(response: Response, settings: Settings) -> None:
    response.delete_cookie(name_of(settings), path="/", secure=_https(settings), httponly=True, samesite="strict")


def would_stay(connection: HTTPConnection, settings: Settings) -> bool:
    """Whether the browser would keep the cookie: not where the pages are https and it came by plain HTTP."""
    came = urlsplit(connection.headers.get("origin", ""))
    local = came.hostname in ("localhost", "127.0.0.1", "::1")
    return not _https(settings) or came.scheme != "http" or local


def _https(settings: Settings) -> bool:
    return settings.url.lower().startswith("https://")
