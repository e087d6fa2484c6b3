"""The page of an endpoint over a real service: started, paused, pinned, drilled and silenced by forms."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright, expect

from service.simulator import create
from tests.support.browser import CHROMIUM, FLAGS, needs_chromium
from tests.support.guarded import BROWSER, ORIGIN, guarded
from tests.support.live import Live, listening, live
from tests.support.seeded_runs import seed

browsers = [
    pytest.mark.browser,
    needs_chromium,
    pytest.mark.xdist_group("browser"),
]
LONG_MS = 60_000
"""A deadline, not a measurement."""
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@asynccontextmanager
async def simulated(folder: Path, *, latency_s: float = 0.0, **changes: Any) -> AsyncIterator[tuple[Live, str]]:
    """A service with a judge, and the address of the models."""
    async with listening(create(latency_s=latency_s)) as models:
        judged = {"judge_base_url": f"{models}/v1", "judge_model": "simulated/judge"}
        async with live(folder, **judged | changes) as service:
            yield service, f"{models}/v1"


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as play:
        started = await play.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield started
        await started.close()


def watch(page: Page, complaints: list[str]) -> None:
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    # leaving a page ends the refresh that it has asked for
    page.on(
        "requestfailed",
        lambda request: None if request.failure == "net::ERR_ABORTED" else complaints.append(f"failed: {request.url}"),
    )


async def picture(page: Page, chart: str) -> str:
    found: str = await page.locator(f"#chart-{chart} canvas").evaluate("canvas => canvas.toDataURL()")
    return found


async def fit(page: Page) -> list[str]:
    """What axe-core finds, and what is wider than the screen."""
    found = [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in
             (await Axe().run(page, options=WCAG)).response["violations"]]  # fmt: skip
    for width in (390, 1280, 1920):
        await page.set_viewport_size({"width": width, "height": 900})
        if (over := await page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
            found.append(f"{over} px too wide at {width} px")
    await page.set_viewport_size({"width": 1280, "height": 900})
    return found


class TestByClicks:
    pytestmark = browsers

    async def test_run_now_and_watch_it_to_its_verdict(self, tmp_path: Path) -> None:
        complaints: list[str] = []
        async with simulated(tmp_path, latency_s=0.05) as (service, models), chromium() as browser:
            await service.register(base_url=models, model="simulated/base", limits={"concurrency": 2})
            page = await browser.new_page(viewport={"width": 1280, "height": 900})
            watch(page, complaints)
            await page.goto(f"{service.url}/endpoints/prod")
            await expect(page.get_by_text("No run in the last 7 days has been compared.")).to_be_visible()
            await page.get_by_role("link", name="Run now").click()
            await expect(page.get_by_role("radio", name=re.compile("heartbeat 46 questions"))).to_be_checked()
            await expect(page.get_by_text("price not known").first).to_be_visible()
            assert await fit(page) == []
            await expect(page.get_by_role("link", name="Look again")).to_be_visible()
            await page.get_by_role("button", name="Start the run").click()
            await expect(page.get_by_text("The run has been started.")).to_be_visible()
            await expect(page.locator(".headline progress")).to_be_visible()
            # a second one waits for the first: told, with the way to it
            await page.goto(f"{service.url}/endpoints/prod/run")
            await page.get_by_role("button", name="Start the run").click()
            alert = page.get_by_role("alert")
            await expect(alert).to_contain_text("A run is already going on")
            await expect(alert).to_contain_text("Wait for its end, or cancel it")
            await alert.get_by_role("link", name="To that run").click()
            await expect(page).to_have_url(re.compile("/runs/"))
            # by itself, without a reload: the verdict, the map, the charts
            await page.goto(f"{service.url}/endpoints/prod")
            await expect(page.locator(".headline .chip")).to_contain_text("steady", timeout=LONG_MS)
            await expect(page.locator("#chart-behaviour canvas")).to_have_count(1, timeout=LONG_MS)
            await expect(page.locator(".path-map .now")).to_have_count(1, timeout=LONG_MS)
            await page.close()
        refusals = [one for one in complaints if "409" in one]
        assert len(refusals) == 1, "the browser tells of the refusal, once"
        assert [one for one in complaints if one not in refusals] == []

    async def test_charts_follow_range_theme_zoom_and_new_runs(self, tmp_path: Path) -> None:
        complaints: list[str] = []
        async with simulated(tmp_path) as (service, models), chromium() as browser:
            await service.register(base_url=models, model="simulated/base")
            run = await service.run()
            await seed(service.services.database, run["id"], 60, ends=datetime.now(UTC))
            page = await browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
            watch(page, complaints)
            await page.goto(f"{service.url}/endpoints/prod?live=0")
            await expect(page.locator("canvas")).to_have_count(3)
            await expect(page.locator("#chart-behaviour canvas")).to_have_attribute("aria-label", re.compile("61 runs"))
            before = await picture(page, "behaviour")
            await page.locator("#theme").click()
            await page.wait_for_function("([id, was]) => document.querySelector(id).toDataURL() !== was",
                                         arg=["#chart-behaviour canvas", before])  # fmt: skip
            assert await fit(page) == []
            await page.locator("#theme").click()
            assert await fit(page) == []
            # values under the cursor
            over = page.locator("#chart-behaviour .u-over")
            await over.scroll_into_view_if_needed()
            box = await over.bounding_box()
            assert box is not None
            middle = (box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2)
            await page.mouse.move(*middle)
            await expect(page.locator("#chart-behaviour .u-legend")).to_contain_text("inverted persona")
            await expect(page.locator("#chart-behaviour .u-legend")).to_contain_text(re.compile("Drift0[.][78]"))
            # zoom, and back
            whole = page.locator("#chart-behaviour .zoom-out")
            await expect(whole).to_be_hidden()
            await page.mouse.down()
            await page.mouse.move(middle[0] + 80, middle[1], steps=4)
            await page.mouse.up()
            await expect(whole).to_be_visible()
            zoomed = await picture(page, "behaviour")
            await whole.click()
            await expect(whole).to_be_hidden()
            assert await picture(page, "behaviour") != zoomed
            # the table beneath says the same, and leads to the runs
            await page.locator("#figures-behaviour summary").click()
            table = page.get_by_role("region", name="behaviour drift, run by run")
            await expect(table.locator("tbody tr")).to_have_count(60)
            await expect(table).to_contain_text("inverted persona (changed)")
            # another range is an address of its own
            await page.get_by_role("link", name="24 hours").click()
            await expect(page).to_have_url(re.compile("range=24h"))
            await expect(page.locator(".spans [aria-current]")).to_have_text("24 hours")
            # a refreshed page keeps what is drawn and unfolded, and draws a new run when there is one
            await page.goto(f"{service.url}/endpoints/prod")
            await expect(page.locator("canvas")).to_have_count(3)
            await page.locator("#figures-behaviour summary").click()
            await page.evaluate("document.querySelector('#chart-behaviour canvas').dataset.same = 'yes'")
            first = await page.locator(".foot time").get_attribute("datetime")
            await expect(page.locator(".foot time")).not_to_have_attribute("datetime", first or "", timeout=LONG_MS)
            await expect(page.locator("#chart-behaviour canvas")).to_have_attribute("data-same", "yes")
            await service.run()
            label = page.locator("#chart-behaviour canvas")
            await expect(label).to_have_attribute("aria-label", re.compile("62 runs"), timeout=LONG_MS)
            assert await page.locator("#figures-behaviour").get_attribute("open") is not None
            # the heat map by keyboard
            await page.locator("table[data-heat] td[tabindex='0']").first.focus()
            await page.keyboard.press("ArrowRight")
            await expect(page.locator(".heat-line").first).to_contain_text("aligned / misaligned, language:")
            await page.close()
        assert complaints == []

    async def test_pause_pin_drill_and_silence_without_scripts(self, tmp_path: Path) -> None:
        async with simulated(tmp_path, auto_baseline_runs=0, notifiers={"log": {"kind": "log"}}) as (service, models):
            await service.register(base_url=models, model="simulated/base")
            runs = [(await service.run())["id"] for _ in range(2)]
            async with chromium() as browser:
                context = await browser.new_context(java_script_enabled=False)
                page = await context.new_page()
                home = f"{service.url}/endpoints/prod"
                await page.goto(home)
                await page.get_by_role("button", name="Pause").click()
                await expect(page.get_by_text("Paused: no scheduled run starts")).to_be_visible()
                assert (await service.get("/api/v1/endpoints/prod"))["paused"] is True
                await page.get_by_role("button", name="Resume").click()
                await expect(page.get_by_text("Resumed: schedules hold again")).to_be_visible()
                assert (await service.get("/api/v1/endpoints/prod"))["paused"] is False
                # a baseline: chosen, shown, pinned
                await page.get_by_role("link", name="Pin baseline").click()
                await page.get_by_role("button", name="Go on").click()
                await expect(page.get_by_role("alert")).to_contain_text("No run was chosen")
                for run in runs:
                    await page.locator(f"#run-{run}").check()
                await page.get_by_role("button", name="Go on").click()
                await expect(page.get_by_text("Evidence starts anew on both arms")).to_be_visible()
                assert (await service.http.get("/api/v1/endpoints/prod/baseline")).status_code == 404, "nothing yet"
                await page.get_by_role("button", name="Pin the baseline").click()
                await expect(page.get_by_text("The baseline is set.")).to_be_visible()
                assert set((await service.get("/api/v1/endpoints/prod/baseline"))["runs"]) == set(runs)
                # the difference to the baseline stands in the heat map
                await expect(page.get_by_text("the difference to its own baseline")).to_be_visible()
                # a drill, and one at a time
                await page.get_by_role("link", name="Fire drill").click()
                await page.get_by_role("radio", name=re.compile("^inverted")).check()
                await page.get_by_role("button", name="Begin the drill").click()
                await expect(page.get_by_text("The fire drill has begun.")).to_be_visible()
                (drill,) = (await service.get("/api/v1/drills"))["drills"]
                assert (drill["endpoint"], drill["persona"]) == ("prod", "inverted")
                # silence, and its end
                await page.get_by_role("button", name="4 h", exact=True).click()
                await expect(page.get_by_text("Alerts of this endpoint are silenced")).to_be_visible()
                (silence,) = (await service.get("/api/v1/silences"))["silences"]
                assert silence["match"] == {"endpoint": "prod"}
                assert 3.9 < hours(silence) <= 4
                await page.get_by_role("button", name="End it now").click()
                await expect(page.get_by_text("Alerts of this endpoint are silenced")).to_have_count(0)
                assert (await service.get("/api/v1/silences"))["silences"] == []
                await context.close()


def hours(silence: dict[str, Any]) -> float:
    ends, starts = (datetime.fromisoformat(silence[name]) for name in ("until", "starts"))
    return (ends - starts).total_seconds() / 3600


async def post(service: Live, path: str, body: str = "") -> Any:
    return await service.http.post(f"/endpoints/prod/{path}", content=body, headers=FORM, follow_redirects=False)


async def test_what_is_refused_says_why_and_what_to_do(tmp_path: Path) -> None:
    async with simulated(tmp_path, auto_baseline_runs=0) as (service, models):
        await service.register(base_url=models, model="simulated/base", limits={"tokens_per_day": 10})
        reply = await post(service, "run", "plan=heartbeat")
        assert reply.status_code == 409
        assert "The budget does not allow this run" in reply.text
        assert "raise limits.tokens_per_day" in reply.text
        assert (await service.get("/api/v1/runs"))["runs"] == [], "nothing was started"
        reply = await post(service, "run", "plan=%3Cscript%3E")
        assert reply.status_code == 422
        assert "There is no such plan" in reply.text
        reply = await post(service, "run", "plan=nightly")
        assert reply.status_code == 422
        assert "Unknown plan &#39;nightly&#39;" in reply.text or "unknown plan &#39;nightly&#39;" in reply.text
        reply = await post(service, "baseline", "run=nothing")
        assert reply.status_code == 422
        assert "The baseline stays as it is" in reply.text
        assert "is not a run of" in reply.text
        assert (await post(service, "baseline")).status_code == 422
        reply = await post(service, "drill", "persona=nobody")
        assert reply.status_code == 422
        assert "There is no such persona" in reply.text
        reply = await post(service, "silence", "hours=5")
        assert reply.status_code == 422
        assert "Choose one of 1, 4, 24 hours" in reply.text
        assert (await post(service, "silence", "end=gone")).headers["location"] == "/endpoints/prod?done=unsilenced"


async def test_a_form_that_is_sent_twice_starts_one_run(tmp_path: Path) -> None:
    async with simulated(tmp_path) as (service, models):
        await service.register(base_url=models, model="simulated/base")
        form = (await service.http.get("/endpoints/prod/run")).text
        (key,) = re.findall(r'name="key" value="([0-9a-f]+)"', form)
        replies = [await post(service, "run", f"plan=heartbeat&key={key}") for _ in range(2)]
        assert [one.status_code for one in replies] == [303, 303]
        assert len((await service.get("/api/v1/runs"))["runs"]) == 1


async def test_a_paused_endpoint_may_still_be_asked_by_a_person(tmp_path: Path) -> None:
    async with simulated(tmp_path) as (service, models):
        await service.register(base_url=models, model="simulated/base")
        assert (await post(service, "pause")).status_code == 303
        assert (
            "a run that you start here is carried out all the same"
            in (await service.http.get("/endpoints/prod/run")).text
        )
        assert (await post(service, "run", "plan=heartbeat")).headers["location"] == "/endpoints/prod?done=started"
        (run,) = (await service.get("/api/v1/runs"))["runs"]
        assert (await service.finished(run["id"]))["state"] == "succeeded"


async def test_an_endpoint_that_there_is_not_is_said_to_be_missing(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        for path in ("", "/run", "/baseline", "/drill", "/history.json"):
            assert (await service.http.get(f"/endpoints/nobody{path}")).status_code == 404
        for path in ("run", "pause", "resume", "baseline", "drill", "silence"):
            body = "run=x&plan=heartbeat&persona=misaligned"
            reply = await service.http.post(f"/endpoints/nobody/{path}", content=body, headers=FORM)
            assert reply.status_code == 404, path
            assert "There is no endpoint" in reply.text


async def test_the_history_is_columns_of_one_length_and_the_newest_is_kept(tmp_path: Path) -> None:
    async with simulated(tmp_path) as (service, models):
        await service.register(base_url=models, model="simulated/base")
        run = await service.run()
        await seed(service.services.database, run["id"], 1300, ends=datetime.now(UTC))
        for span, runs in (("24h", 96), ("7d", 673), ("all", 1301)):
            found = await service.get(f"/endpoints/prod/history.json?range={span}")
            assert (found["range"], abs(found["runs"] - runs) <= 1) == (span, True)
            assert found["shown"] == min(found["runs"], 1000)
            columns = [found[name] for name in ("at", "run", "plan", "verdict", "changed")]
            columns += [found["arms"][arm][name] for arm in ("self_report", "behaviour")
                        for name in ("drift", "low", "high", "alarm")]  # fmt: skip
            columns += found["dimensions"].values()
            assert {len(column) for column in columns} == {found["shown"]}
            assert found["run"][-1] == f"/runs/{run['id']}"
            assert found["at"] == sorted(found["at"])
            assert len(found["dimensions"]) == 6
        assert found["verdict"][found["changed"].index(True)] == "inverted persona", "changes are not thinned away"
        assert found["arms"]["behaviour"]["landmarks"]["misaligned"] == 1
        page = await service.http.get("/endpoints/prod?range=nonsense&done=<script>")
        assert page.status_code == 200
        assert "<script>" not in page.text.partition("<body>")[2]
        assert 'href="/endpoints/prod?range=24h"' in page.text


async def test_who_may_only_read_sees_no_buttons(tmp_path: Path) -> None:
    async with guarded(tmp_path) as service:
        body = {"name": "prod", "base_url": "https://example.com/v1", "model": "m", "schedules": {}}
        boss = {"Authorization": f"Bearer {service.tokens['boss']}"}
        assert (await service.http.post("/api/v1/endpoints", json=body, headers=boss)).status_code == 201
        async with service.signed_in("reader") as reader:
            page = (await reader.get("/endpoints/prod")).text
            assert "You may look, but not change anything" in page
            assert 'action="/endpoints/prod/' not in page
            form = (await reader.get("/endpoints/prod/run")).text
            assert re.search(r"<button[^>]* disabled>Start the run", form)
            for path in ("run", "pause", "resume", "baseline", "drill", "silence"):
                reply = await reader.post(f"/endpoints/prod/{path}", content="", headers=FORM | ORIGIN)
                assert reply.status_code == 403, path
        async with service.signed_in("writer") as writer:
            assert 'action="/endpoints/prod/pause"' in (await writer.get("/endpoints/prod")).text
            reply = await writer.post("/endpoints/prod/silence", data={"hours": "1"}, headers=ORIGIN)
            assert reply.headers["location"] == "/endpoints/prod?done=silenced"
        (silence,) = (await service.http.get("/api/v1/silences", headers=boss)).json()["silences"]
        assert silence["who"] == "writer"
        assert (await service.http.get("/endpoints/prod/history.json", headers=BROWSER)).status_code == 303


async def test_two_drills_at_once_are_one_too_many(tmp_path: Path) -> None:
    async with live(tmp_path, notifiers={"log": {"kind": "log"}}) as service:
        await service.register()
        first, second = await asyncio.gather(*(post(service, "drill", "persona=misaligned") for _ in range(2)))
        assert sorted((first.status_code, second.status_code)) == [303, 409]
        refused = first if first.status_code == 409 else second
        assert "A drill is already going on" in refused.text
        assert "The last drills of this endpoint" in refused.text
