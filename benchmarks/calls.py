"""What one model call costs through the service: asked, parsed, scored, stored. Beside it the floor: bare aiohttp."""

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from benchmarks import stub
from benchmarks.process import serving, usage
from benchmarks.stub import MODEL, pinned

AT_ONCE = 64
QUESTIONS = 12_000
PER_CELL = 500
"""24 cells of self-assessment, as in the paper's protocol: 12,000 questions."""
FLOOR_CALLS = 4_000
GOAL_MS = 2.0
GOAL_RATE = 450
PLANS = {"self": {"probes": {"self_assessment": {"questions": PER_CELL}}}}
Row = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Calls a second, and CPU milliseconds of each: of the client and of the stub."""

    rate: float
    cpu_ms: float
    stub_ms: float


def rows() -> Iterator[Row]:
    ours, theirs = cores()
    on = f"service and stub on a core each ({AT_ONCE} at once, 0 ms)" if ours is not None else "all on one core"
    floor = _floor(theirs)
    yield (
        "a call: bare aiohttp",
        f"{floor.cpu_ms:.2f} ms CPU, {floor.rate:.0f} calls/s",
        f"the floor: body sent, JSON read, nothing kept; the stub itself takes {floor.stub_ms:.2f} ms",
    )
    cost = _through_service(ours, theirs)
    yield (
        "a call: through the service",
        f"{cost.cpu_ms:.2f} ms CPU",
        f"goal <= {GOAL_MS} ms; {cost.cpu_ms / floor.cpu_ms:.1f} x the floor; asked, parsed, scored, stored",
    )
    yield (
        f"{QUESTIONS:,} self-assessment questions",
        f"{cost.rate:.0f} calls/s on one core",
        f"goal >= {GOAL_RATE}; {on}; from the order to the verdict",
    )


def cores() -> tuple[int | None, int | None]:
    """One CPU for what is measured and another for the stub; none where there is only one."""
    found = sorted(os.sched_getaffinity(0))
    return (found[0], found[1]) if len(found) > 1 else (None, None)


def _through_service(ours: int | None, theirs: int | None) -> Cost:
    with stub.running(cpu=theirs) as url, serving(settings={"plans": PLANS}, cpu=ours) as service:
        service.register(url, concurrency=AT_ONCE)
        service.run("heartbeat")  # imports, connections
        asked, cpu_s, began = stub.stats(url)["asked"], service.usage.cpu_s, time.perf_counter()
        run = service.run("self")
        wall_s, cpu_s = time.perf_counter() - began, service.usage.cpu_s - cpu_s
        asked = stub.stats(url)["asked"] - asked
        scored = sum(one["n"] for one in run["measurements"])
        if run["state"] != "succeeded" or asked != QUESTIONS or scored != QUESTIONS:
            raise RuntimeError(f"run {run['state']}: {asked} asked, {scored} scored; each should be {QUESTIONS}")
        return Cost(rate=QUESTIONS / wall_s, cpu_ms=1000 * cpu_s / QUESTIONS, stub_ms=0.0)


def _floor(theirs: int | None) -> Cost:
    before = os.sched_getaffinity(0)
    with stub.running(cpu=theirs) as url:
        pid = stub.stats(url)["pid"]
        if (one := pinned(cores()[0])) is not None:
            one()
        try:
            cpu_s, stub_s, began = usage(os.getpid()).cpu_s, usage(pid).cpu_s, time.perf_counter()
            asyncio.run(bare(url))
            wall_s, cpu_s = time.perf_counter() - began, usage(os.getpid()).cpu_s - cpu_s
        finally:
            os.sched_setaffinity(0, before)
        stub_s = usage(pid).cpu_s - stub_s
    return Cost(rate=FLOOR_CALLS / wall_s, cpu_ms=1000 * cpu_s / FLOOR_CALLS, stub_ms=1000 * stub_s / FLOOR_CALLS)


async def bare(url: str, calls: int = FLOOR_CALLS) -> list[float]:
    """The same request again and again, AT_ONCE at a time; how long each took, in seconds."""
    body: dict[str, Any] = {
        "model": MODEL, "temperature": 1.0, "max_tokens": 256,
        "messages": [{"role": "user", "content": "Please reply with one short sentence."}],
    }  # fmt: skip
    took: list[float] = []
    left = iter(range(calls))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def worker() -> None:
            for _ in left:
                began = time.perf_counter()
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    await response.json()
                took.append(time.perf_counter() - began)

        await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return took
