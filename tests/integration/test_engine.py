"""A run can be stopped, held and resumed, and keeps what was paid for; a database that is away is survived."""

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from service import wiring
from service.simulator import create
from service.storage.schema import AnswerRow, RunRow
from tests.support.fake_openai import FakeOpenAI
from tests.support.live import Live, listening, live, settings_for

LOOK = "Please reply with one short sentence."
"""What finds out what a server can do."""


async def some_answers(service: Live, run_id: str, least: int = 1) -> int:
    """How many there are, once there are `least`."""
    async with asyncio.timeout(30):
        while True:
            found: int = (await service.get(f"/api/v1/runs/{run_id}"))["progress"]["answered"]
            if found >= least:
                return found
            await asyncio.sleep(0.02)


async def test_a_run_is_held_and_goes_on_where_it_was(tmp_path: Path) -> None:
    fake = FakeOpenAI(reply="7")
    fake.latency_s = 0.1
    async with listening(fake) as url, live(tmp_path) as service:
        await service.register(base_url=f"{url}/v1", limits={"concurrency": 2})
        run_id = await service.start_run()
        await some_answers(service, run_id, 3)
        held = await service.http.post(f"/api/v1/runs/{run_id}/pause")
        assert held.status_code == 202
        assert held.json()["paused"] is True
        async with asyncio.timeout(10):
            while (await service.get(f"/api/v1/runs/{run_id}"))["state"] != "queued":
                await asyncio.sleep(0.02)
        asked = len(fake.requests)
        before = (await service.get(f"/api/v1/runs/{run_id}"))["progress"]["answered"]
        await asyncio.sleep(0.5)
        assert len(fake.requests) == asked, "nothing is asked while it is held"
        assert before < 30
        assert (await service.http.post(f"/api/v1/runs/{run_id}/resume")).status_code == 202
        run = await service.finished(run_id)
        assert run["state"] == "succeeded"
        assert run["progress"]["answered"] == 30
        answers = (await service.get(f"/api/v1/runs/{run_id}/answers?limit=1000"))["answers"]
        assert len(answers) == len({(a["item"], a["repeat"]) for a in answers}) == 30
        prompts = [request["messages"][-1]["content"] for request in fake.requests]
        questions = [prompt for prompt in prompts if prompt != LOOK]
        assert len(questions) == len(set(questions)) == 30, "what was under way was waited for, and kept"
        late = await service.http.post(f"/api/v1/runs/{run_id}/pause")
        assert (late.status_code, late.json()["type"]) == (409, "urn:selfwatch:problem:run-finished")


async def test_pausing_an_endpoint_holds_its_run_and_resuming_lets_it_go_on(tmp_path: Path) -> None:
    fake = FakeOpenAI(reply="7")
    fake.latency_s = 0.1
    async with listening(fake) as url, live(tmp_path) as service:
        await service.register(base_url=f"{url}/v1", limits={"concurrency": 2})
        run_id = await service.start_run()
        await some_answers(service, run_id)
        assert (await service.http.post("/api/v1/endpoints/prod/pause")).status_code == 204
        async with asyncio.timeout(10):
            while (found := await service.get(f"/api/v1/runs/{run_id}"))["state"] != "queued":
                await asyncio.sleep(0.02)
        assert found["paused"]
        assert (await service.http.post("/api/v1/endpoints/prod/resume")).status_code == 204
        assert (await service.finished(run_id))["state"] == "succeeded"


async def test_stopping_the_service_keeps_what_is_under_way_and_the_next_start_asks_only_the_rest(
    tmp_path: Path,
) -> None:
    fake = FakeOpenAI(reply="7")
    fake.latency_s = 0.3
    async with listening(fake) as url:
        async with live(tmp_path) as service:
            await service.register(base_url=f"{url}/v1", limits={"concurrency": 4})
            run_id = await service.start_run()
            await some_answers(service, run_id, 4)
            stopping = time.monotonic()
        assert time.monotonic() - stopping < 10
        asked = len(fake.requests)
        async with wiring.running(settings_for(tmp_path)) as services, asyncio.timeout(30):
            async with services.database.read() as session:
                kept = len((await session.scalars(select(AnswerRow.id))).all())
            while True:
                async with services.database.read() as session:
                    run = await session.get_one(RunRow, run_id)
                if run.state == "succeeded":
                    break
                await asyncio.sleep(0.05)
        assert kept >= 4
        capabilities = asked - kept
        assert capabilities < 8, "every call that was answered is stored"
        assert len(fake.requests) == asked + 30 - kept


async def test_a_cancelled_run_keeps_the_answers_that_were_under_way(tmp_path: Path) -> None:
    fake = FakeOpenAI(reply="7")
    fake.latency_s = 0.4
    async with listening(fake) as url, live(tmp_path) as service:
        await service.register(base_url=f"{url}/v1", limits={"concurrency": 3})
        run_id = await service.start_run()
        await some_answers(service, run_id, 3)
        asked = len(fake.requests)
        await service.http.post(f"/api/v1/runs/{run_id}/cancel")
        run = await service.finished(run_id)
        assert run["state"] == "cancelled"
        probes = asked - run["progress"]["answered"]
        assert 0 <= probes < 10
        assert len(fake.requests) - probes <= run["progress"]["answered"]


