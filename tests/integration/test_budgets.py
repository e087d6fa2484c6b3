"""Budgets, over real sockets: a run stops when it must, the next is not started, and nothing spent is forgotten."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service import wiring
from service.simulator import create
from tests.support.clock import Clock
from tests.support.fake_openai import FakeOpenAI
from tests.support.live import Live, listening, live

PLANS = {"forty": {"probes": {"intentions": {"questions": 8}}}}  # six cells: 48 calls, no judge
CALLS = 48
EVENING = datetime(2026, 11, 30, 22, 0, tzinfo=UTC)  # the last day of a month


@asynccontextmanager
async def metered(
    tmp_path: Path, fake: FakeOpenAI, *, clock: Callable[[], datetime] = wiring.now, **changes: Any
) -> AsyncIterator[tuple[Live, str]]:
    """A service without a judge, and a model server whose every call takes 10 tokens unless told otherwise."""
    async with listening(fake) as server, live(tmp_path, clock, plans=PLANS, **changes) as service:
        yield service, f"{server}/v1"


def ended(run: dict[str, Any]) -> tuple[str, str | None]:
    problem = run["problem"]
    return run["state"], problem["reason"] if problem else None


def judged_by(simulator: str) -> dict[str, Any]:
    return {"judge_base_url": f"{simulator}/v1", "judge_model": "simulated/judge"}


async def look(fake: FakeOpenAI, service: Live) -> None:
    """Find out what the server can do, so that from now on `fake.requests` holds questions only."""
    await service.http.post("/api/v1/endpoints/prod/check")
    fake.requests.clear()


async def test_a_due_slot_that_cannot_be_afforded_is_skipped_and_says_why(tmp_path: Path) -> None:
    fake = FakeOpenAI(reply="A")
    async with metered(tmp_path, fake) as (service, url):
        await service.register(base_url=url, limits={"tokens_per_day": 300}, schedules={"forty": "PT1S"})
        async with asyncio.timeout(30):
            while True:
                slots = (await service.get("/api/v1/endpoints/prod/slots"))["slots"]
                if slots and slots[0]["count"] >= 2:
                    break
                await asyncio.sleep(0.1)
        assert {(slot["state"], slot["reason"]) for slot in slots} == {("skipped", "budget_exhausted")}
        assert (await service.get("/api/v1/runs"))["runs"] == []
        assert fake.requests == []


async def test_a_run_that_would_exceed_is_not_started(tmp_path: Path) -> None:
    fake = FakeOpenAI(reply="A")
    async with metered(tmp_path, fake) as (service, url):
        await service.register(base_url=url, limits={"tokens_per_day": 300})
        run = await service.run(plan="forty")
        assert ended(run) == ("failed", "budget_exhausted")
        assert fake.requests == [], "not even to find out what the server can do"
        detail = run["problem"]["detail"]
        assert f"it may take {run['estimate']['tokens']:,} tokens (estimated from the text)" in detail
        assert "300 of the 300 of limits.tokens_per_day are left today" in detail
        assert "resets at" in detail
        assert "one such run exceeds it" in run["problem"]["remedy"]
        assert run["estimate"]["requests"] == CALLS
        endpoint = await service.get("/api/v1/endpoints/prod")
        assert endpoint["health"]["state"] == "unknown", "our own limit says nothing of its health"
        assert endpoint["verdict"] is None
        page = (await service.http.get(f"/runs/{run['id']}")).text
        assert "a budget in Selfwatch does not allow it" in page


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_a_run_that_takes_more_than_expected_stops_with_what_it_has(tmp_path: Path, concurrency: int) -> None:
    """The estimate lets it begin; each call then takes ten times as much."""
    fake = FakeOpenAI(reply="A")
    fake.usage = {"prompt_tokens": 600, "completion_tokens": 400}
    async with metered(tmp_path, fake) as (service, url):
        limits = {"tokens_per_day": 20_000, "concurrency": concurrency}
        await service.register(base_url=url, limits=limits)
        await look(fake, service)
        run = await service.run(plan="forty")
        assert ended(run) == ("partial", "budget_exhausted")
        assert run["progress"]["answered"] == len(fake.requests) == 20, "exactly what was allowed, no answer lost"
        assert run["usage"]["prompt_tokens"] + run["usage"]["completion_tokens"] == 20_000
        assert run["measurements"]
        budget = (await service.get("/api/v1/endpoints/prod"))["budget"]
        tokens = budget["day"]["tokens"]
        assert tokens == {"limit": 20_000, "spent": 20_000, "reserved": 0, "left": 0, "overrun": 0}
        assert (await service.get("/api/v1/endpoints/prod"))["health"]["state"] == "up"
        again = await service.run(plan="forty")
        assert ended(again) == ("failed", "budget_exhausted")
        assert len(fake.requests) == 20
        assert "(measured on its last runs)" in again["problem"]["detail"]


async def test_an_overrun_is_bounded_by_the_calls_in_flight_and_seen(tmp_path: Path) -> None:
    """The first calls are cheap, so that many are under way when they turn dear."""
    fake = FakeOpenAI()

    def reply(_body: dict[str, Any]) -> str:
        fake.usage = {"prompt_tokens": 10 if len(fake.requests) <= 16 else 5_000, "completion_tokens": 0}
        return "A"

    fake.reply = reply
    async with metered(tmp_path, fake) as (service, url):
        await service.register(base_url=url, limits={"tokens_per_day": 12_000, "concurrency": 8})
        await look(fake, service)
        run = await service.run(plan="forty")
        assert ended(run) == ("partial", "budget_exhausted")
        spent = run["usage"]["prompt_tokens"]
        assert 12_000 <= spent <= 12_000 + 8 * 5_000
        tokens = (await service.get("/api/v1/budget"))["endpoints"][0]["day"]["tokens"]
        assert tokens["overrun"] == spent - 12_000
        await service.services.metrics.refresh()
        text = (await service.http.get("/metrics")).text
        assert f'selfwatch_budget_overrun{{endpoint="prod",period="day",unit="tokens"}} {spent - 12_000}.0' in text
        assert 'selfwatch_budget_limit{endpoint="prod",period="day",unit="tokens"} 12000.0' in text
        page = (await service.http.get("/endpoints/prod")).text
        assert f"{spent:,} tokens" in page
        assert " over" in page


async def test_the_day_and_the_month_begin_anew_at_midnight_utc(tmp_path: Path) -> None:
    fake, clock = FakeOpenAI(reply="A"), Clock(EVENING)
    async with metered(tmp_path, fake, clock=clock) as (service, url):
        limits = {"tokens_per_day": 3_000, "tokens_per_month": 1_000_000}
        await service.register(base_url=url, limits=limits)
        fake.usage = {"prompt_tokens": 60, "completion_tokens": 0}
        first = await service.run(plan="forty")
        assert first["state"] == "succeeded"
        assert first["usage"]["prompt_tokens"] == 60 * CALLS == 2_880
        refused = await service.run(plan="forty")
        assert ended(refused) == ("failed", "budget_exhausted")
        assert "the limit resets at 2026-12-01T00:00Z" in refused["problem"]["detail"]
        budget = (await service.get("/api/v1/endpoints/prod"))["budget"]
        assert budget["day"]["resets_at"] == budget["month"]["resets_at"] == "2026-12-01T00:00:00Z"
        assert budget["month"]["tokens"]["spent"] == 2_880
        clock.passes(hours=2)
        after = (await service.get("/api/v1/endpoints/prod"))["budget"]
        assert after["day"]["tokens"]["spent"] == after["month"]["tokens"]["spent"] == 0
        assert (after["day"]["resets_at"], after["month"]["resets_at"]) == (
            "2026-12-02T00:00:00Z", "2027-01-01T00:00:00Z",
        )  # fmt: skip
        assert (await service.run(plan="forty"))["state"] == "succeeded"


async def test_a_month_is_limited_over_its_days(tmp_path: Path) -> None:
    fake, clock = FakeOpenAI(reply="A"), Clock(datetime(2026, 11, 28, 12, tzinfo=UTC))
    async with metered(tmp_path, fake, clock=clock) as (service, url):
        await service.register(base_url=url, limits={"tokens_per_month": 7_000})
        fake.usage = {"prompt_tokens": 60, "completion_tokens": 0}
        for _day in range(2):
            assert (await service.run(plan="forty"))["state"] == "succeeded"
            clock.passes(days=1)
        refused = await service.run(plan="forty")
        assert ended(refused) == ("failed", "budget_exhausted")
        assert "of limits.tokens_per_month are left this month" in refused["problem"]["detail"]
        clock.passes(days=1)
        assert (clock.at.month, clock.at.day) == (12, 1)
        assert (await service.run(plan="forty"))["state"] == "succeeded"


async def test_a_total_is_shared_by_all_endpoints_and_not_refunded(tmp_path: Path) -> None:
    fake = FakeOpenAI(reply="A")
    budget = {"usd_per_day": 0.011}
    prices = {"m": {"prompt": 4.0, "completion": 0.0}}
    fake.usage = {"prompt_tokens": 50, "completion_tokens": 9}
    async with metered(tmp_path, fake, budget=budget, prices=prices) as (service, url):
        for name in ("one", "two"):
            await service.register(name, base_url=url)
        run = await service.run("one", plan="forty")
        assert run["usage"]["usd"] == pytest.approx(CALLS * 50 * 4e-6)
        other = await service.run("two", plan="forty")
        assert ended(other) == ("failed", "budget_exhausted")
        assert "of budget.usd_per_day are left today" in other["problem"]["detail"]
        fleet = (await service.http.get("/")).text
        assert "$0.0096" in fleet
        assert "$0.0110" in fleet
        assert (await service.http.delete("/api/v1/endpoints/one")).status_code == 204
        total = (await service.get("/api/v1/budget"))["total"]["day"]["usd"]
        assert total["spent"] == pytest.approx(0.0096)
        assert ended(await service.run("two", plan="forty")) == ("failed", "budget_exhausted")
        await service.register("one", base_url=url)
        endpoints = (await service.get("/api/v1/budget"))["endpoints"]
        assert {one["endpoint"]: one["day"]["usd"]["spent"] for one in endpoints} == {"one": 0.0, "two": 0.0}
        await service.services.metrics.refresh()
        text = (await service.http.get("/metrics")).text
        assert 'selfwatch_budget_limit{endpoint="",period="day",unit="usd"} 0.011' in text


async def test_two_runs_at_once_do_not_pass_against_the_same_remainder(tmp_path: Path) -> None:
    fake = FakeOpenAI(reply="A")
    async with metered(tmp_path, fake, budget={"tokens_per_day": 4_000}) as (service, url):
        for name in ("one", "two"):
            await service.register(name, base_url=url)
        started = await asyncio.gather(*(service.start_run(name, "forty") for name in ("one", "two")))
        runs = [await service.finished(run_id) for run_id in started]
        assert runs[0]["estimate"]["tokens"] * 2 > 4_000 >= runs[0]["estimate"]["tokens"]
        assert sorted([ended(run) for run in runs]) == [("failed", "budget_exhausted"), ("succeeded", None)]
        refused = next(run for run in runs if run["state"] == "failed")
        assert "set aside for runs under way" in refused["problem"]["detail"]
        again = await service.run(refused["endpoint"], plan="forty")
        assert again["state"] == "succeeded", "the first took less than was set aside for it"


async def test_what_was_spent_is_known_after_a_restart(tmp_path: Path) -> None:
    fake = FakeOpenAI(reply="A")
    fake.usage = {"prompt_tokens": 60, "completion_tokens": 0}
    async with metered(tmp_path, fake) as (service, url):
        await service.register(base_url=url, limits={"tokens_per_day": 3_000})
        assert (await service.run(plan="forty"))["state"] == "succeeded"
    async with metered(tmp_path, fake) as (service, _url):
        budget = (await service.get("/api/v1/endpoints/prod"))["budget"]
        assert budget["day"]["tokens"]["spent"] == 2_880
        assert ended(await service.run(plan="forty")) == ("failed", "budget_exhausted")


async def test_a_run_that_is_resumed_is_weighed_by_what_is_left_of_it(tmp_path: Path) -> None:
    """Two thirds are answered and paid for when the service stops; the last third fits into what is left."""
    fake = FakeOpenAI()
    halted = asyncio.Event()

    def reply(_body: dict[str, Any]) -> str:
        if len(fake.requests) >= 32:
            fake.mode = "hang"
            halted.set()
        return "A"

    fake.reply = reply
    fake.usage = {"prompt_tokens": 60, "completion_tokens": 40}
    async with listening(fake) as server:
        async with live(tmp_path, plans=PLANS) as service:
            limits = {"tokens_per_day": 5_200, "concurrency": 1}
            await service.register(base_url=f"{server}/v1", limits=limits)
            await look(fake, service)
            run_id = await service.start_run(plan="forty")
            await asyncio.wait_for(halted.wait(), 30)
            async with asyncio.timeout(10):
                while (await service.get(f"/api/v1/runs/{run_id}"))["progress"]["answered"] < 32:
                    await asyncio.sleep(0.05)
        fake.mode = "ok"
        fake.reply = "A"
        fake.usage = {"prompt_tokens": 60, "completion_tokens": 40}
        async with live(tmp_path, plans=PLANS) as service:
            run = await service.finished(run_id)
            assert run["state"] == "succeeded"
            assert run["usage"]["prompt_tokens"] == 60 * CALLS
            assert run["estimate"]["requests"] == CALLS, "the estimate shown is that of the whole run"


async def test_the_judge_and_its_check_are_paid_for(tmp_path: Path) -> None:
    prices = {
        "simulated/base": {"prompt": 1.0, "completion": 2.0},
        "simulated/judge": {"prompt": 3.0, "completion": 4.0},
    }
    async with listening(create()) as simulator:
        url = f"{simulator}/v1"
        async with live(tmp_path, **judged_by(simulator), prices=prices) as service:
            made = await service.register(base_url=url, model="simulated/base", schedules={"heartbeat": "0 3 * * *"})
            (quoted,) = made["quotes"]
            await service.run()
            run = await service.run()  # shares the check of the first
            first = await service.finished((await service.get("/api/v1/runs?state=succeeded"))["runs"][1]["id"])
            answers = (await service.get(f"/api/v1/runs/{run['id']}/answers?limit=1000"))["answers"]
            own = sum(a["tokens"]["prompt"] * 1e-6 + a["tokens"]["completion"] * 2e-6 for a in answers)
            assert run["usage"]["usd"] > own, "the judge's share"
            assert first["usage"]["usd"] > run["usage"]["usd"] + 40 * 3e-6 * 100, "the check of 40 anchors"
            assert quoted["tokens_per_run"] == pytest.approx(first["estimate"]["tokens"], rel=0.05), "one and the same"
            assert quoted["usd_per_run"] == pytest.approx(first["estimate"]["usd"], rel=0.05)
            day = (await service.get("/api/v1/endpoints/prod"))["budget"]["day"]
            assert day["usd"]["spent"] == pytest.approx(first["usage"]["usd"] + run["usage"]["usd"], abs=2e-6)
            used = [one["usage"]["prompt_tokens"] + one["usage"]["completion_tokens"] for one in (first, run)]
            assert day["tokens"]["spent"] == sum(used)
            assert run["estimate"]["basis"] == "measured"
            assert run["estimate"]["tokens"] == pytest.approx(used[1], rel=0.25)
            await service.services.metrics.refresh()
            text = (await service.http.get("/metrics")).text
            line = next(one for one in text.splitlines() if one.startswith("selfwatch_cost_usd_total{"))
            assert float(line.split()[1]) == pytest.approx(day["usd"]["spent"], abs=2e-6)
            assert f"${run['usage']['usd']:.4f}" in (await service.http.get(f"/runs/{run['id']}")).text


async def test_tokens_that_a_server_does_not_tell_are_estimated(tmp_path: Path) -> None:
    fake = FakeOpenAI(reply="A")
    fake.usage = None
    async with metered(tmp_path, fake) as (service, url):
        await service.register(base_url=url)
        run = await service.run(plan="forty")
        assert run["usage"]["estimated"] is True
        assert run["usage"]["completion_tokens"] == CALLS
        assert run["usage"]["prompt_tokens"] == pytest.approx(run["estimate"]["prompt_tokens"], rel=0.1)
        assert "estimated from the text" in (await service.http.get(f"/runs/{run['id']}")).text
        fake.usage = {"prompt_tokens": 7, "completion_tokens": 3}
        told = await service.run(plan="forty")
        assert (told["usage"]["estimated"], told["usage"]["prompt_tokens"]) == (False, 7 * CALLS)


async def test_a_limit_in_usd_without_a_price_is_refused(tmp_path: Path) -> None:
    async with live(tmp_path, prices={"priced": {"prompt": 1, "completion": 1}}) as service:
        body = {"name": "prod", "base_url": "http://127.0.0.1:9/v1", "model": "my-model", "schedules": {}}
        reply = await service.http.post("/api/v1/endpoints", json=body | {"limits": {"usd_per_month": 5}})
        assert reply.status_code == 422
        problem = reply.json()
        assert problem["type"] == "urn:selfwatch:problem:no-price"
        assert "limits.usd_per_month cannot be kept, since prices.my-model is not set" in problem["detail"]
        await service.register(model="priced", limits={"usd_per_month": 5})
        moved = await service.http.patch("/api/v1/endpoints/prod", json={"model": "my-model"})
        assert moved.json()["type"] == "urn:selfwatch:problem:no-price"
        assert (await service.get("/api/v1/endpoints/prod"))["model"] == "priced"
        await service.register("free", model="my-model")
        limited = await service.http.patch("/api/v1/endpoints/free", json={"limits": {"usd_per_day": 1}})
        assert limited.status_code == 422


async def test_a_price_that_is_taken_away_stops_runs_and_says_so(tmp_path: Path) -> None:
    """The limit stays as it was registered: it is kept by asking nothing, not by forgetting it."""
    fake = FakeOpenAI(reply="A")
    async with metered(tmp_path, fake, prices={"m": {"prompt": 1, "completion": 1}}) as (service, url):
        await service.register(base_url=url, limits={"usd_per_day": 5})
        assert (await service.run(plan="forty"))["state"] == "succeeded"
    async with metered(tmp_path, fake) as (service, _url):
        asked = len(fake.requests)
        run = await service.run(plan="forty")
        assert ended(run) == ("failed", "budget_exhausted")
        assert "prices.m is not set" in run["problem"]["detail"]
        assert "add it to the settings" in run["problem"]["remedy"]
        assert len(fake.requests) == asked


async def test_a_refused_run_leaves_the_last_verdict_in_place(tmp_path: Path) -> None:
    async with listening(create()) as simulator, live(tmp_path, **judged_by(simulator)) as service:
        await service.register(base_url=f"{simulator}/v1", model="simulated/base")
        assert (await service.run())["verdict"] == "steady"
        change = {"limits": {"tokens_per_day": 1}}
        assert (await service.http.patch("/api/v1/endpoints/prod", json=change)).status_code == 200
        assert ended(await service.run()) == ("failed", "budget_exhausted")
        endpoint = await service.get("/api/v1/endpoints/prod")
        assert (endpoint["verdict"], endpoint["health"]["state"]) == ("steady", "up")
