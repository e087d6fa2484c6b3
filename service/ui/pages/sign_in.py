"""Signing in with an API token, and out. On loopback nobody has to."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from service import cookies, security, sessions
from service.api.access import viewer
from service.attempts import Attempts
from service.log import logger
from service.services import Services, services_of
from service.ui.local_path import local_path
from service.ui.pages.common import html
from service.ui.pages.forms import Form, see, text
from service.ui.views.sign_in import SignInPage

router = APIRouter(include_in_schema=False)
LONGEST_TOKEN = 500
WRONG = "There is no such token. Check that it is whole: it begins with swt_."
LOCAL = ("same-origin", "none")
"""Of Sec-Fetch-Site: the browser sends the session's cookie, if it has one."""
log = logger()


@router.get("/sign-in")
async def form(
    request: Request,
    to: Annotated[str | None, Query(alias="next")] = None,
    looked: Annotated[bool, Query()] = False,
    switch: Annotated[bool, Query()] = False,
) -> Response:
    """The form. Who is signed in goes on to `next`, unless they want to `switch` to another token."""
    services = services_of(request)
    path = local_path(to)
    if services.settings.loopback:
        return see(path)
    who = await viewer(request, services)
    if who is not None and not switch:
        return see(path)
    sent = cookies.read(request, services.settings)
    page = SignInPage(
        now=services.clock(), next=path, ended=sent is not None and who is None,
        look_again="" if looked or sent or switch else _look_again(request, path),
    )  # fmt: skip
    found = html(page)
    found.headers["Cache-Control"] = "no-store"
    return found


@router.post("/sign-in")
async def sign_in(request: Request, form: Form) -> Response:
    """Exchange a token for a session."""
    services = services_of(request)
    path = local_path(text(form, "next"))
    if services.settings.loopback:
        return see(path)
    if not cookies.would_stay(request, services.settings):
        wrong = f"These pages are set up for {services.settings.url}: sign in there; over plain HTTP no session holds."
        return html(SignInPage(now=services.clock(), next=path, wrong=wrong), status=403)
    attempts, address = _attempts(request), request.client.host if request.client else ""
    if (wait_s := attempts.begin(address)) > 0:
        return _too_many(services, path, wait_s)
    token = text(form, "token")
    who = await security.holder_of(services.database, token) if 0 < len(token) <= LONGEST_TOKEN else None
    if who is None:
        log.warning("a wrong token at /sign-in", action="sign_in_failed", client=address)
        return html(SignInPage(now=services.clock(), next=path, wrong=WRONG), status=403)
    attempts.succeeded(address)
    before = cookies.read(request, services.settings)
    secret = await sessions.begin(services.database, who, services.clock(), instead_of=before)
    log.info("signed in", action="signed_in", token=who.name, client=address)
    found: RedirectResponse = see(path)
    cookies.write(found, services.settings, secret)
    return found


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session, here and in the database."""
    services = services_of(request)
    secret = cookies.read(request, services.settings)
    if secret is not None:
        await sessions.end(services.database, secret)
    found = see("/" if services.settings.loopback else "/sign-in?looked=1")
    cookies.clear(found, services.settings)
    return found


def _look_again(request: Request, path: str) -> str:
    """A link from elsewhere, such as from an alert in a chat: browsers hold a SameSite=Strict cookie back on such a
    visit, and send it when this page loads itself."""
    if request.headers.get("sec-fetch-site") in LOCAL:
        return ""
    return f"/sign-in?{urlencode({'next': path, 'looked': '1'})}"


def _too_many(services: Services, path: str, wait_s: int) -> Response:
    wrong = f"Too many attempts failed. Try again in {wait_s} s."
    found = html(SignInPage(now=services.clock(), next=path, wrong=wrong), status=429)
    found.headers["Retry-After"] = str(wait_s)
    return found


def _attempts(request: Request) -> Attempts:
    found: Attempts = request.app.state.attempts
    return found
