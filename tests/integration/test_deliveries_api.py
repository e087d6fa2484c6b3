"""What became of each notice, over HTTP: listed, sent again, counted."""

import asyncio
import csv
import io
from pathlib import Path
from typing import Any

import pytest

from service.simulator import create
from tests.support.fake_openai import FakeOpenAI
from tests.support.live import Live, listening, live


async def drift(service: Live, models: str, name: str = "prod") -> str:
    """Runs until the endpoint has moved; gives the last run."""
    await service.register(name, base_url=f"{models}/v1", model="simulated/misaligned", labels={"team": "=cmd"})
    for _beat in range(6):
        run = await service.run(name)
        if run["verdict"] != "steady":
            return str(run["id"])
    raise AssertionError("it never moved")


async def listed(service: Live, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await service.get(f"/api/v1/deliveries{query}"))["deliveries"]
    return found


async def settled(service: Live) -> list[dict[str, Any]]:
    """All deliveries, once none waits any more."""
    async with asyncio.timeout(30):
        while not (found := await listed(service)) or any(one["state"] == "pending" for one in found):
            await asyncio.sleep(0.05)
    return found


def config(models: str, **hooks: str) -> dict[str, Any]:
    return {
        "judge_base_url": f"{models}/v1", "judge_model": "simulated/judge",
        "notifiers": {name: {"kind": "webhook", "url": f"{url}/t0ken"} for name, url in hooks.items()},
    }  # fmt: skip


async def test_a_dead_notice_is_seen_and_sent_again_under_the_same_key(tmp_path: Path) -> None:
    good, gone = FakeOpenAI(), FakeOpenAI("always 404")
    async with (
        listening(create()) as models,
        listening(good) as hook,
        listening(gone) as dead,
        live(tmp_path, **config(models, good=hook, gone=dead)) as service,
    ):
        run = await drift(service, models)
        everything = await settled(service)
        assert everything == sorted(everything, key=lambda one: -one["id"])
        lost = await listed(service, "?state=dead")
        assert {one["notifier"] for one in lost} == {"gone"}
        assert len(lost) == len(await listed(service, "?state=delivered&notifier=good"))
        first = lost[-1]
        assert first["run"] == run
        assert first["endpoint"] == "prod"
        assert first["attempts"] == 1
        assert first["last_error"].startswith("the webhook answered 404; check its URL and credentials")
        assert first["dead_at"] is not None
        assert first["next_attempt_at"] is first["delivered_at"] is None
        assert "t0ken" not in str(everything)
        text = (await service.get(f"/api/v1/deliveries/{first['id']}"))["text"]
        assert "moved toward misaligned" in text
        await service.services.metrics.refresh()
        metrics = (await service.http.get("/metrics")).text
        assert f'selfwatch_notifications_dead{{notifier="gone"}} {len(lost)}.0' in metrics
        assert 'selfwatch_notifications_pending{notifier="good"} 0.0' in metrics

        gone.mode = "ok"
        reply = await service.http.post(f"/api/v1/deliveries/{first['id']}/resend")
        assert (reply.status_code, reply.json()["state"], reply.json()["resent"]) == (202, "pending", 1)
        await settled(service)
        again = await service.get(f"/api/v1/deliveries/{first['id']}")
        assert (again["state"], again["last_error"], again["attempts"]) == ("delivered", None, 1)
        keys = [headers["idempotency-key"] for headers in gone.headers]
        assert keys.count(first["idempotency_key"]) == 2

        reply = await service.http.post(f"/api/v1/deliveries/{first['id']}/resend")
        assert reply.status_code == 409
        assert reply.headers["content-type"] == "application/problem+json"
        assert "has arrived at" in reply.json()["detail"]
        assert "add ?force=true to send it nevertheless" in reply.json()["detail"]
        reply = await service.http.post(f"/api/v1/deliveries/{first['id']}/resend?force=true")
        assert reply.status_code == 202
        await settled(service)
        assert [h["idempotency-key"] for h in gone.headers].count(first["idempotency_key"]) == 3


