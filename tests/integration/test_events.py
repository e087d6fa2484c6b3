"""GET /api/v1/events of a real service, read by a real client."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from service.api import events as stream
from service.simulator import create
from tests.support.events import reading
from tests.support.fake_openai import FakeOpenAI
from tests.support.live import Live, listening, live
from tests.support.processes import environment, free_port, selfwatch, wait_for


@asynccontextmanager
async def watched(tmp_path: Path, latency_s: float = 0.0, **changes: Any) -> AsyncIterator[Live]:
    """A service with one endpoint `prod` of a simulated model, and a simulated judge."""
    async with listening(create(latency_s=latency_s)) as simulator:
        url = f"{simulator}/v1"
        judged = {"judge_base_url": url, "judge_model": "simulated/judge", "auto_baseline_runs": 0}
        async with live(tmp_path, **(judged | changes)) as service:
            await service.register(base_url=url, model="simulated/base")
            yield service


async def test_a_run_is_told_from_queue_to_verdict(tmp_path: Path) -> None:
    async with watched(tmp_path, latency_s=0.3) as service, reading(service.url) as reader:
        run_id = await service.start_run()
        verdict = await reader.until("verdict", run=run_id)
        run = await service.get(f"/api/v1/runs/{run_id}")
        progress = [one.data for one in reader.seen if one.kind == "progress"]
        answered = [one["progress"]["answered"] for one in progress]
        assert answered == sorted(answered)
        assert answered[-1] == 46
        assert len(progress) >= 3
        assert {one["state"] for one in progress} <= {"queued", "running", "succeeded"}
        assert progress[-1]["state"] == "succeeded"
        assert progress[-1]["usage"] == run["usage"]
        shown = ("endpoint", "plan", "state", "verdict", "because", "persona", "event", "finished_at", "problem")
        assert {name: verdict.data[name] for name in shown} == {name: run[name] for name in shown}
        assert set(verdict.data["drift"]) == {"self_report", "behaviour"}


async def test_progress_has_rate_and_eta_while_a_run_goes_on(tmp_path: Path) -> None:
    plans = {"slow": {"probes": {"intentions": {"questions": 40}}}}
    async with watched(tmp_path, latency_s=0.4, plans=plans) as service:
        async with reading(service.url, kind="progress") as reader:
            run_id = await service.start_run(plan="slow")
            async with asyncio.timeout(30):
                while True:
                    seen = (await reader.next()).data
                    if seen["progress"]["eta_s"] is not None and seen["state"] == "running":
                        break
            live_now = (await service.get(f"/api/v1/runs/{run_id}"))["progress"]
            assert live_now["rate_per_s"] > 0
            left = live_now["total"] - live_now["answered"]
            assert live_now["eta_s"] == pytest.approx(left / live_now["rate_per_s"], rel=0.1, abs=0.2)
            assert seen["usage"]["prompt_tokens"] > 0
            await service.http.post(f"/api/v1/runs/{run_id}/cancel")
            await reader.until("progress", run=run_id, state="cancelled")
        over = (await service.get(f"/api/v1/runs/{run_id}"))["progress"]
        assert (over["rate_per_s"], over["eta_s"]) == (None, None)


async def test_filters_choose_by_kind_endpoint_and_run(tmp_path: Path) -> None:
    async with watched(tmp_path) as service:
        base_url = (await service.get("/api/v1/endpoints/prod"))["base_url"]
        await service.register("other", base_url=base_url, model="simulated/base")
        async with (
            reading(service.url, kind="verdict") as verdicts,
            reading(service.url, endpoint="other") as other,
            reading(service.url, kind=["verdict", "flip"], endpoint="prod") as both,
        ):
            first = await service.run("other")
            second = await service.run("prod")
            await verdicts.until("verdict", run=second["id"])
            await both.until("verdict", run=second["id"])
            await other.until("verdict", run=first["id"])
            assert {one.kind for one in verdicts.seen} == {"verdict"}
            assert [one.data["endpoint"] for one in verdicts.seen] == ["other", "prod"]
            assert {one.data["endpoint"] for one in other.seen} == {"other"}
            assert {one.data["endpoint"] for one in both.seen} == {"prod"}


async def test_a_flip_is_told_and_no_reply_with_it(tmp_path: Path) -> None:
    secret = "hunter2 in a reply"
    server = FakeOpenAI(mode="ok", reply=secret)
    async with listening(server) as url, live(tmp_path) as service, reading(service.url) as reader:
        await service.register(base_url=f"{url}/v1", model="m")
        await service.run()
        flip = await reader.until("flip", endpoint="prod", rule="JudgeDown")
        assert (flip.data["before"], flip.data["after"]) == ("inactive", "pending")
        assert server.requests
        assert secret not in repr(reader.seen)


async def test_a_reader_comes_back_where_it_was(tmp_path: Path) -> None:
    async with watched(tmp_path) as service:
        async with reading(service.url, kind="verdict") as reader:
            first = await service.run()
            last = await reader.until("verdict", run=first["id"])
        second, third = await service.run(), await service.run()
        async with reading(service.url, last.id, kind="verdict") as reader:
            await reader.until("verdict", run=third["id"])
            assert [one.data["run"] for one in reader.seen] == [second["id"], third["id"]]
        async with reading(service.url, "0badcafe-3", kind="verdict") as reader:
            assert (await reader.next()).kind == "lagged"


async def test_silence_is_filled_with_comments_and_a_reader_that_goes_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.1)
    async with watched(tmp_path) as service:
        async with reading(service.url) as reader:
            assert service.services.events.streams == 1
            run = await service.run()
            await reader.until("verdict", run=run["id"])
            await asyncio.sleep(0.5)
            await service.run()
            await reader.until("progress")
            assert ": still here" in reader.comments
        async with asyncio.timeout(5):
            while service.services.events.streams:
                await asyncio.sleep(0.02)


async def test_a_reader_that_takes_nothing_is_given_up_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "SEND_S", 1.0)
    async with live(tmp_path) as service:
        address = urlsplit(service.url)
        _reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1024)
        writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        events = service.services.events
        async with asyncio.timeout(30):
            while not events.streams:
                await asyncio.sleep(0.01)
            while events.streams:  # until the sockets between are full, and then for SEND_S
                for _ in range(100):
                    events.publish("verdict", {"run": "r", "endpoint": "prod", "because": "x" * 20_000})
                await asyncio.sleep(0.02)
        assert (await service.http.get("/livez")).status_code == 200
        writer.close()


async def test_bad_requests_are_told_why(tmp_path: Path) -> None:
    async with live(tmp_path, event_streams=1) as service:
        for query, status, word in (
            ("kind=gossip", 422, "progress"),
            ("endpoint=nobody", 404, "nobody"),
            ("run=nothing", 404, "nothing"),
        ):
            reply = await service.http.get(f"/api/v1/events?{query}")
            assert reply.status_code == status
            assert reply.headers["content-type"] == "application/problem+json"
            assert word in reply.text
        async with reading(service.url):
            reply = await service.http.get("/api/v1/events")
        assert reply.status_code == 503
        assert reply.json()["type"] == "urn:selfwatch:problem:too-many-streams"
        assert "event_streams" in reply.json()["detail"]
        assert reply.headers["retry-after"] == "10"


async def test_a_stop_signal_ends_streams_at_once(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    url = f"http://127.0.0.1:{port}"
    env = environment(SELFWATCH_DATA_DIR=str(tmp_path / "data"))
    with selfwatch("serve", "--port", str(port), log=log, env=env) as process:
        await asyncio.to_thread(wait_for, f"{url}/readyz", process, log)
        async with reading(url) as one, reading(url) as two:
            await asyncio.sleep(0.2)
            before = time.monotonic()
            process.terminate()
            await one.ended()
            await two.ended()
        assert await asyncio.to_thread(process.wait, 10) == 0, log.read_text()
        assert time.monotonic() - before < 2.5  # uvicorn alone would wait for the streams for 3 s
    assert "Traceback" not in log.read_text()
