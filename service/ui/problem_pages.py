"""Errors as pages: what a person sees in a browser where a program gets problem+json."""

from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from service.api.problems import ProblemError
from service.services import services_of
from service.ui.local_path import local_path
from service.ui.pages.common import error_page
from service.ui.render import CSP
from service.ui.views.base import ErrorPage

READING = ("GET", "HEAD")
API = ("/api/", "/metrics", "/openapi.json")
"""What programs read: its errors stay as they are, also for a person who looks at it."""
DOWN = "Selfwatch cannot read its database"


def page_of(request: Request, problem: ProblemError) -> Response | None:
    """The page; the way to sign in for who must; None where JSON is asked for."""
    if not _by_a_person(request, problem):
        return None
    if problem.status == 401 and request.method in READING:
        return RedirectResponse(sign_in_path(request), status_code=303)
    found = error_page(_shown(request, problem))
    for name, value in (problem.headers or {}).items():
        if name.lower() != "www-authenticate":
            found.headers[name] = value
    # an error that nobody foresaw is answered outside of the guard, which adds this otherwise
    found.headers["Content-Security-Policy"] = CSP
    return found


def sign_in_path(request: Request) -> str:
    """The page to sign in at, which leads back to the page that is asked for."""
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = local_path(asked) if request.method in READING else "/"
    return f"/sign-in?{urlencode({'next': back})}"


def _by_a_person(request: Request, problem: ProblemError) -> bool:
    """Whether a browser asks for something to show. Scripts of our pages say so: `HX-Request`."""
    headers = request.headers
    if "text/html" not in headers.get("accept", "") or "hx-request" in headers:
        return False
    if not request.url.path.startswith(API):
        return True
    return problem.status == 401 and headers.get("sec-fetch-mode") == "navigate"


def _shown(request: Request, problem: ProblemError) -> ErrorPage:
    now = services_of(request).clock()
    heading, detail, remedy = _words(request, problem)
    again = {"Sign in with another token": f"/sign-in?{urlencode({'switch': '1'})}"} if problem.status == 403 else {}
    return ErrorPage(
        now=now, status=problem.status, heading=heading, detail=detail, remedy=remedy,
        reference=str(problem.extra.get("reference", "")),
        links={"Sign in": "/sign-in"} if problem.status == 401 else again if "missing_scope" in problem.extra else {},
    )  # fmt: skip


def _words(request: Request, problem: ProblemError) -> tuple[str, str, str]:
    """Heading, detail, remedy."""
    scope = problem.extra.get("missing_scope")
    path = request.url.path[:200]
    known = {
        "unauthorized": (
            "You are signed out",
            "Nothing was changed.",
            "Sign in in another tab, then reload this page: what you sent is sent again.",
        ),
        "forbidden": (
            f"This needs the scope \u201c{scope}\u201d",
            f"You are signed in, but {problem.detail}.",
            f"Sign in with a token that has it; selfwatch token create --scope read,{scope} makes one.",
        ),
        "cross-site": (
            "This did not come from a page of Selfwatch",
            f"Nothing was changed: {problem.detail}.",
            "Open the page here and try again.",
        ),
        "not-found": (
            "There is no such page",
            f"Nothing is at {path}.",
            "Check the address. The bar at the top leads to what there is.",
        ),
        "method-not-allowed": (
            "That does not work here",
            f"{path} cannot be used with {request.method}.",
            "Go back, and use the links and buttons of the pages.",
        ),
        "database-unavailable": (
            DOWN,
            (
                "The file may be locked by another program, the disk may be full, or the file may be gone. Nothing was "
                "changed, and what is registered is not lost."
            ),
            (
                "/readyz says what the database answers. Free space on the disk, or put the file back; then reload "
                "this page. Selfwatch goes on by itself as soon as it can."
            ),
        ),
        "internal-error": (
            "Something went wrong in Selfwatch",
            "This is a fault of Selfwatch, not of what you did.",
            "Try again. If it stays, look for the reference in Selfwatch's log, and report what stands there.",
        ),
        "invalid-request": ("This request cannot be read", problem.detail, "Check the address, or go back."),
    }
    if problem.kind in known:
        return known[problem.kind]
    return "This did not work", problem.detail, "Go back and try again."
