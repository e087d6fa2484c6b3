"""The fleet page over a real service: filter, order, pages, addresses; with scripts and without."""

from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from service.ui.render import REFRESH_S
from tests.integration.test_ui_pages import Watched
from tests.support.browser import chromium
from tests.support.fleet import Told, seed
from tests.support.processes import free_port
from tests.support.serving import served

pytestmark = pytest.mark.xdist_group("browser")  # one server for all
DEADLINE_MS = 60_000
HOSTILE = "<img src=x onerror=alert(1)>\"'&"
RISING = [(0.01 * at, 0.03 * at) for at in range(30)]
STEADY = tuple(
    Told(
        name=f"steady-{number:02d}", model="vendor/large", verdict="steady", labels={"team": "search"},
        drifts=[(0.0, 0.0), (0.01, 0.0)], usd=0.01 * number, ended=timedelta(minutes=10 + number),
    )
    for number in range(60)
)  # fmt: skip
EVERY = (
    *STEADY,
    Told(name="bad", model="vendor/bad", verdict="inverted_persona", labels={"team": "ads"}, drifts=RISING, usd=3.5),
    Told(name="worse", model="vendor/bad", verdict="coherent_misalignment", drifts=RISING, usd=1.25, paused=True),
    Told(name="unseen", verdict="steady", down=True, drifts=[(0.0, 0.0)]),
    Told(name="odd", model=HOSTILE, labels={"note": HOSTILE}, simulated=True),
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "data").mkdir(mode=0o700)
    seed(folder / "data", EVERY)
    port = free_port()
    with served(folder, port, notifiers={}):
        yield f"http://127.0.0.1:{port}"


