"""The first hour with Selfwatch, as a person spends it: two processes and a browser, from the registration of an
endpoint by form to its silenced alert. Text that is meant to run as a script is text on every page."""

import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import chromium, needs_chromium
from tests.support.processes import environment, free_port, selfwatch, wait_for

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.browser,
    needs_chromium,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("browser"),
]
LONG_MS, PLAYWRIGHTS_OWN_MS = 120_000, 5_000
RUNS_UNTIL_EVIDENCE = 8
"""Heartbeats of a wholly misaligned model after which its alert must fire; three are usual."""
DRIFT_RULES = (
    "SelfReportDrift", "BehaviourDrift", "OverConfession", "CoherentMisalignment", "InvertedPersona", "ResidualHarm",
)  # fmt: skip
HOSTILE = """<img src=x onerror="document.documentElement.dataset.owned=1"><script>alert(1)</script>'"&amp;"""
QUESTIONS = 46
"""Of a heartbeat."""
RECORD_THE_BAR = """() => {
  window.bar = [];
  setInterval(() => window.bar.push(document.querySelector(".headline progress")?.value ?? 0), 50);
}"""
STREAM = "html[data-stream='open']"


@dataclass(frozen=True, kw_only=True)
class Installation:
    """`selfwatch serve`, and beside it `selfwatch simulate`."""

    url: str
    models: str

    def move_drift(self, level: float) -> None:
        body = json.dumps({"model": "simulated/drifting", "level": level}).encode()
        request = urllib.request.Request(f"{self.models}/simulator/drift", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            assert json.load(reply)["level"] == level


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("first-hour")
    here, there = free_port(), free_port()
    url, models = f"http://127.0.0.1:{here}", f"http://127.0.0.1:{there}"
    env = environment(
        SELFWATCH_DATA_DIR=str(folder / "data"),
        SELFWATCH_JUDGE_BASE_URL=f"{models}/v1",
        SELFWATCH_JUDGE_MODEL="simulated/judge",
        SELFWATCH_ESCALATION="off",  # else a run of its own may go on when the next is to be started by hand
        SELFWATCH_AUTO_BASELINE_RUNS="0",  # else a model that turns early becomes its own baseline
    )
    logs = folder / "simulate.log", folder / "serve.log"
    with (
        selfwatch("simulate", "--port", str(there), "--latency-ms", "150", log=logs[0]) as simulator,
        selfwatch("serve", "--port", str(here), log=logs[1], env=env) as service,
    ):
        wait_for(f"{models}/healthz", simulator, logs[0])
        wait_for(f"{url}/readyz", service, logs[1])
        yield Installation(url=url, models=models)


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A tab, and whatever in it nobody wants: complaints of the browser, dialogs, addresses elsewhere."""

    page: Page
    unwanted: list[str]

    def nothing_was_executed(self) -> None:
        assert self.unwanted == []
        assert self.page.evaluate("document.documentElement.dataset.owned ?? 'no'") == "no"
        assert self.page.locator("img[src='x']").count() == 0


@pytest.fixture
def visit() -> Iterator[Visit]:
    unwanted = list[str]()
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(LONG_MS)
        page.on("console", lambda message: unwanted.append(f"{page.url}: {message.text}"))
        page.on("pageerror", lambda error: unwanted.append(f"{page.url}: {error}"))
        page.on("dialog", lambda dialog: unwanted.append(dialog.message))
        page.on("request", lambda sent: unwanted.extend([sent.url] if "//127.0.0.1:" not in sent.url else []))
        expect.set_options(timeout=LONG_MS)
        yield Visit(page=page, unwanted=unwanted)
        expect.set_options(timeout=PLAYWRIGHTS_OWN_MS)


def register(page: Page, installation: Installation) -> None:
    page.goto(installation.url)
    page.get_by_role("link", name="Register an endpoint").first.click()
    page.get_by_label("Name needed").fill("first")
    page.get_by_label("Address needed").fill(f"{installation.models}/v1")
    page.get_by_label("Model needed").fill("simulated/drifting")
    page.get_by_label("heartbeat", exact=True).fill("")
    page.get_by_text("Limits, sampling, labels").click()
    page.get_by_label("Calls at once").fill("2")
    page.get_by_label("Labels").fill(f"note={HOSTILE}")
    page.get_by_role("button", name="Check it first").click()
    expect(page.get_by_role("heading", name="It answers")).to_be_visible()
    page.get_by_role("button", name="Register", exact=True).click()
    page.wait_for_url("**/endpoints/first")
    expect(page.get_by_text(HOSTILE).first).to_be_visible()


def start(page: Page, installation: Installation) -> None:
    """A heartbeat, from the button of the endpoint's page."""
    page.goto(f"{installation.url}/endpoints/first")
    page.get_by_role("link", name="Run now").click()
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_text("The run has been started.")).to_be_visible()


