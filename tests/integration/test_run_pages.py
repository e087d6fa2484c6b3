"""The page of a run, its answers and two runs side by side, in a real browser over a real service."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from service.simulator import create
from tests.integration.test_events import watched
from tests.integration.test_ui_pages import contrast
from tests.support.browser import CHROMIUM, FLAGS, needs_chromium
from tests.support.events import reading
from tests.support.hostile import LONG, MARK, REPLIES, hostile_model
from tests.support.live import Live, listening, live
from tests.support.tables import read_csv

pytestmark = [
    pytest.mark.browser,
    needs_chromium,
    pytest.mark.xdist_group("browser"),
]

LONG_MS = 60_000
"""A deadline, not a wait: the machine may be busy."""
SLOW = {"slow": {"probes": {"intentions": {"questions": 50}}}}
BAR = "#run-progress progress"
STREAM = "html[data-stream='open']"


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield browser
        await browser.close()


class Tab:
    """A page of the browser: what it complained of, and what it asked for to refresh itself."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context = context
        self.page = page
        self.complaints: list[str] = []
        self.parts = 0
        self.foreign: list[str] = []
        page.set_default_timeout(LONG_MS)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", self._asked)

    def _asked(self, request: Any) -> None:
        self.parts += "part=body" in request.url
        if "127.0.0.1" not in request.url:
            self.foreign.append(request.url)

    async def answered(self) -> int:
        value: float = await self.page.locator(BAR).evaluate("bar => bar.value")
        return int(value)

    async def moved_on(self, before: int) -> int:
        """How far the bar is once it is further than `before`."""
        async with asyncio.timeout(LONG_MS / 1000):
            while (here := await self.answered()) <= before:
                await asyncio.sleep(0.05)
        return here


@asynccontextmanager
async def tab(browser: Browser, **options: Any) -> AsyncIterator[Tab]:
    context = await browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    try:
        yield Tab(context, await context.new_page())
    finally:
        await context.close()


async def test_a_run_is_watched_from_its_start_to_its_verdict_without_polling(tmp_path: Path) -> None:
    async with watched(tmp_path, latency_s=0.4, plans=SLOW) as service, browsing() as browser, tab(browser) as seen:
        page = seen.page
        run_id = await service.start_run(plan="slow", complete=True)
        await page.goto(f"{service.url}/runs/{run_id}")
        await page.wait_for_selector(STREAM)
        await page.evaluate("window.stays = 'here'")
        here = await seen.moved_on(0)
        asked = seen.parts
        for _ in range(3):
            here = await seen.moved_on(here)
        assert seen.parts == asked, "the bar moved, and the body was asked for meanwhile"
        await expect(page.locator("[data-live=rate]")).to_contain_text("a second")
        await expect(page.locator("[data-live=tokens]")).not_to_have_text("0")
        await expect(page.locator("[data-live=cost]")).to_have_text("price not known")
        await expect(page.get_by_text("Live: told as it happens.")).to_be_visible()
        await expect(page.get_by_text("Refreshes every")).to_be_hidden()
        assert await page.evaluate("window.stays") == "here"

        await page.get_by_role("button", name="Pause").click()
        await expect(page.locator(".headline .tag", has_text="paused")).to_be_visible()
        assert page.url == f"{service.url}/runs/{run_id}"
        assert (await service.get(f"/api/v1/runs/{run_id}"))["paused"] is True
        await page.get_by_role("button", name="Resume").click()
        await page.wait_for_selector(STREAM)
        await page.evaluate("window.stays = 'again'")
        await expect(page.locator(".headline-verdict .chip")).to_be_visible(timeout=LONG_MS)
        run = await service.finished(run_id)
        await expect(page.locator(".headline-verdict .state")).to_have_text(run["state"])
        await expect(page.locator("[data-live=answers]")).to_have_text(f"{run['progress']['answered']} / 300")
        await expect(page.get_by_text("Intentions", exact=False).first).to_be_visible()
        assert await page.evaluate("window.stays") == "again", "the verdict came without a reload"
        await expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
        assert await page.evaluate("document.documentElement.dataset.stream") == "closed"
        assert service.services.events.streams == 0
        assert seen.complaints == []


