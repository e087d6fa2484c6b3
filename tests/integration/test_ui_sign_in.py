"""Signing in, registering by form and signing out in a real browser, against the real server bound for everybody.

The server is asked by a name that is not of this machine, over plain HTTP: there browsers leave Sec-Fetch-Site out, and
take no cookie that is Secure.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from service.ui.render import CSP
from tests.acceptance.test_pages import problems
from tests.integration.test_ui_pages import SIZES
from tests.support.browser import answering, chromium, needs_chromium
from tests.support.guarded import make_tokens
from tests.support.live import settings_for
from tests.support.processes import free_port, selfwatch, wait_for
from tests.support.serving import served

pytestmark = [
    pytest.mark.browser,
    needs_chromium,
    pytest.mark.xdist_group("browser"),
]

HOST, EVIL = "selfwatch.test", "evil.test"
PATIENCE_MS = 60_000
AGAIN = re.compile("looked=1")
"""The page to sign in at has loaded itself once more, as it does where the browser may have held a cookie back."""
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where the service is, its tokens by name, its database, and the address of simulated models."""

    url: str
    tokens: dict[str, str]
    database: Path
    models: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("signed")
    tokens = make_tokens(settings_for(folder, host="0.0.0.0"))
    port, models, log = free_port(), free_port(), folder / "models.log"
    with (
        selfwatch("simulate", "--port", str(models), log=log) as simulator,
        served(folder, port, host="0.0.0.0", outbound_allow=["127.0.0.0/8"]),
    ):
        wait_for(f"http://127.0.0.1:{models}/healthz", simulator, log)
        yield Site(
            url=f"http://{HOST}:{port}", tokens=tokens, database=folder / "data" / "selfwatch.db",
            models=f"http://127.0.0.1:{models}/v1",
        )  # fmt: skip


@pytest.fixture(scope="module")
def browser(site: Site) -> Iterator[Browser]:
    names = f"--host-resolver-rules=MAP {HOST} 127.0.0.1, MAP {EVIL} 127.0.0.1"
    with chromium(names) as started:
        expect.set_options(timeout=PATIENCE_MS)
        yield started
        expect.set_options(timeout=5_000)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": SIZES[-1], "height": 900})
    made.set_default_timeout(PATIENCE_MS)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def sign_in(page: Page, site: Site, who: str, path: str = "/") -> None:
    page.goto(site.url + path)
    expect(page).to_have_url(AGAIN)
    page.get_by_label("API token").fill(site.tokens[who])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def fits(page: Page) -> None:
    for width in SIZES:
        page.set_viewport_size({"width": width, "height": 900})
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, f"{page.url} is {overflow} px too wide at {width} px"