def watch_live(page: Page) -> None:
    """Follow the run that was just started over its event stream, to its verdict."""
    page.get_by_role("link", name="Watch the heartbeat run live").click()
    page.wait_for_selector(STREAM, state="attached")
    page.evaluate(RECORD_THE_BAR)
    expect(page.get_by_text("Live: told as it happens.")).to_be_visible()
    expect(page.locator(".headline-verdict .chip")).to_be_visible()
    expect(page.locator(".headline-verdict .state")).to_have_text("succeeded")
    assert [one for one in page.evaluate("window.bar ?? []") if 0 < one < QUESTIONS], "no reload, and the bar moved"


def until_it_ends(page: Page) -> str:
    """What the endpoint's page calls the verdict, once it has renewed itself."""
    expect(page.get_by_text("The run has ended.")).to_be_visible()
    return page.locator(".headline .chip").inner_text()


def silence(page: Page, installation: Installation, rule: str) -> None:
    page.goto(f"{installation.url}/alerts")
    card = page.locator(".alert-card", has_text=rule)
    expect(card).to_contain_text("firing")
    card.get_by_role("link", name="Silence", exact=True).click()
    page.get_by_label("Who").fill(HOSTILE)
    page.get_by_label("Why").fill(HOSTILE)
    page.get_by_role("button", name="Silence", exact=True).click()
    page.wait_for_url(re.compile("made="))
    expect(page.get_by_text("mutes 1 alert now")).to_be_visible()
    expect(page.get_by_text(HOSTILE).first).to_be_visible()


def test_from_a_registration_to_a_silenced_alert(installation: Installation, visit: Visit) -> None:
    page = visit.page
    register(page, installation)
    visit.nothing_was_executed()

    start(page, installation)
    watch_live(page)
    expect(page.locator(".headline-verdict .chip")).to_contain_text("steady")
    page.goto(f"{installation.url}/alerts")
    expect(page.get_by_text("No alert is pending or firing.")).to_be_visible()

    installation.move_drift(1)
    said = list[str]()
    while all("steady" in one for one in said):
        assert len(said) < RUNS_UNTIL_EVIDENCE, said
        start(page, installation)
        said.append(until_it_ends(page))
    page.goto(f"{installation.url}/alerts")
    shown = page.locator(".alert-card.a-firing").first  # which arm is sure first depends on the questions drawn
    rule = shown.locator(".alert-head b").nth(1).inner_text()
    assert rule in DRIFT_RULES
    expect(shown.get_by_role("link", name="Run", exact=True)).to_have_attribute("href", re.compile("^/runs/"))

    silence(page, installation, rule)
    visit.nothing_was_executed()
    page.goto(f"{installation.url}/alerts")
    expect(page.locator(".alert-card", has_text=rule)).to_contain_text("silenced, ends in")
    page.goto(installation.url)
    expect(page.locator(".alerts li", has_text=rule)).to_contain_text("silenced")
    expect(page.locator("li.endpoint").get_by_text(HOSTILE).first).to_be_visible()
    visit.nothing_was_executed()
