"""The web application: routers, error form, security headers. Gets its services ready-made."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.trustedhost import TrustedHostMiddleware

from service.api import docs, endpoints, health, problems, reference, runs, statistics
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
    app.middleware("http")(_guard)
    if services.settings.loopback:
        # a page of another origin can reach loopback by DNS rebinding; it cannot choose this header
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_HOSTS)
    for module in (health, endpoints, runs, statistics, reference, docs, pages):
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


async def _guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """No change on behalf of another site, and strict headers on every reply."""
    if request.method not in SAFE_METHODS and request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return problems.response(ProblemError(403, "cross-site", "a page of another site may not change anything here"))
    response = await call_next(request)
    response.headers.setdefault("Content-Security-Policy", CSP)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    return response