async def test_a_locked_database_is_a_named_state_and_ends_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.storage.engine.BUSY_TIMEOUT_MS", 100)
    async with listening(create(latency_s=0.3)) as simulator, live(tmp_path) as service:
        await service.register(base_url=f"{simulator}/v1", model="simulated/base", limits={"concurrency": 2})
        run_id = await service.start_run()
        await some_answers(service, run_id)
        other = sqlite3.connect(tmp_path / "data" / "selfwatch.db", isolation_level=None, timeout=10)
        other.execute("BEGIN IMMEDIATE")
        refused = await service.http.post("/api/v1/endpoints/prod/runs", json={"plan": "heartbeat"})
        assert refused.status_code == 503
        assert refused.json()["type"] == "urn:selfwatch:problem:database-unavailable"
        assert refused.headers["retry-after"]
        async with asyncio.timeout(10):
            while (ready := await service.http.get("/readyz")).status_code != 503:
                await asyncio.sleep(0.05)
        assert "locked" in ready.json()["checks"]["database"]
        await service.services.metrics.refresh()
        assert "selfwatch_database_up 0.0" in (await service.http.get("/metrics")).text
        await asyncio.sleep(0.5)
        other.execute("ROLLBACK")
        other.close()
        run = await service.finished(run_id)
        assert run["state"] == "succeeded"
        assert run["progress"]["answered"] == 30
        assert (await service.http.get("/readyz")).status_code == 200
        await service.services.metrics.refresh()
        assert "selfwatch_database_up 1.0" in (await service.http.get("/metrics")).text


async def test_a_slow_endpoint_holds_up_nobody(tmp_path: Path) -> None:
    """One worker, an endpoint that hangs, and one that answers: the second is watched all the same."""
    hanging, quick = FakeOpenAI("hang"), FakeOpenAI(reply="7")
    async with (
        listening(hanging) as slow,
        listening(quick) as fast,
        live(tmp_path, workers=1, call_deadline_s=40) as service,
    ):
        await service.register("slow", base_url=f"{slow}/v1")
        await service.register("fast", base_url=f"{fast}/v1")
        stuck = await service.start_run("slow")
        run = await service.finished(await service.start_run("fast"), deadline_s=35)
        assert run["state"] == "succeeded"
        assert (await service.get(f"/api/v1/runs/{stuck}"))["state"] == "running"
        await service.http.post(f"/api/v1/runs/{stuck}/cancel")


async def test_limits_changed_during_a_run_hold_at_once(tmp_path: Path) -> None:
    fake = FakeOpenAI(reply="7")
    fake.latency_s = 0.1
    async with listening(fake) as url, live(tmp_path) as service:
        made = await service.register(base_url=f"{url}/v1", limits={"concurrency": 6})
        assert made["limits"]["concurrency"] == 6
        run_id = await service.start_run()
        await some_answers(service, run_id)
        await service.http.patch("/api/v1/endpoints/prod", json={"limits": {"concurrency": 1}})
        await asyncio.sleep(0.3)
        fake.most_in_flight = fake.in_flight
        assert (await service.finished(run_id))["state"] == "succeeded"
        assert fake.most_in_flight <= 1


async def test_an_overloaded_server_is_asked_again_and_the_run_is_whole(tmp_path: Path) -> None:
    fake = FakeOpenAI(reply="7")
    async with listening(fake) as url, live(tmp_path) as service:
        await service.register(base_url=f"{url}/v1", limits={"concurrency": 8})
        await service.run()
        fake.mode, fake.failures_left = "429", 12
        run = await service.run()
        assert run["state"] == "succeeded"
        assert run["progress"]["answered"] == 30
        answers = (await service.get(f"/api/v1/runs/{run['id']}/answers?limit=1000"))["answers"]
        assert sum(a["attempts"] for a in answers) == 30 + 12, "each attempt is stored"


async def test_replies_that_the_judge_did_not_come_to_grade_are_named_as_such(tmp_path: Path) -> None:
    """The run's deadline comes while a judge that hangs has the replies."""
    plans = {"plans": {"harm": {"probes": {"harm": {"questions": 1}}}}, "run_deadline_s": 1.0, "call_deadline_s": 30}
    async with (
        listening(FakeOpenAI("hang")) as judge,
        listening(FakeOpenAI(reply="x")) as url,
        live(tmp_path, judge_base_url=f"{judge}/v1", **plans) as service,
    ):
        await service.register(base_url=f"{url}/v1")
        run = await service.run(plan="harm")
        assert (run["state"], run["problem"]["reason"]) == ("failed", "timeout")
        assert run["invalid_by_reason"] == {"judge_down": 8}
        answers = (await service.get(f"/api/v1/runs/{run['id']}/answers"))["answers"]
        assert {(a["reply"], a["reason"]) for a in answers} == {("x", "judge_down")}