def test_sign_in_register_check_correct_and_sign_out(page: Page, site: Site) -> None:
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(site.url)
    expect(page).to_have_url(AGAIN)
    assert page.url.startswith(f"{site.url}/sign-in?next=%2F")
    fits(page)
    page.get_by_label("API token").fill("swt_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("There is no such token")).to_be_visible()
    assert problems(page) == []
    page.get_by_label("API token").fill(site.tokens["writer"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("No endpoint is registered yet")).to_be_visible()
    expect(page.locator(".account")).to_contain_text("writer")

    page.get_by_role("link", name="Register an endpoint").click()
    fits(page)
    page.locator("#f-name").fill("support-bot")
    page.locator("#f-base_url").fill(f"http://127.0.0.1:{free_port()}/v1")
    page.locator("#f-model").fill("simulated/base")
    page.locator("input[value=paste]").check()
    page.locator("#f-api_key").fill("sk-typed")
    page.get_by_role("button", name="Check it first").click()
    expect(page.get_by_role("heading", name=re.compile("It gives no usable answer"))).to_be_visible()
    expect(page.locator("#check")).to_contain_text("What to do")
    assert problems(page) == []
    assert page.locator("#f-api_key").input_value() == "sk-typed", "a check takes nothing away"
    page.locator("#f-base_url").fill(site.models)
    page.get_by_role("button", name="Check it first").click()
    expect(page.get_by_role("heading", name="It answers")).to_be_visible()
    expect(page.locator("#check")).to_contain_text("a month")
    fits(page)
    page.locator("#f-schedules-heartbeat").fill("")
    page.get_by_role("button", name="Register", exact=True).click()
    expect(page.get_by_role("heading", name="support-bot")).to_be_visible()
    assert page.url == f"{site.url}/endpoints/support-bot"

    page.get_by_role("link", name="Change").click()
    expect(page.locator("input[value=keep]")).to_be_checked()
    fits(page)
    page.locator("#f-labels").fill("team=chat")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Label: team")).to_be_visible()
    page.get_by_role("link", name="Delete").click()
    fits(page)
    page.get_by_label("Type its name").fill("support-bot")
    page.get_by_role("button", name="Delete it for good").click()
    expect(page.get_by_text("No endpoint is registered yet")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API token")).to_be_visible()
    page.goto(site.url)
    expect(page.get_by_label("API token")).to_be_visible()
    assert [text for text in complaints if "403" not in text] == [], "403: the wrong token"


@pytest.mark.parametrize("script", [False, True])
def test_without_script_it_works_and_hostile_text_executes_nothing(browser: Browser, site: Site, script: bool) -> None:
    context = browser.new_context(java_script_enabled=script)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    sign_in(page, site, "writer", "/endpoints/new")
    assert page.url == f"{site.url}/endpoints/new"
    page.locator("#f-base_url").fill(HOSTILE)
    page.locator("#f-model").fill(HOSTILE)
    page.locator("#more summary").click()
    page.locator("#f-labels").fill(HOSTILE)
    page.get_by_role("button", name="Check it first").click()
    expect(page.get_by_role("heading", name="Not checked yet")).to_be_visible()
    expect(page.locator("#check")).to_contain_text("<img src=x")
    page.locator("#f-name").fill("hostile")
    page.locator("#f-base_url").fill(site.models)
    page.locator("#f-labels").fill(f"team={HOSTILE}")
    page.locator("#f-schedules-heartbeat").fill("")
    page.get_by_role("button", name="Register", exact=True).click()
    expect(page.get_by_role("heading", name="hostile")).to_be_visible()
    expect(page.get_by_text("Label: team")).to_be_visible()
    assert page.locator("main img, main script").count() == 0
    assert "owned" not in page.title()
    page.goto(f"{site.url}/endpoints/hostile/delete")
    page.get_by_label("Type its name").fill(HOSTILE)
    page.get_by_role("button", name="Delete it for good").click()
    expect(page.get_by_role("alert")).to_contain_text("is not its name")
    page.get_by_label("Type its name").fill("hostile")
    page.get_by_role("button", name="Delete it for good").click()
    expect(page.get_by_text("No endpoint is registered yet")).to_be_visible()
    assert "owned" not in page.title()
    assert dialogs == []
    context.close()


def test_a_live_page_says_that_its_session_has_ended(page: Page, site: Site) -> None:
    sign_in(page, site, "reader")
    expect(page.locator("#signed-out")).to_be_hidden()
    with closing(sqlite3.connect(site.database, timeout=30)) as database:
        kept = database.execute("SELECT * FROM sessions").fetchall()
        database.execute("DELETE FROM sessions")
        database.commit()
        expect(page.locator("#signed-out")).to_be_visible()
        expect(page.locator("#signed-out")).to_contain_text("no longer refreshed")
        fits(page)
        database.executemany(f"INSERT INTO sessions VALUES ({', '.join('?' * len(kept[0]))})", kept)
        database.commit()
    expect(page.locator("#signed-out")).to_be_hidden()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API token")).to_be_visible()


@pytest.fixture
def evil(site: Site) -> Iterator[str]:
    """Another site, with a link to ours and forms that send themselves to it."""
    forms = {
        "/sign-out": f'<form method="post" action="{site.url}/sign-out"></form>',
        "/register": f'<form method="post" action="{site.url}/endpoints/new"><input name="name" value="forged"></form>',
        "/text": f'<form method="post" enctype="text/plain" action="{site.url}/api/v1/endpoints">'
        '<input name=\'{"name":"forged","base_url":"http://x/v1","model":"\' value=\'"}\'></form>',
        "/link": f'<a href="{site.url}/endpoints/new">alert</a>',
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = forms.get(self.path, "").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
            pass

    with answering(Handler) as port:
        yield f"http://{EVIL}:{port}"


def test_another_site_can_link_here_and_change_nothing(page: Page, site: Site, evil: str) -> None:
    sign_in(page, site, "boss")
    for path in ("/sign-out", "/register", "/text"):
        page.goto(evil + path)
        with page.expect_navigation() as navigation:
            page.evaluate("document.forms[0].submit()")
        assert navigation.value is not None
        assert navigation.value.status == 403, path
        assert navigation.value.headers["content-security-policy"] == CSP
    page.goto(f"{evil}/link")
    page.get_by_role("link").click()
    # a strict cookie is held back on such a visit: the page loads itself once, and the reader is there
    expect(page.get_by_role("heading", name="Register an endpoint")).to_be_visible()
    expect(page.locator(".account")).to_contain_text("boss")
    page.goto(site.url)
    expect(page.get_by_text("No endpoint is registered yet")).to_be_visible()
