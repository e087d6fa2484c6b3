"""The web application: routers, error form, security headers. Gets its services ready-made."""

from fastapi import FastAPI, Request
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import cookies, same_site
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
    profiles,
    reference,
    runs,
    silences,
    slots,
    statistics,
    system,
)
from service.api.access import VIEWER
from service.api.problems import MOST_BODY_BYTES, ProblemError
from service.attempts import Attempts
from service.services import Services
from service.settings import Settings
from service.ui import pages, problem_pages
from service.ui.pages import sign_in
from service.ui.render import CSP, STATIC

VERSION = "0.1.0"
LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"]


def create(services: Services) -> FastAPI:
    """The application over running services."""
    app = FastAPI(title="Selfwatch", version=VERSION, docs_url=None, redoc_url=None)
    app.state.services = services
    app.state.attempts = Attempts()
    problems.install(app, problem_pages.page_of)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=MOST_BODY_BYTES)  # of one that tells no length
    app.add_middleware(Guard, settings=services.settings)
    if services.settings.loopback:
        # a page of another origin can reach loopback by DNS rebinding; it cannot choose this header
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_HOSTS)
    modules = (
        health, system, endpoints, runs, slots, budget, events, statistics, reference, profiles, alerts, silences,
        drills, deliveries, docs, sign_in, pages,
    )  # fmt: skip
    for module in modules:
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    # not no-referrer: browsers would then send our own forms with `Origin: null`
    "Referrer-Policy": "same-origin",
}


class Guard:
    """No change on behalf of another site, no endless body, and strict headers on every reply. Passes streams on as
    they are."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        VIEWER.set(None)

        async def strictly(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope)
        if (problem := self._refusal(request)) is not None:
            await problems.answer(request, problem)(scope, receive, strictly)
            return
        await self._app(scope, receive, strictly)

    def _refusal(self, request: Request) -> ProblemError | None:
        length = request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > MOST_BODY_BYTES):
            return problems.too_long()
        why = same_site.refusal(
            request.method,
            request.headers,
            public_url=self._settings.public_url,
            signed_in=cookies.read(request, self._settings) is not None,
        )
        return None if why is None else ProblemError(403, "cross-site", why)
