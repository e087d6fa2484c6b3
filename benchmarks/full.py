"""The whole protocol of the paper, 18,200 questions and its conclusion, under the watchdog of the event loop."""

import time
from collections.abc import Iterator

from benchmarks import stub
from benchmarks.process import serving
from benchmarks.watch import Lateness

AT_ONCE = 100
LATENCY_S = 0.05
QUESTIONS = 18_200
Row = tuple[str, str, str]


def rows(*, blame: bool = False) -> Iterator[Row]:
    settings = {"judge_concurrency": AT_ONCE, "loop_watch_s": 0.005}
    with stub.running(LATENCY_S) as url, serving(url, settings=settings, blame=blame) as service:
        service.register(url, concurrency=AT_ONCE)
        metrics, cpu_s, began = service.metrics(), service.usage.cpu_s, time.perf_counter()
        run = service.run("full")
        wall_s, used = time.perf_counter() - began, service.usage
        late = Lateness.between(metrics, service.metrics())
        progress = run["progress"]
        if run["state"] != "succeeded" or progress["answered"] != QUESTIONS:
            raise RuntimeError(f"run {run['state']}, {run.get('reason')}: {progress}")
        calls = run["usage"]["requests"]
        yield (
            f"a full run, {QUESTIONS:,} questions",
            f"{wall_s:.0f} s, {used.peak_mb:.0f} MB, {1000 * (used.cpu_s - cpu_s) / calls:.2f} ms CPU a call",
            f"{calls} calls; {AT_ONCE} at once, {1000 * LATENCY_S:g} ms stub; to the verdict",
        )
        yield ("a full run: the event loop", late.told, late.note)
