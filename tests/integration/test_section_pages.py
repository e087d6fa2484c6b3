"""The pages of alerts, profiles, battery, budget and system: a real service, real forms, a real browser."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from service.simulator import create
from service.storage.schema import DeliveryRow, FlipRow
from service.wiring import now
from tests.support.browser import CHROMIUM, FLAGS, needs_chromium
from tests.support.database import NOW
from tests.support.live import Live, listening, live
from tests.support.profiles import changed, document

pytestmark = [
    pytest.mark.browser,
    needs_chromium,
    pytest.mark.xdist_group("browser"),
]
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
PATIENCE_MS = 60_000
PAGES = (
    "/alerts", "/alerts?silence=bad/BehaviourDrift", "/alerts?state=resolved", "/alerts/silences", "/alerts/rules",
    "/alerts/deliveries", "/profiles", "/profiles/gpt-4.1/all", "/profiles?left=gpt-4.1/all&right=gpt-4.1/code",
    "/battery", "/battery/plans/heartbeat", "/battery/items?probe=harm", "/battery/items?search=nothing-fits-this",
    "/budget", "/system",
)  # fmt: skip
expect.set_options(timeout=PATIENCE_MS)


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[Live]:
    """A service with a simulated endpoint `bad` that has turned misaligned, and alerts that fire."""
    async with (
        listening(create()) as models,
        live(folder, judge_base_url=f"{models}/v1", judge_model="simulated/judge") as service,
    ):
        await service.register(
            "bad", base_url=f"{models}/v1", model="simulated/misaligned", labels={"note": HOSTILE}, schedules={}
        )
        for _ in range(20):
            await service.run("bad")
            if (await service.get("/api/v1/alerts?state=firing"))["alerts"]:
                break
        yield service


@asynccontextmanager
async def browsing(*, script: bool = True) -> AsyncIterator[BrowserContext]:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        context = await browser.new_context(java_script_enabled=script)
        context.set_default_timeout(PATIENCE_MS)
        yield context
        await browser.close()


async def overflow(page: Page) -> int:
    found: int = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return found


async def beneath_labels(page: Page) -> list[str]:
    """The cells of stacked tables whose text begins left of the end of its label."""
    found: list[str] = await page.locator(".list.stacked td").evaluate_all(
        """cells => cells.filter(cell => parseFloat(getComputedStyle(cell).paddingLeft)
            < parseFloat(getComputedStyle(cell, "::before").width)).map(cell => cell.dataset.label)"""
    )
    return found


async def test_alerts_are_silenced_and_the_silence_ended_and_every_page_fits(tmp_path: Path) -> None:
    async with watched(tmp_path) as service, browsing() as context:
        page = await context.new_page()
        troubles: list[str] = []
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        (rule, *_) = [one["rule"] for one in (await service.get("/api/v1/alerts?state=firing"))["alerts"]]
        await page.goto(f"{service.url}/alerts?state=firing&endpoint=bad")
        card = page.locator(".alert-card", has=page.locator("b", has_text=rule)).first
        await expect(card).to_contain_text("firing")
        await card.get_by_role("link", name="Silence").click()
        await expect(page.get_by_label("Rule").first).to_have_value(rule)
        await expect(page.get_by_label("Endpoint").first).to_have_value("bad")
        await page.get_by_label("Why").fill(HOSTILE)
        await page.get_by_label("For how long").select_option("1 day")
        troubles.clear()
        await page.get_by_role("button", name="Silence").click()
        await expect(page.locator("#wrong-who")).to_have_text("Say who: others may have to ask.")
        await expect(page.get_by_label("Why")).to_have_value(HOSTILE)
        await expect(page.get_by_label("For how long")).to_have_value("P1D")
        troubles.clear()  # the 422 itself
        await page.get_by_label("Who").fill("<b>ann</b>")
        await page.get_by_role("button", name="Silence").click()
        await expect(page.get_by_role("status").first).to_contain_text("Silenced")
        held = page.locator("li.silence")
        await expect(held).to_contain_text(HOSTILE)
        await expect(held).to_contain_text("by <b>ann</b>")
        await expect(held).to_contain_text("mutes 1 alert now")
        await page.goto(f"{service.url}/alerts")
        await expect(card).to_contain_text("silenced, ends in 23 h")
        for width in (390, 1280, 1920):
            await page.set_viewport_size({"width": width, "height": 900})
            for path in PAGES:
                reply = await page.goto(service.url + path)
                assert reply is not None
                assert reply.status == 200, path
                assert await overflow(page) <= 0, (path, width)
                assert await page.title() != "owned"
                assert await page.locator("main h1").count() == 1, path
                assert await page.locator("img[src='x']").count() == 0
                if width == 390:
                    assert await beneath_labels(page) == [], path
        await page.goto(f"{service.url}/alerts/silences")
        await page.get_by_role("button", name="End now").click()
        await expect(page.get_by_text("Nothing is silenced.")).to_be_visible()
        await page.goto(f"{service.url}/alerts")
        await expect(card).to_contain_text("firing")
        await expect(card).not_to_contain_text("silenced")
        await expect(page.locator("table")).to_contain_text(rule)
        await page.goto(f"{service.url}/alerts/rules")
        await page.get_by_role("row").filter(has_text=rule).locator("td[data-label=firing] a").click()
        await expect(page.locator(".alert-card")).to_have_count(1)
        assert troubles == []


async def test_forms_work_without_script_and_lose_nothing(tmp_path: Path) -> None:
    async with live(tmp_path) as service, browsing(script=False) as context:
        await service.register(schedules={})
        async with service.services.database.write() as session:
            session.add(
                FlipRow(id="f", rule="EndpointDown", severity="warning", before="inactive", after="firing", at=NOW,
                        run_id="")
            )  # fmt: skip
            await session.flush()
            session.add(
                DeliveryRow(flip_id="f", notifier="log", lane="log/x", state="dead", next_at=now(), dead_at=now(),
                            notice={"title": HOSTILE, "endpoint": "prod"}, last_error=HOSTILE)
            )  # fmt: skip
        page = await context.new_page()
        await page.goto(f"{service.url}/alerts/deliveries")
        card = page.locator("li.delivery")
        await expect(card).to_contain_text(HOSTILE)
        await card.get_by_role("button", name="Send again").click()
        assert page.url.endswith("/alerts/deliveries")
        async with service.services.database.read() as session:
            row = await session.get_one(DeliveryRow, 1)
            assert (row.state == "dead", row.resent) == (False, 1)
        await page.get_by_label("As if it were").select_option("inverted")
        await page.get_by_role("button", name="Hold a drill").click()
        await expect(page.locator("main")).to_contain_text("inverted on prod")
        text = json.dumps(changed("states.base.cells.3.mean", 1.4), indent=1)
        await page.goto(f"{service.url}/profiles")
        await page.locator("#profile-document").fill(text)
        await page.get_by_role("button", name="Import").click()
        await expect(page.locator("#import-errors")).to_contain_text("states.base.cells.3.mean = 1.4: Input should be")
        await expect(page.locator("#profile-document")).to_have_value(text)
        await page.locator("#profile-document").fill("{")
        await page.get_by_role("button", name="Import").click()
        await expect(page.locator("#import-errors")).to_contain_text("This is not JSON")
        await page.locator("#profile-document").fill(json.dumps(document(provenance=HOSTILE)))
        await page.get_by_role("button", name="Import").click()
        assert page.url.endswith("/profiles/team/llama-3")
        await expect(page.locator("main")).to_contain_text(HOSTILE)
        written = await service.get("/api/v1/profiles/team/llama-3")
        assert written["provenance"] == HOSTILE
        await page.goto(f"{service.url}/profiles?left=gpt-4.1/all&right=team/llama-3")
        assert await page.locator("svg.strip").count() == 38
        await service.http.patch("/api/v1/endpoints/prod", json={"profiles": "team/llama-3"})
        await page.goto(f"{service.url}/profiles/team/llama-3")
        await page.get_by_role("button", name="Delete").click()
        await expect(page.get_by_role("alert")).to_contain_text("is in use by prod")
        await service.http.patch("/api/v1/endpoints/prod", json={"profiles": "gpt-4.1/all"})
        await page.get_by_role("button", name="Delete").click()
        assert page.url.endswith("/profiles")
        assert (await service.http.get("/api/v1/profiles/team/llama-3")).status_code == 404
        await page.goto(f"{service.url}/battery/plans/heartbeat?every=sometimes")
        await expect(page.get_by_role("alert")).to_contain_text("'sometimes'")
        async with asyncio.timeout(60):
            while (await service.get("/api/v1/drills"))["drills"][0]["state"] == "running":
                await asyncio.sleep(0.1)


async def test_every_item_is_shown_byte_for_byte_and_harm_is_folded(tmp_path: Path) -> None:
    async with live(tmp_path) as service, browsing() as context:
        page = await context.new_page()
        for probe in ("self_assessment", "harm"):
            items = {
                one["id"]: [m["content"] for m in one["messages"]]
                for one in (await service.get(f"/api/v1/items?probe={probe}"))["items"]
            }
            await page.goto(f"{service.url}/battery/items?probe={probe}&page=2")
            shown = await page.locator("li.item").evaluate_all(
                "all => all.map(one => [one.id.replace('item-', ''), [...one.querySelectorAll('pre')].map("
                "pre => pre.textContent)])"
            )
            assert len(shown) == 25
            assert dict(shown) == {name: items[name] for name, _ in shown}
            hidden = await page.locator("li.item pre").first.is_hidden()
            assert hidden is (probe == "harm")
        await page.goto(f"{service.url}/battery/items?search={list(items)[3]}")
        await expect(page.locator("li.item").first).to_contain_text(list(items)[3])


async def test_the_budget_sorts_by_share_and_tells_what_the_schedules_will_take(tmp_path: Path) -> None:
    async with (
        listening(create()) as models,
        live(
            tmp_path, judge_base_url=f"{models}/v1", judge_model="simulated/judge",
            prices={f"simulated/{name}": {"prompt": 1, "completion": 2} for name in ("base", "judge")},
            budget={"tokens_per_day": 1_000_000},
        ) as service,
    ):  # fmt: skip
        common = {"base_url": f"{models}/v1", "model": "simulated/base"}
        await service.register("idle", **common)
        await service.register("busy", **common)
        await service.run("busy")
        spent = (await service.get("/api/v1/budget"))["total"]["day"]["tokens"]["spent"]
        await service.register("unpriced", base_url=f"{models}/v1", model="simulated/realigned", schedules={})
        text = (await service.http.get("/budget")).text
        assert f"{spent:,}" in text
        assert "of 1,000,000 tokens" in text
        assert text.index("/endpoints/busy") < text.index("/endpoints/idle")
        assert "not known" in text
        assert "100 %" in text