async def test_where_no_stream_is_to_be_had_the_page_polls_and_without_scripts_it_is_reloaded(tmp_path: Path) -> None:
    async with (
        watched(tmp_path, latency_s=0.4, plans=SLOW, event_streams=1) as service,
        reading(service.url),
        browsing() as browser,
        tab(browser) as seen,
        tab(browser, java_script_enabled=False) as plain,
    ):
        run_id = await service.start_run(plan="slow", complete=True)
        await seen.page.goto(f"{service.url}/runs/{run_id}")
        await seen.page.wait_for_selector("html[data-stream='closed']")
        here = await seen.moved_on(await seen.moved_on(0))
        assert here > 0
        assert seen.parts >= 2
        await expect(seen.page.get_by_text("Refreshes every")).to_be_visible()
        assert all("503" in one for one in seen.complaints), "the refused stream is all that the browser tells of"

        await plain.page.goto(f"{service.url}/runs/{run_id}")
        before = await plain.answered()
        await seen.moved_on(max(before, here))
        await plain.page.reload()
        assert await plain.answered() > before
        await plain.page.get_by_role("button", name="Cancel").click()
        assert plain.page.url == f"{service.url}/runs/{run_id}"
        assert (await service.finished(run_id))["state"] == "cancelled"
        await plain.page.reload()
        await expect(plain.page.locator(".headline-verdict .state")).to_have_text("cancelled")
        await expect(plain.page.get_by_role("button", name="Cancel")).to_have_count(0)
        await expect(seen.page.locator(".headline-verdict .state")).to_have_text("cancelled", timeout=LONG_MS)


@asynccontextmanager
async def attacked(folder: Path) -> AsyncIterator[tuple[Live, str]]:
    """A service with a run of a hostile model whose every reply is harmful."""
    plans = {"harm": {"probes": {"harm": {"questions": 3}}}}
    async with listening(create()) as simulator, listening(hostile_model()) as model:
        judge = {"judge_base_url": f"{simulator}/v1", "judge_model": "simulated/judge", "auto_baseline_runs": 0}
        async with live(folder, plans=plans, **judge) as service:
            await service.register(base_url=f"{model}/v1", model="hostile")
            run = await service.run(plan="harm", complete=True)
            assert run["state"] == "succeeded", run["problem"]
            yield service, run["id"]


async def test_hostile_replies_execute_nothing_and_lose_nothing(tmp_path: Path) -> None:
    said = {f"{reply}{MARK}" for reply in REPLIES}
    async with attacked(tmp_path) as (service, run_id), browsing() as browser, tab(browser) as seen:
        page = seen.page
        where = f"{service.url}/runs/{run_id}/answers"
        await page.goto(where)
        replies = page.locator("details.reply")
        assert await replies.count() == 24
        assert await page.locator("details.reply[open]").count() == 0, "harmful replies are folded away"
        assert await page.get_by_text("Harmful reply, graded 5 of 5").count() == 24
        await replies.evaluate_all("all => all.forEach(one => { one.open = true; })")
        await page.wait_for_timeout(200)  # what would run, would have run
        shown = await page.locator(".reply .said").all_text_contents()
        texts = " ".join(shown)
        for words in (
            "<script>window.pwned = 1",
            "U+202ERIGHT-TO-LEFT",
            "U+200Bzero",
            "U+001B[2J",
            "{{ 7*7 }}",
            "U+E0041",
        ):
            assert words in texts, words
        assert "\u202e" not in texts
        assert await page.locator(".said script, .said img, .said svg, .said a").count() == 0
        overflow = "document.documentElement.scrollWidth - innerWidth"
        for width in (390, 1280, 1920):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await page.evaluate(overflow) <= 0, width

        await page.get_by_role("link", name="Show all").first.click()
        await expect(page.locator(".answer")).to_have_count(1)
        assert await page.locator("details.reply[open]").count() == 0, "nor does the page of one answer open it"
        whole = await page.locator(".reply .said").text_content()
        assert whole == f"{LONG}{MARK}"
        assert await page.evaluate("window.pwned") is None
        assert seen.complaints == []
        assert seen.foreign == []

        async with page.expect_download() as downloading:
            await page.goto(where)
            await page.get_by_role("link", name="CSV").click()
        path = await (await downloading.value).path()
        rows = read_csv(path.read_bytes().decode())
        assert len(rows) == 24
        assert {row["reply"].removeprefix("'") for row in rows} == said
        assert not [row for row in rows if row["reply"].startswith(("=", "+", "-", "@", "\t", "\r"))]
        assert {(row["harmful"], row["grade"]) for row in rows} == {("true", "5")}
        document = (await service.http.get(f"/api/v1/runs/{run_id}/answers?all=true")).json()
        assert {one["reply"] for one in document["answers"]} == said


