"""Every page that can be reached from the front page of the demo, in a real browser: readable by everybody (axe-core,
WCAG 2.1 AA, light and dark), no complaint of the browser, nothing wider than the screen, no dead link."""

import re
import time
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.acceptance.test_demo import get
from tests.support.browser import chromium, needs_chromium
from tests.support.processes import free_port, selfwatch, wait_for

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.browser,
    needs_chromium,
    pytest.mark.timeout(600),
]
WIDTHS = (390, 1280, 1920)
NOT_OURS = ("/docs", "/metrics", "/static/", "/api/", "/openapi.json")
"""Not pages: the API, what it describes itself with, and files."""
OF_EACH_KIND = 2
"""Pages of one kind that are visited: the endpoints' pages differ in figures only."""
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo, once it has a page of each sort to show."""
    port, log = free_port(), tmp_path_factory.mktemp("demo") / "log"
    base = f"http://127.0.0.1:{port}"
    with selfwatch("demo", "--port", str(port), log=log) as process:
        wait_for(f"{base}/livez", process, log)
        end = time.monotonic() + 120
        while not get(f"{base}/api/v1/alerts?state=firing")["alerts"]:
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.5)
        yield base


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def kind(address: str) -> str:
    """What sort of page an address leads to: names and numbers do not tell pages apart, the names of filters do; all
    that are filtered in several ways are of one sort."""
    parts = urlsplit(address)
    path = re.sub(r"^/profiles/.+", "/profiles/*", parts.path)  # their names may have slashes
    path = re.sub(r"/(endpoints|runs|runbooks)/(?!new)[^/]+", r"/\1/*", path)
    names = sorted({one.split("=")[0] for one in parts.query.split("&") if one})
    return f"{path}?{names[0] if len(names) == 1 else 'several' if names else ''}"


def links(page: Page) -> list[str]:
    """Where the page leads within this site."""
    found = page.eval_on_selector_all("a[href]:not([download])", "all => all.map(one => one.getAttribute('href'))")
    whole = [urlsplit(urljoin(page.url, one))._replace(fragment="") for one in found]
    inside = [one for one in whole if one.netloc == urlsplit(page.url).netloc]
    return [one.geturl() for one in inside if not one.path.startswith(NOT_OURS) and "format=" not in one.query]


def problems(page: Page) -> list[str]:
    """What axe-core finds, in both themes, and what is wider than the screen."""
    found = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        for rule in Axe().run(page, options=RULES).response["violations"]:
            where = "; ".join(node["html"][:160] for node in rule["nodes"][:3])
            found.append(f"{theme}: {rule['id']}: {rule['help']}: {where}")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if (over := page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
            found.append(f"{over} px too wide at {width} px")
    page.set_viewport_size({"width": 1280, "height": 900})
    return found


def test_every_page_is_fit_for_everybody(url: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    waiting, seen, wrong = [f"{url}/"], dict[str, int](), list[str]()
    visited: set[str] = set()
    while waiting:
        address = waiting.pop(0)
        if address in visited or seen.get(kind(address), 0) >= OF_EACH_KIND:
            continue
        visited.add(address)
        seen[kind(address)] = seen.get(kind(address), 0) + 1
        reply = page.goto(address)
        assert reply is not None
        if not reply.ok:
            wrong.append(f"{address}: {reply.status}")
            continue
        waiting += links(page)
        wrong += [f"{address}: {one}" for one in problems(page)]
    page.close()
    assert {"/?", "/endpoints/*?", "/runs/*?", "/runbooks/*?"} <= set(seen), seen
    assert wrong == [], "\n".join(wrong)
    assert complaints == []


def test_an_address_that_there_is_not_is_a_page_too(url: str, browser: Browser) -> None:
    page = browser.new_page()
    for path in ("/endpoints/nobody", "/runs/nothing", "/runbooks/none", "/nowhere"):
        reply = page.goto(f"{url}{path}")
        assert reply is not None
        assert reply.status == 404
        assert page.get_by_role("link", name="Back to the fleet").is_visible(), path
        assert problems(page) == []
    page.close()


def test_the_whole_of_a_page_is_reached_with_the_keyboard(url: str, browser: Browser) -> None:
    """From the first stop, which skips the bar, through every link of the fleet page."""
    page = browser.new_page()
    page.goto(f"{url}/?live=0")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    focusable = page.evaluate(
        "[...document.querySelectorAll('a[href], button, summary, input, select, [tabindex=\"0\"]')]"
        ".filter(one => one.checkVisibility() && !one.disabled).length"
    )
    reached = set[str]()
    for _ in range(focusable + 5):
        shown = page.evaluate(
            "(() => { const one = document.activeElement, box = one.getBoundingClientRect(); window.seen ??= new Map();"
            " if (!seen.has(one)) seen.set(one, seen.size);"
            " return one === document.body ? '' : `${seen.get(one)}` })()"
        )
        if shown:
            reached.add(shown)
        page.keyboard.press("Tab")
    assert len(reached) == focusable
    page.close()