class Names(HTMLParser):
    """The endpoints of the list, as they follow each other."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = self.inside or tag == "h3"

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "h3"

    def handle_data(self, data: str) -> None:
        if self.inside and data.strip():
            self.found.append(data.strip())


def names(url: str, query: str = "") -> list[str]:
    reply = httpx2.get(f"{url}/?{query}", timeout=60, trust_env=False)
    assert reply.status_code == 200, reply.text
    return Names(reply.text).found


def test_the_address_says_what_is_shown_and_in_which_order(url: str) -> None:
    assert names(url)[:4] == ["worse", "bad", "unseen", "odd"]
    assert len(names(url)) == 50
    assert names(url, "page=2") == names(url, "page=99"), "the last page stands for those that there are not"
    assert len(names(url, "page=2")) == len(EVERY) - 50
    assert names(url, "verdict=inverted_persona") == ["bad"]
    assert names(url, "verdict=none") == ["odd"]
    assert names(url, "state=paused") == ["worse"]
    assert names(url, "state=down") == ["unseen"]
    assert names(url, "state=simulated") == ["odd"]
    assert names(url, "label=team%3Dads") == ["bad"]
    assert names(url, "q=VENDOR+bad&sort=name") == ["bad", "worse"]
    assert names(url, "sort=name")[:2] == ["bad", "odd"]
    assert names(url, "sort=cost")[:3] == ["bad", "worse", "steady-59"]
    assert names(url, "sort=drift")[:2] == ["bad", "worse"]
    assert names(url, "sort=last_run&label=team%3Dsearch")[:2] == ["steady-00", "steady-01"]


def test_a_row_tells_trend_cost_and_runs(url: str) -> None:
    html = httpx2.get(f"{url}/?q=bad", timeout=60, trust_env=False).text
    assert "Behaviour drift over the last 30 runs: from 0.00 to 0.87, at most 0.87" in html
    assert html.count('class="spark"') == 4
    assert "$3.50" in html
    assert "2</b> of 64 endpoints" in html
    assert "<img src=x" not in html
    odd = httpx2.get(f"{url}/?q=odd", timeout=60, trust_env=False).text
    assert "&lt;img src=x onerror=alert(1)&gt;" in odd
    assert "<img src=x" not in odd


@pytest.mark.parametrize(
    ("query", "remedy"), [("verdict=evil", "inverted_persona"), ("sort=up", "last_run"), ("page=x", "from 1")]
)
def test_an_address_that_asks_for_what_there_is_not_says_so(url: str, query: str, remedy: str) -> None:
    reply = httpx2.get(f"{url}/?{query}", timeout=60, trust_env=False)
    assert reply.status_code == 422
    assert "No such filter" in reply.text
    assert remedy in reply.text


def test_what_a_form_leaves_empty_is_not_in_the_address(url: str) -> None:
    form = f"{url}/?q=+bad+&verdict=&label=&state=&sort=worst&live=0"
    reply = httpx2.get(form, timeout=60, trust_env=False, follow_redirects=False)
    assert (reply.status_code, reply.headers["location"]) == (303, "/?q=bad&live=0")
    typed = httpx2.get(
        f"{url}/?q=bad&verdict=&sort=worst", timeout=60, trust_env=False,
        headers={"HX-Request": "true", "HX-Current-URL": f"{url}/?q=ba"},
    )  # fmt: skip
    assert typed.headers["hx-replace-url"] == "/?q=bad", "typing on is no step to go back to"
    chosen = httpx2.get(
        f"{url}/?q=&verdict=steady", timeout=60, trust_env=False,
        headers={"HX-Request": "true", "HX-Current-URL": f"{url}/?q=ba"},
    )  # fmt: skip
    assert chosen.headers["hx-push-url"] == "/?verdict=steady"


def test_a_page_that_stands_still_goes_on_to_do_so(url: str) -> None:
    html = httpx2.get(f"{url}/?live=0", timeout=60, trust_env=False).text
    assert f"every {REFRESH_S}s" not in html
    assert '<input type="hidden" name="live" value="0">' in html
    assert 'href="/?page=2&amp;live=0"' in html
    assert 'href="/?verdict=steady&amp;live=0"' in html


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def shown(page: Page) -> list[str]:
    return [one.strip() for one in page.locator(".endpoints h3").all_inner_texts()]


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def refreshed(page: Page) -> None:
    """The page has asked for itself anew, and shows the answer."""
    with page.expect_response(lambda reply: "part=body" in reply.url, timeout=DEADLINE_MS):
        pass
    before = page.locator("footer time").get_attribute("datetime")
    expect(page.locator("footer time")).not_to_have_attribute("datetime", before or "", timeout=DEADLINE_MS)


@pytest.mark.browser
def test_a_filter_needs_no_reload_lasts_through_refreshes_and_goes_back(browser: Browser, url: str) -> None:
    with Watched(browser) as watched:
        page = watched.page
        page.set_default_timeout(DEADLINE_MS)
        page.goto(url)
        page.evaluate("window.sameDocument = true")
        page.get_by_label("Verdict", exact=True).select_option("inverted_persona")
        expect(page.locator(".endpoints h3")).to_have_count(1, timeout=DEADLINE_MS)
        assert shown(page) == ["bad"]
        page.wait_for_url("**/?verdict=inverted_persona")
        refreshed(page)
        assert shown(page) == ["bad"], "a refresh forgets the filter"
        page.get_by_label("Verdict", exact=True).select_option("")
        expect(page.locator(".endpoints h3")).to_have_count(50, timeout=DEADLINE_MS)
        page.get_by_label("Sorted by").select_option("cost")
        expect(page.locator(".endpoints h3").first).to_have_text("bad", timeout=DEADLINE_MS)
        page.wait_for_url("**/?sort=cost")
        search = page.get_by_label("Search")
        search.press_sequentially("vendor bad", delay=30)
        expect(page.locator(".endpoints h3")).to_have_count(2, timeout=DEADLINE_MS)
        search.press_sequentially(" wo")
        refreshed(page)
        expect(search).to_have_value("vendor bad wo")
        expect(page.locator(".endpoints h3")).to_have_text(["worse"], timeout=DEADLINE_MS)
        assert page.evaluate("document.activeElement.id") == "q", "a refresh takes the focus"
        assert page.evaluate("window.sameDocument") is True, "the page was loaded anew"
        assert query(page) == {"q": ["vendor bad wo"], "sort": ["cost"]}
        page.go_back()
        page.wait_for_url("**/?sort=cost")
        expect(page.locator(".endpoints h3")).to_have_count(50, timeout=DEADLINE_MS)
        expect(page.get_by_label("Search")).to_have_value("")
        expect(page.get_by_label("Sorted by")).to_have_value("cost")
        page.go_forward()
        expect(page.locator(".endpoints h3")).to_have_text(["worse"], timeout=DEADLINE_MS)
        expect(page.get_by_label("Search")).to_have_value("vendor bad wo")
        assert watched.complaints == []


@pytest.mark.browser
def test_nothing_that_matches_is_a_state_of_its_own_with_a_way_out(browser: Browser, url: str) -> None:
    with Watched(browser) as watched:
        page = watched.page
        page.set_default_timeout(DEADLINE_MS)
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(url + "/?q=nobody&sort=name")
            expect(page.get_by_role("heading", name="No endpoint matches")).to_be_visible()
            assert page.locator("svg.map").count() == 0
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        page.get_by_role("link", name="Show all endpoints").click()
        page.wait_for_url("**/?sort=name")
        expect(page.locator(".endpoints h3")).to_have_count(50, timeout=DEADLINE_MS)
        for width in (390, 1280, 1920):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width
        page.get_by_role("link", name="Next").click()
        page.wait_for_url("**/?sort=name&page=2")
        assert shown(page)[-1] == "worse"
        page.get_by_role("link", name="coherent misalignment").first.click()
        page.wait_for_url("**/?verdict=coherent_misalignment&sort=name")
        assert shown(page) == ["worse"]
        assert page.locator(".tally a[aria-current]").count() == 1
        assert watched.complaints == []


@pytest.mark.browser
def test_without_scripts_it_is_a_plain_form(browser: Browser, url: str) -> None:
    with Watched(browser, script=False) as watched:
        page = watched.page
        page.set_default_timeout(DEADLINE_MS)
        page.goto(url)
        page.get_by_label("Search").fill("vendor")
        page.get_by_label("State").select_option("paused")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**/?q=vendor&state=paused")
        expect(page.locator(".endpoints h3")).to_have_text(["worse"], timeout=DEADLINE_MS)
        expect(page.get_by_label("Search")).to_have_value("vendor")
        page.get_by_role("link", name="Clear the filter").click()
        expect(page.locator(".endpoints h3")).to_have_count(50, timeout=DEADLINE_MS)