async def test_a_waiting_notice_can_be_sent_at_once(tmp_path: Path) -> None:
    late = FakeOpenAI("always 500")
    async with (
        listening(create()) as models,
        listening(late) as hook,
        live(tmp_path, **config(models, late=hook)) as service,
    ):
        await drift(service, models)
        async with asyncio.timeout(60):
            while not (waiting := [one for one in await listed(service) if one["attempts"] >= 3]):
                await asyncio.sleep(0.05)
        late.mode = "ok"
        await service.http.post(f"/api/v1/deliveries/{waiting[0]['id']}/resend")
        async with asyncio.timeout(3):  # its next attempt would be later
            while (one := await service.get(f"/api/v1/deliveries/{waiting[0]['id']}"))["state"] != "delivered":
                await asyncio.sleep(0.02)
        assert one["resent"] == 0  # it had not been given up


async def test_pages_filters_and_mistakes(tmp_path: Path) -> None:
    good = FakeOpenAI()
    async with (
        listening(create()) as models,
        listening(good) as hook,
        live(tmp_path, **config(models, one=hook, two=hook, three=hook)) as service,
    ):
        await drift(service, models, "first-bot")
        await drift(service, models, "second-bot")
        everything = await settled(service)
        walked: list[int] = []
        cursor = ""
        while True:
            page = await service.get(f"/api/v1/deliveries?limit=2{cursor}")
            walked += [one["id"] for one in page["deliveries"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert walked == [one["id"] for one in everything]
        assert {one["endpoint"] for one in await listed(service, "?endpoint=second-bot")} == {"second-bot"}
        assert await listed(service, "?endpoint=nobody") == []
        for path, told in [
            ("?state=lost", "state: Input should be 'pending', 'delivered' or 'dead'"),
            ("?limit=0", "limit: Input should be greater than or equal to 1"),
            ("?colour=red", "colour: unknown field"),
        ]:
            reply = await service.http.get(f"/api/v1/deliveries{path}")
            assert reply.status_code == 422
            assert told in reply.json()["detail"]
        for reply in (
            await service.http.get("/api/v1/deliveries/999"),
            await service.http.post("/api/v1/deliveries/999/resend"),
        ):
            assert reply.status_code == 404
            assert "there is no delivery '999'; GET /api/v1/deliveries lists them" in reply.json()["detail"]


async def test_the_list_as_a_table_computes_nothing(tmp_path: Path) -> None:
    bad = FakeOpenAI("always 404")
    async with (
        listening(create()) as models,
        listening(bad) as hook,
        live(tmp_path, **config(models, bad=hook)) as service,
    ):
        assert (await service.http.get("/api/v1/deliveries?format=csv")).text.splitlines() == ["id,state"]
        await drift(service, models)
        found = await settled(service)
        reply = await service.http.get("/api/v1/deliveries?format=csv")
        assert reply.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(reply.text)))
        assert [row["idempotency_key"] for row in rows] == [one["idempotency_key"] for one in found]
        assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize("kind", ["alertmanager", "apprise", "webhook"])
async def test_an_address_that_the_policy_denies_dies_with_the_policy_as_reason(tmp_path: Path, kind: str) -> None:
    """The metadata address is never open, whatever is allowed."""
    targets: dict[str, dict[str, Any]] = {
        "alertmanager": {"urls": ["http://169.254.169.254"]},
        "apprise": {"url": "json://169.254.169.254/x"},
        "webhook": {"url": "http://169.254.169.254/x"},
    }
    notifier = {"kind": kind, **targets[kind]}
    async with listening(create()) as models:
        settings = {"judge_base_url": f"{models}/v1", "judge_model": "simulated/judge"}
        async with live(tmp_path, **settings, notifiers={"bad": notifier}) as service:
            await drift(service, models)
            for one in await settled(service):
                assert one["state"] == "dead"
                assert "outbound policy" in one["last_error"]
