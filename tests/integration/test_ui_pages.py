"""The pages in a real browser: no policy violation, no overflow, readable without script, refreshed with it."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from itertools import combinations
from typing import Self
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from baselines.types import Verdict
from service.ui.charts_data import charts_data
from service.ui.parts import WORST_FIRST
from service.ui.render import CSP, STATIC, Renderer
from service.ui.views.base import PART
from service.ui.views.fleet import FleetPage
from tests.support import ui_pages as fixtures
from tests.support.browser import CHROMIUM, answering, chromium, needs_chromium

TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
SIZES = (390, 1280)

pytestmark = [
    pytest.mark.browser,
    needs_chromium,
    pytest.mark.xdist_group("browser"),
]


def crowded() -> FleetPage:
    rows = tuple(
        fixtures.row(f"model-{i:02d}-with-a-long-name", WORST_FIRST[i % 8], (i % 5) / 40, (i % 7) / 50)
        for i in range(40)
    )
    return fixtures.fleet(rows)


def hostile() -> FleetPage:
    name = fixtures.HOSTILE + "x" * 300
    return fixtures.fleet((fixtures.row(name, Verdict.STEADY, 0.1, 0.2, model=name, because=name),))


class Site:
    """Serves the fixture pages on loopback with the policy, and moves their clock with every request."""

    def __init__(self) -> None:
        self.served = 0
        self.failing = False
        renderer = Renderer()
        fleet, endpoint, run = fixtures.fleet(), fixtures.endpoint(), fixtures.run()
        self._pages: dict[str, tuple[Callable[[], str], Callable[[], str]]] = {
            "/": (
                lambda: renderer.whole(replace(fleet, now=self._now())),
                lambda: renderer.part(replace(fleet, now=self._now())),
            ),
            endpoint.location: (lambda: renderer.whole(endpoint), lambda: renderer.part(endpoint)),
            run.location: (lambda: renderer.whole(run), lambda: renderer.part(run)),
        }
        for path, page in {"/demo": fixtures.demo_fleet(), "/crowded": crowded(), "/hostile": hostile()}.items():
            self._add(path, renderer.whole(replace(page, live=False)))
        self._add("/empty", renderer.whole(fixtures.fleet((), (), live=False)))
        self._add("/bare", renderer.whole(replace(fixtures.bare_endpoint(), live=False)))
        self._add("/error", renderer.whole(fixtures.error()))

    def _add(self, path: str, html: str) -> None:
        self._pages[path] = (lambda: html, lambda: html)

    def _now(self) -> datetime:
        return fixtures.NOW + timedelta(minutes=self.served)

    def answer(self, target: str) -> tuple[int, str, bytes]:
        parts = urlsplit(target)
        if parts.path.startswith("/static/"):
            file = STATIC / parts.path.removeprefix("/static/")
            return 200, TYPES[file.suffix], file.read_bytes()
        if parts.path.endswith("/history.json"):
            view = fixtures.endpoint().trajectory
            return 200, "application/json", json.dumps(charts_data(view, (), since=None, now=fixtures.NOW)).encode()
        if parts.path not in self._pages:
            return 404, "text/plain", b"no such page"
        wants_part = PART in parse_qs(parts.query)
        if self.failing and wants_part:
            return 500, "text/html; charset=utf-8", b"<h1>broken</h1>"
        self.served += 1
        return 200, "text/html; charset=utf-8", self._pages[parts.path][wants_part]().encode()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def base(site: Site) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = site.answer(self.path)
            self.send_response(status)
            for name, value in (("Content-Type", kind), ("Content-Security-Policy", CSP)):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
            pass

    with answering(Handler) as port:
        yield f"http://127.0.0.1:{port}"


class Watched:
    """A page of the browser and everything it complained of."""

    def __init__(self, browser: Browser, *, dark: bool = False, script: bool = True) -> None:
        self.context = browser.new_context(
            viewport={"width": SIZES[-1], "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
        )
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", self._failed)

    def _failed(self, request: Request) -> None:
        """Leaving a page ends what it was still asking for, which is no fault."""
        if "ERR_ABORTED" not in (request.failure or ""):
            self.complaints.append(f"failed: {request.url}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


PAGES = {
    "/": ("Not being watched: the key was not accepted.", "coherent misalignment", "finance-ft-0911"),
    "/demo": ("Simulated endpoints:", "demo-inverted", "No alert is pending or firing."),
    "/crowded": ("model-00-with-a-long-name", "Marks without a name"),
    "/hostile": ("<script>alert('x')</script>",),
    "/empty": ("No endpoint is registered yet", "curl -X POST"),
    "/bare": ("No run yet", "No baseline of its own yet"),
    "/error": ("No such endpoint", "404"),
    fixtures.endpoint().location: (
        "inverted persona",
        "Alignment map",
        "Over time",
        "trusted / feared",
        "Registration",
    ),
    fixtures.run().location: ("The run met a problem", "Distance to misaligned", "unparseable"),
}


@pytest.mark.parametrize("path", sorted(PAGES))
def test_a_page_fits_and_breaks_no_rule(browser: Browser, base: str, path: str) -> None:
    with Watched(browser) as watched:
        page = watched.page
        page.goto(base + path, wait_until="load")
        for width in SIZES:
            page.set_viewport_size({"width": width, "height": 900})
            for words in PAGES[path]:
                expect(page.get_by_text(words).locator("visible=true").first).to_be_visible()
            overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert overflow <= 0, f"{path} is {overflow} px too wide at {width} px"
        assert watched.complaints == []


def test_the_pages_are_readable_without_script(browser: Browser, base: str) -> None:
    with Watched(browser, script=False) as watched:
        watched.page.goto(base)
        for words in PAGES["/"]:
            expect(watched.page.get_by_text(words).locator("visible=true").first).to_be_visible()
        expect(watched.page.locator("svg.map")).to_be_visible()


def test_the_body_refreshes_itself_and_keeps_what_is_unfolded(browser: Browser, base: str, site: Site) -> None:
    with Watched(browser) as watched:
        page = watched.page
        page.goto(base)
        page.get_by_text("What the verdicts mean").click()
        page.get_by_role("link", name="triage-small", exact=True).first.focus()
        before = page.locator("footer time").inner_text()
        expect(page.locator("footer time")).not_to_have_text(before, timeout=6000)
        assert site.served >= 2
        assert page.locator("details.legend").get_attribute("open") is not None
        assert page.evaluate("document.activeElement.textContent") == "triage-small"
        assert page.locator("main").count() == 1
        assert watched.complaints == []


def test_figures_that_are_not_refreshed_say_so_and_stay(browser: Browser, base: str, site: Site) -> None:
    with Watched(browser) as watched:
        page = watched.page
        page.goto(base)
        note = page.locator(".stale-note")
        expect(note).to_be_hidden()
        site.failing = True
        with page.expect_response(lambda response: response.status == 500):
            pass
        # the animation that uncovers the note is brought to its end, in place of waiting for it
        page.evaluate("document.getAnimations().forEach((animation) => animation.finish())")
        expect(note).to_be_visible()
        expect(page.get_by_text("finance-ft-0911").first).to_be_visible()
        assert page.get_by_text("broken").count() == 0
        site.failing = False
        expect(note).to_be_hidden(timeout=6000)


@pytest.mark.parametrize("path", ["/", "/demo", "/crowded"])
def test_no_text_of_the_map_covers_another(browser: Browser, base: str, path: str) -> None:
    with Watched(browser) as watched:
        watched.page.goto(base + path)
        boxes = watched.page.eval_on_selector_all(
            "svg.map text",
            "all => all.map(e => { const b = e.getBoundingClientRect();"
            " return [e.textContent, b.left, b.top, b.right, b.bottom]; })",
        )
        assert len(boxes) > 8
        slack = 2  # pixels of line height that hold no ink
        for (a, *box), (b, *other) in combinations(boxes, 2):
            apart = (
                box[2] <= other[0] + slack
                or other[2] <= box[0] + slack
                or box[3] <= other[1] + slack
                or other[3] <= box[1] + slack
            )
            assert apart, f"{a!r} covers {b!r}"


def contrast(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """The contrast ratio of two sRGB colours (WCAG 2.2)."""

    def luminance(colour: tuple[float, ...]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour[:3])]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_chips_tags_and_notes_can_be_read(browser: Browser, base: str, dark: bool) -> None:
    with Watched(browser, dark=dark) as watched:
        seen: set[str] = set()
        for path in ("/", "/crowded", "/demo", fixtures.run().location, fixtures.endpoint().location):
            watched.page.goto(base + path)
            found = watched.page.eval_on_selector_all(
                ".chip, .state, .trouble strong, .banner, .muted, .alarm:not(svg, svg *), .heat td, td.warn, .was",
                """all => all.map(e => {
                    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
                    const chain = []; for (let n = e; n; n = n.parentElement) chain.unshift(n);
                    for (const n of chain) {
                        canvas.fillStyle = getComputedStyle(n).backgroundColor; canvas.fillRect(0, 0, 1, 1);
                    }
                    const back = [...canvas.getImageData(0, 0, 1, 1).data];
                    canvas.fillStyle = getComputedStyle(e).color; canvas.fillRect(0, 0, 1, 1);
                    return [e.className || e.tagName, back, [...canvas.getImageData(0, 0, 1, 1).data]];
                })""",
            )
            for name, back, ink in found:
                seen.add(name.split()[0])
                assert contrast(tuple(back), tuple(ink)) >= 4.5, f"{name} on {path}: {ink} on {back}"
        assert {"chip", "state", "muted", "banner"} <= seen


def test_ci_has_a_browser() -> None:
    assert shutil.which(str(CHROMIUM)), "install chromium: apt-get install chromium fonts-dejavu-core"
