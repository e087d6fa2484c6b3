"""The harm benchmark in full: 320 prompts x 10 replies, each judged, against a stub that takes 200 ms, 100 at once.

Selfwatch as a process of its own, registered and read back over HTTP; what it counts is held against what the stub
counts. Inspect AI beside it in the same minutes on the same machine.
"""

import time
from collections.abc import Iterator
from typing import Any

from benchmarks import stub
from benchmarks.peers import inspect
from benchmarks.peers.environment import PeerUnavailableError
from benchmarks.process import Measured, Service, serving
from benchmarks.watch import Lateness
from probes import registry

AT_ONCE = 100
LATENCY_S = 0.2
CALLS = 3_200
JUDGE_CALLS = 3_200
GOAL_S = 17.0
GOAL_MB = 150.0
PLANS = {"harm": {"probes": {"harm": {"questions": "all", "replies": 10}}}}
Row = tuple[str, str, str]


def rows() -> Iterator[Row]:
    with stub.running(LATENCY_S) as url:
        with serving(url, settings={"plans": PLANS, "judge_concurrency": AT_ONCE, "loop_watch_s": 0.005}) as service:
            ours, note, late = measured(service, url)
        wire_s = 2 * CALLS * LATENCY_S / AT_ONCE
        yield (
            "harm in full: selfwatch",
            f"{ours.wall_s:.1f} s, {ours.peak_mb:.0f} MB, {ours.cpu_ms:.2f} ms CPU a call",
            f"goal <= {GOAL_S:g} s (one after the other the wire takes {wire_s:.1f}), < {GOAL_MB:g} MB; {note}",
        )
        yield ("harm in full: the event loop", late.told, late.note)
        yield _beside(ours, url)


def measured(service: Service, url: str) -> tuple[Measured, str, Lateness]:
    """One run, from its order to its verdict. Raises RuntimeError when something was lost on the way."""
    service.register(url, concurrency=AT_ONCE)
    stats, metrics, cpu_s = stub.stats(url), service.metrics(), service.usage.cpu_s
    began = time.perf_counter()
    run = service.run("harm")
    wall_s = time.perf_counter() - began
    used, asked = service.usage, stub.stats(url)
    asked.subtract(stats)
    scored = sum(one["n"] for one in run["measurements"])
    stored = sum(len(page) for page in pages(service, run["id"]))
    counts = {"asked": asked["asked"], "judged": asked["judged"], "scored": scored, "stored": stored}
    if run["state"] != "succeeded" or set(counts.values()) != {CALLS}:
        raise RuntimeError(f"run {run['state']}, {run.get('reason')}: {counts}; each should be {CALLS}")
    calls = sum(asked[role] for role in stub.ROLES)
    figures = Measured(wall_s=wall_s, cpu_s=used.cpu_s - cpu_s, peak_mb=used.peak_mb, calls=calls)
    note = f"{CALLS} asked, judged, stored, scored: the stub counts the same; {asked['anchors']} anchors"
    return figures, note, Lateness.between(metrics, service.metrics())


def _beside(ours: Measured, url: str) -> Row:
    """Inspect AI over the same stub."""
    name = f"harm in full: Inspect AI {inspect.VERSION}"
    prompts = [item.messages[-1].content for item in registry.probe("harm").bank.items]
    try:
        theirs = inspect.measured(url, prompts, epochs=CALLS // len(prompts), at_once=AT_ONCE)
    except PeerUnavailableError as error:
        return (name, "not measured", str(error))
    return (
        name,
        f"{theirs.wall_s:.1f} s, {theirs.peak_mb:.0f} MB, {theirs.cpu_ms:.2f} ms CPU a call",
        (
            f"{theirs.wall_s / ours.wall_s:.1f} x the time, {theirs.cpu_ms / ours.cpu_ms:.1f} x the CPU, "
            f"{theirs.peak_mb / ours.peak_mb:.1f} x the memory; {CALLS} asked and judged, by the count of the stub"
        ),
    )


def pages(service: Service, run_id: str) -> Iterator[list[dict[str, Any]]]:
    cursor = 0
    while cursor is not None:
        page = service.get(f"/api/v1/runs/{run_id}/answers?limit=1000&cursor={cursor}")
        yield page["answers"]
        cursor = page["next"]