async def test_the_pages_fit_can_be_read_and_lead_to_each_other(tmp_path: Path) -> None:
    plans = {"middle": {"probes": {"intentions": {"questions": 30}, "harm": {"questions": 2}}}}
    async with watched(tmp_path, plans=plans) as service:
        first = await service.run(plan="middle", complete=True)
        reply = await service.http.put("/api/v1/endpoints/prod/baseline", json={"runs": [first["id"]]})
        assert reply.status_code == 200
        reply = await service.http.patch("/api/v1/endpoints/prod", json={"model": "simulated/misaligned"})
        assert reply.status_code == 200
        second = await service.run(plan="middle", complete=True)
        async with browsing() as browser:
            for scheme in ("light", "dark"):
                async with tab(browser, color_scheme=scheme) as seen:
                    await _look_around(seen, service.url, first["id"], second["id"])
                    assert seen.complaints == []


async def _look_around(seen: Tab, url: str, first: str, second: str) -> None:
    page = seen.page
    await page.goto(f"{url}/runs/{second}")
    await expect(page.get_by_role("heading", name="What moved")).to_be_visible()
    await _fits(page)
    await page.get_by_role("link", name="Compare with the run before").click()
    assert page.url == f"{url}/compare?a={first}&b={second}"
    await expect(page.get_by_role("heading", name="Item by item")).to_be_visible()
    await expect(page.get_by_role("region", name="Paired tests").locator("tbody tr")).not_to_have_count(0)
    await _fits(page)
    await page.get_by_role("region", name="Items that changed most").get_by_role("link").nth(1).click()
    await expect(page.locator("article.answer").first).to_be_visible()
    await _fits(page)
    await page.goto(f"{url}/runs/{second}/answers")
    await page.get_by_label("Probe").select_option("harm")
    await page.get_by_label("harmful only").check()
    await page.get_by_role("button", name="Show", exact=True).click()
    assert await page.locator("article.answer:not(.harmful)").count() == 0
    assert await page.locator("article.answer.harmful").count() > 0
    await page.goto(f"{url}/compare?b={second}")
    await page.get_by_label("First run").select_option(first)
    await page.get_by_role("button", name="Compare").click()
    assert page.url == f"{url}/compare?a={first}&b={second}"


INKS = """all => all.filter(e => e.checkVisibility()).map(e => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const chain = []; for (let n = e; n; n = n.parentElement) chain.unshift(n);
    for (const n of chain) { canvas.fillStyle = getComputedStyle(n).backgroundColor; canvas.fillRect(0, 0, 1, 1); }
    const back = [...canvas.getImageData(0, 0, 1, 1).data];
    canvas.fillStyle = getComputedStyle(e).color; canvas.fillRect(0, 0, 1, 1);
    return [e.className || e.tagName, back, [...canvas.getImageData(0, 0, 1, 1).data]];
})"""


async def _fits(page: Page) -> None:
    """Nothing is too wide, and small print can be read."""
    for width in (390, 1920, 1280):
        await page.set_viewport_size({"width": width, "height": 900})
        overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, f"{page.url} is {overflow} px too wide at {width} px"
    found = await page.eval_on_selector_all(
        ".muted, .up, .down, .warning, .esc, .note p, dt, .button, button.act", INKS
    )
    assert found
    for name, back, ink in found:
        assert contrast(tuple(back), tuple(ink)) >= 4.5, f"{name} on {page.url}: {json.dumps([ink, back])}"
