"""Slots, circuits and our own connectivity, in a real service with real (broken, killed) servers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from service.settings import ConfigError
from service.simulator import create
from service.storage.schema import EndpointRow
from tests.support.fake_openai import FakeOpenAI
from tests.support.live import Live, listening, live
from tests.support.processes import free_port

PLANS = {"words": {"probes": {"intentions": {"questions": 1}}}}
Slots = list[dict[str, Any]]


async def until(true: Callable[[], Awaitable[Any]], deadline_s: float = 90) -> Any:
    """What `true` gives once it gives something."""
    async with asyncio.timeout(deadline_s):
        while not (found := await true()):
            await asyncio.sleep(0.05)
        return found


async def slots(service: Live, name: str = "prod", **query: Any) -> Slots:
    wanted = "&".join(f"{key}={value}" for key, value in query.items())
    found: Slots = (await service.get(f"/api/v1/endpoints/{name}/slots?{wanted}"))["slots"]
    return found


async def some(service: Live, many: int, state: str, name: str = "prod") -> Slots:
    """Slots in a state, once there are so many."""

    async def enough() -> Slots:
        found = await slots(service, name, state=state)
        return found if len(found) >= many else []

    found: Slots = await until(enough)
    return found


async def health(service: Live, name: str = "prod") -> dict[str, Any]:
    found: dict[str, Any] = (await service.get(f"/api/v1/endpoints/{name}"))["health"]
    return found


async def healthy(service: Live, state: str, name: str = "prod") -> None:
    async def is_so() -> bool:
        return bool((await health(service, name))["state"] == state)

    await until(is_so)


async def probe_now(service: Live) -> None:
    """Make every probe that waits due."""
    async with service.services.database.write() as session:
        due = update(EndpointRow).where(EndpointRow.next_probe.is_not(None)).values(next_probe=datetime.now(UTC))
        await session.execute(due)


async def metrics(service: Live) -> str:
    await service.services.metrics.refresh()
    return (await service.http.get("/metrics")).text


async def broken(service: Live, url: str, name: str = "prod") -> None:
    """An endpoint whose circuit is open."""
    await service.register(name, base_url=url)
    for _ in range(2):
        await service.run(name, plan="words")
    assert (await health(service, name))["next_probe"] is not None


async def test_slots_are_seen_in_api_page_and_metrics(tmp_path: Path) -> None:
    async with listening(FakeOpenAI()) as url, live(tmp_path, plans=PLANS) as service:
        await service.register(base_url=f"{url}/v1", schedules={"words": "PT1S"})
        await some(service, 4, "ran")
        assert (await service.http.post("/api/v1/endpoints/prod/pause")).status_code == 204

        async def skipped() -> dict[str, Any] | None:
            found = [one for one in await slots(service, state="skipped") if one["reason"] == "paused"]
            assert len(found) <= 1, "a stretch is one entry"
            return found[0] if found and found[0]["count"] >= 2 else None

        paused = await until(skipped)
        assert paused["due"] < paused["until"]
        first = await service.get("/api/v1/endpoints/prod/slots?limit=2")
        second = await service.get(f"/api/v1/endpoints/prod/slots?limit=500&cursor={first['next']}")
        everything = first["slots"] + second["slots"]
        assert second["next"] is None
        assert [one["due"] for one in everything] == sorted((one["due"] for one in everything), reverse=True)
        for one in everything:
            if one["state"] in ("ran", "late"):
                assert one["late_s"] >= 0
                assert (await service.get(f"/api/v1/runs/{one['run']}"))["plan"] == "words"
        text = await metrics(service)
        assert 'selfwatch_slots_total{endpoint="prod",plan="words",reason="",state="ran"}' in text
        assert 'selfwatch_slots_total{endpoint="prod",plan="words",reason="paused",state="skipped"}' in text
        assert 'selfwatch_slot_lateness_seconds{endpoint="prod",plan="words"}' in text
        assert "selfwatch_offline 0.0" in text
        page = (await service.http.get("/endpoints/prod")).text
        assert "Schedule kept" in page
        assert "paused" in page


async def test_unknown_filters_and_names_are_refused(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        await service.register()
        reply = await service.http.get("/api/v1/endpoints/prod/slots?state=maybe")
        assert reply.status_code == 422
        assert "state" in reply.json()["detail"]
        assert (await service.http.get("/api/v1/endpoints/nobody/slots")).status_code == 404


async def test_a_restart_says_what_it_missed(tmp_path: Path) -> None:
    async with listening(FakeOpenAI()) as url:
        async with live(tmp_path, plans=PLANS) as service:
            await service.register(base_url=f"{url}/v1", schedules={"words": "PT1S"})
            await some(service, 1, "ran")
        await asyncio.sleep(3)
        async with live(tmp_path, plans=PLANS) as service:

            async def missed() -> Slots:
                return [one for one in await slots(service, state="skipped") if one["reason"] == "not_running"]

            (gap,) = await until(missed)
            assert gap["run"] is None
            assert gap["count"] >= 1
            await some(service, 3, "ran")
            everything = await slots(service, limit=500)
        assert len({(one["era"], one["due"]) for one in everything}) == len(everything)


@pytest.mark.parametrize("mode", ["always 500", "401", "unknown model", "quota", "empty", "disconnect"])
async def test_two_failed_runs_open_the_circuit_and_an_answer_closes_it(tmp_path: Path, mode: str) -> None:
    fake = FakeOpenAI(mode)
    async with listening(fake) as url, live(tmp_path, plans=PLANS) as service:
        await service.register(base_url=f"{url}/v1", schedules={"heartbeat": "P1D"})
        (first,) = await some(service, 1, "ran")
        await service.finished(first["run"])
        assert (await health(service))["next_probe"] is None, "one failed run is a hiccup"
        assert (await service.run(plan="heartbeat"))["state"] == "failed"
        down = await health(service)
        assert (down["state"], down["failures"]) == ("down", 2)
        wait = datetime.fromisoformat(down["next_probe"]) - datetime.now(UTC)
        assert timedelta(seconds=20) < wait <= timedelta(seconds=45)
        assert "skipped until it answers again" in (await service.http.get("/endpoints/prod")).text
        asked = len(fake.requests)
        await probe_now(service)

        async def probed() -> bool:
            return bool((await health(service))["next_probe"] > down["next_probe"])

        await until(probed)
        assert 1 <= len(fake.requests) - asked <= 2, "one tiny question (a dropped connection is tried once more)"
        assert [message["content"] for message in fake.requests[-1]["messages"]] == ["Reply with the word ok."]
        fake.mode = "ok"
        await probe_now(service)
        await healthy(service, "up")
        again, *_ = await some(service, 2, "ran")
        assert (await service.finished(again["run"]))["state"] == "succeeded", "a heartbeat was due at once"
        assert (await health(service))["failures"] == 0


async def test_slots_of_an_endpoint_that_is_down_are_skipped_and_a_restart_goes_on(tmp_path: Path) -> None:
    fake = FakeOpenAI("always 500")
    async with listening(fake) as url:
        async with live(tmp_path, plans=PLANS) as service:
            await broken(service, f"{url}/v1")
            changed = await service.http.patch("/api/v1/endpoints/prod", json={"schedules": {"words": "PT1S"}})
            assert changed.status_code == 200
            assert (await some(service, 1, "skipped"))[0]["reason"] == "endpoint_down"
            probe_at = (await health(service))["next_probe"]
        asked = len(fake.requests)
        async with live(tmp_path, plans=PLANS) as service:
            await asyncio.sleep(2)
            assert (await health(service))["next_probe"] == probe_at
            assert len(fake.requests) == asked, "no run asks, and the probe waits"
            assert {one["reason"] for one in await slots(service, state="skipped")} <= {"endpoint_down", "not_running"}
            assert await slots(service, state="ran") == []


async def test_a_run_that_a_person_starts_on_a_down_endpoint_asks_one_question_first(tmp_path: Path) -> None:
    fake = FakeOpenAI("always 500")
    async with listening(fake) as url, live(tmp_path, plans=PLANS) as service:
        await broken(service, f"{url}/v1")
        asked = len(fake.requests)
        run = await service.run(plan="words")
        assert (run["state"], run["problem"]["reason"]) == ("failed", "server_error")
        assert len(fake.requests) == asked + 1
        fake.mode = "ok"
        assert (await service.run(plan="words"))["state"] == "succeeded"
        found = await health(service)
        assert (found["state"], found["next_probe"]) == ("up", None)


async def test_a_changed_address_or_key_is_looked_at_afresh(tmp_path: Path) -> None:
    async with (
        listening(FakeOpenAI("401")) as bad,
        listening(FakeOpenAI()) as good,
        live(tmp_path, plans=PLANS) as service,
    ):
        await broken(service, f"{bad}/v1")
        reply = await service.http.patch("/api/v1/endpoints/prod", json={"labels": {"team": "a"}})
        assert reply.json()["health"]["next_probe"] is not None, "that changes nothing for its server"
        reply = await service.http.patch("/api/v1/endpoints/prod", json={"api_key": "new"})
        assert reply.json()["health"] == {
            "state": "unknown", "reason": None, "detail": None, "remedy": None, "at": None, "failures": 0,
            "next_probe": None,
        }  # fmt: skip
        await service.run(plan="words")
        reply = await service.http.patch("/api/v1/endpoints/prod", json={"base_url": f"{good}/v1", "api_key": "new"})
        assert reply.json()["health"]["failures"] == 0
        assert (await service.run(plan="words"))["state"] == "succeeded"


async def test_a_check_that_succeeds_closes_the_circuit(tmp_path: Path) -> None:
    fake = FakeOpenAI("always 500")
    async with listening(fake) as url, live(tmp_path, plans=PLANS) as service:
        await broken(service, f"{url}/v1")
        fake.mode = "ok"
        assert (await service.http.post("/api/v1/endpoints/prod/check")).json()["ok"] is True
        assert (await health(service))["next_probe"] is None


async def test_endpoints_that_hang_hold_up_nobody(tmp_path: Path) -> None:
    fake = FakeOpenAI("401")
    async with (
        listening(fake) as sick,
        listening(FakeOpenAI()) as well,
        live(tmp_path, plans=PLANS, workers=2) as service,
    ):
        for number in range(12):
            await broken(service, f"{sick}/v1", f"sick-{number}")
        fake.mode, fake.most_in_flight = "hang", 0
        await probe_now(service)

        async def hanging() -> bool:
            return fake.in_flight >= 8

        await until(hanging)
        await service.register("well", base_url=f"{well}/v1", schedules={"words": "PT1S"})
        await some(service, 3, "ran", "well")
        assert fake.in_flight > 0, "it ran while they hang"
        assert fake.most_in_flight == 8, "a bounded number of probes at once"


MODEL = "simulated/base"
HOSTS = {"a": "127.0.0.2", "b": "127.0.0.3", "c": "127.0.0.4"}


async def start_all(stack: AsyncExitStack, ports: dict[str, int]) -> dict[str, str]:
    """A server of simulated models on an address of its own for each name; their base URLs."""
    return {
        name: await stack.enter_async_context(listening(create(), host, ports[name])) + "/v1"
        for name, host in HOSTS.items()
    }


async def test_when_everything_fails_together_selfwatch_says_that_it_is_offline(tmp_path: Path) -> None:
    """Three servers, all killed, then started again."""
    ports = {name: free_port() for name in HOSTS}
    async with live(tmp_path, plans=PLANS) as service:
        async with AsyncExitStack() as servers:
            for name, url in (await start_all(servers, ports)).items():
                await service.register(name, base_url=url, model=MODEL, schedules={"words": "PT6H"})
                await some(service, 1, "ran", name)
                await service.run(name, plan="words")
        blamed = await service.run("a", plan="words")
        assert blamed["problem"]["reason"] == "unreachable", "one alone is to blame"
        assert (await health(service, "a"))["state"] == "down"
        for name in ("b", "c", "a"):
            run = await service.run(name, plan="words")
            assert run["problem"]["reason"] == "offline", run["problem"]
            assert "network" in run["problem"]["remedy"]
        for name in HOSTS:
            await healthy(service, "up", name)  # nobody is blamed, the first is forgiven
            assert (await health(service, name))["next_probe"] is None
        assert (await service.get(f"/api/v1/runs/{blamed['id']}"))["problem"]["reason"] == "offline"
        await said_everywhere(service)
        await service.http.patch("/api/v1/endpoints/b", json={"schedules": {"words": "PT1S"}})
        assert (await some(service, 1, "skipped", "b"))[0]["reason"] == "offline"
        async with AsyncExitStack() as servers:
            await start_all(servers, ports)

            async def back() -> bool:
                return bool((await service.get("/readyz"))["checks"]["network"] == "ok")

            await until(back, deadline_s=60)
            assert "selfwatch_offline 0.0" in await metrics(service)
            await some(service, 2, "ran", "b")
            assert "Selfwatch is offline" not in (await service.http.get("/")).text


async def said_everywhere(service: Live) -> None:
    ready = await service.get("/readyz")
    assert ready["status"] == "ok"
    assert ready["checks"]["network"].startswith("offline since")
    assert "selfwatch_offline 1.0" in await metrics(service)
    assert "Selfwatch is offline" in (await service.http.get("/")).text
    firing = (await service.get("/api/v1/alerts?state=firing"))["alerts"]
    assert "EndpointDown" not in {alert["rule"] for alert in firing}


async def test_a_run_under_way_when_the_network_goes_ends_as_partial(tmp_path: Path) -> None:
    ports = {name: free_port() for name in HOSTS}
    plans = {"long": {"probes": {"intentions": {"questions": 20}}}} | PLANS
    async with live(tmp_path, plans=plans) as service:
        async with AsyncExitStack() as servers:
            urls = await start_all(servers, ports)
            limits = {"concurrency": 1, "requests_per_minute": 600}
            await service.register("a", base_url=urls["a"], model=MODEL, limits=limits)
            await service.register("b", base_url=urls["b"], model=MODEL)
            await service.run("b", plan="words")
            under_way = await service.start_run("a", plan="long")

            async def some_answers() -> bool:
                return bool((await service.get(f"/api/v1/runs/{under_way}"))["progress"]["answered"] > 2)

            await until(some_answers)
        await service.run("b", plan="words")
        run = await service.finished(under_way)
        assert (run["state"], run["problem"]["reason"]) == ("partial", "offline")
        assert 0 < run["progress"]["answered"] < run["progress"]["total"]


async def test_while_somebody_answers_the_endpoints_are_to_blame(tmp_path: Path) -> None:
    async with listening(FakeOpenAI(), "127.0.0.4") as good, live(tmp_path, plans=PLANS) as service:
        await service.register("good", base_url=f"{good}/v1")
        for name in ("a", "b"):
            await service.register(name, base_url=f"http://{HOSTS[name]}:{free_port()}/v1")
        for name in ("a", "b"):
            assert (await service.run(name, plan="words"))["problem"]["reason"] == "unreachable"
            assert (await health(service, name))["state"] == "down"
        assert (await service.get("/readyz"))["checks"]["network"] == "ok"


async def test_the_users_own_address_decides(tmp_path: Path) -> None:
    named = f"127.0.0.9:{free_port()}"
    async with live(tmp_path, plans=PLANS, connectivity_check=[named]) as service:
        await service.register(base_url=f"http://127.0.0.2:{free_port()}/v1")
        assert (await service.run(plan="words"))["problem"]["reason"] == "offline"
        assert (await health(service))["state"] == "unknown"


async def test_an_address_for_the_check_that_may_not_be_called_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"10\.0\.0\.1:443.*SELFWATCH_OUTBOUND_ALLOW=10\.0\.0\.1"):
        async with live(tmp_path, connectivity_check=["10.0.0.1:443"]):
            pass
