"""Budgets of a real process: kill -9 refunds nothing, and what the service counts is what the model server counted."""

import asyncio
import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_openai import FakeOpenAI
from tests.support.live import listening
from tests.support.processes import environment, free_port, selfwatch, wait_for

pytestmark = pytest.mark.acceptance
A_CALL = 50
CONCURRENCY = 4
CALLS = 180
KILLS = 1
CONFIG = """
plans: {many: {probes: {intentions: {questions: 30}}}}
prices: {m: {prompt: 1.0, completion: 0.0}}
budget: {usd_per_month: 1.0}
"""


def call(url: str, method: str = "GET", body: Any = None) -> Any:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.loads(reply.read())


async def test_a_killed_process_refunds_nothing(tmp_path: Path) -> None:
    fake = FakeOpenAI(reply="A")
    fake.usage = {"prompt_tokens": A_CALL, "completion_tokens": 0}
    fake.latency_s = 0.05
    (tmp_path / "selfwatch.yaml").write_text(CONFIG)
    async with listening(fake) as models:
        await asyncio.to_thread(register, tmp_path, models)
        fake.requests.clear()  # those that found out what the server can do
        for turn in range(KILLS):
            await asyncio.to_thread(run_and_kill, tmp_path, turn)
        found, budget, metrics = await asyncio.to_thread(run_to_the_end, tmp_path)
    asked = len(fake.requests)
    spent = budget["endpoints"][0]["day"]["tokens"]["spent"]
    assert found["state"] == "succeeded", found
    assert (found["progress"]["answered"], found["progress"]["total"]) == (CALLS, CALLS)
    assert asked - KILLS * CONCURRENCY <= spent / A_CALL <= asked, "all but the calls in flight at each kill"
    assert spent == found["usage"]["prompt_tokens"] == budget["total"]["month"]["tokens"]["spent"]
    assert budget["total"]["month"]["usd"]["spent"] == pytest.approx(spent / 1e6)
    assert found["usage"]["usd"] == pytest.approx(spent / 1e6)
    assert f'selfwatch_budget_spent{{endpoint="prod",period="day",unit="tokens"}} {float(spent)}' in metrics


def serve(folder: Path, name: str) -> tuple[Any, str, Path]:
    port, log = free_port(), folder / name
    env = environment(SELFWATCH_DATA_DIR=str(folder / "data"))
    config = str(folder / "selfwatch.yaml")
    return (
        selfwatch("serve", "--config", config, "--port", str(port), log=log, env=env),
        f"http://127.0.0.1:{port}",
        log,
    )


def register(folder: Path, models: str) -> None:
    serving, url, log = serve(folder, "first.log")
    with serving as process:
        wait_for(f"{url}/readyz", process, log)
        limits = {"concurrency": CONCURRENCY, "tokens_per_day": 50_000}
        body = {"name": "prod", "base_url": f"{models}/v1", "model": "m", "schedules": {}, "limits": limits}
        call(f"{url}/api/v1/endpoints", "POST", body)
        call(f"{url}/api/v1/endpoints/prod/check", "POST")


def run_and_kill(folder: Path, turn: int) -> None:
    serving, url, log = serve(folder, f"turn-{turn}.log")
    with serving as process:
        wait_for(f"{url}/readyz", process, log)
        request = urllib.request.Request(
            f"{url}/api/v1/endpoints/prod/runs", b'{"plan": "many"}',
            {"Content-Type": "application/json", "Idempotency-Key": "the-one"}, method="POST",
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=10) as reply:
            run = json.loads(reply.read())["id"]
        before = call(f"{url}/api/v1/runs/{run}")["progress"]["answered"]
        end = time.monotonic() + 60
        while call(f"{url}/api/v1/runs/{run}")["progress"]["answered"] <= before + 10:
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.01)
        process.kill()
        process.wait()


def run_to_the_end(folder: Path) -> tuple[dict[str, Any], dict[str, Any], str]:
    serving, url, log = serve(folder, "last.log")
    with serving as process:
        wait_for(f"{url}/readyz", process, log)
        run = call(f"{url}/api/v1/runs")["runs"][0]["id"]
        end = time.monotonic() + 90
        while (found := call(f"{url}/api/v1/runs/{run}"))["state"] in ("queued", "running"):
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        time.sleep(1.5)  # the metrics are made anew at most every second
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as reply:
            metrics = reply.read().decode()
        return found, call(f"{url}/api/v1/budget"), metrics
