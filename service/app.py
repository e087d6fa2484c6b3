"""The web application: routers, error form, security headers. Gets its services ready-made."""

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api import (
    alerts,
    budget,
    deliveries,
    docs,
    drills,
    endpoints,
    events,
    health,
    problems,
    reference,
    runs,
    silences,
    slots,
    statistics,
)
from service.api.problems import ProblemError
from service.services import Services
from service.ui import pages
from service.ui.render import CSP, STATIC

VERSION = "0.1.0"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"]


def create(services: Services) -> FastAPI:
    """The application over running services."""
    app = FastAPI(title="Selfwatch", version=VERSION, docs_url=None, redoc_url=None)
    app.state.services = services
    problems.install(app)
    app.add_middleware(Guard)
    if services.settings.loopback:
        # a page of another origin can reach loopback by DNS rebinding; it cannot choose this header
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_HOSTS)
    modules = (
        health, endpoints, runs, slots, budget, events, statistics, reference, alerts, silences, drills, deliveries,
        docs, pages,
    )  # fmt: skip
    for module in modules:
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Guard:
    """No change on behalf of another site, and strict headers on every reply. Passes streams on as they are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        site = Headers(scope=scope).get("sec-fetch-site")
        if scope["method"] not in SAFE_METHODS and site in ("cross-site", "same-site"):
            refused = ProblemError(403, "cross-site", "a page of another site may not change anything here")
            await problems.response(refused)(scope, receive, send)
            return

        async def strictly(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, strictly)
