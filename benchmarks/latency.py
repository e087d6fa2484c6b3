"""Whether the latency that is stored is the server's: a client's queueing must not be reported as the endpoint's."""

import asyncio
from collections.abc import Iterator
from statistics import median

from benchmarks import calls, stub
from benchmarks.harm import pages
from benchmarks.process import serving

LATENCY_S = 0.5
AT_ONCE = 64
PLANS = {"latency": {"probes": {"self_assessment": {"questions": 100}}}}
Row = tuple[str, str, str]


def rows() -> Iterator[Row]:
    with stub.running(LATENCY_S) as url:
        bare = median(asyncio.run(calls.bare(url, 20 * AT_ONCE)))
        with serving(settings={"plans": PLANS}) as service:
            service.register(url, concurrency=AT_ONCE)
            run = service.run("latency")
            stored = [one["latency_s"] for page in pages(service, run["id"]) for one in page]
    late = sorted(stored)[int(0.99 * len(stored))]
    yield (
        f"latency stored, server at {1000 * LATENCY_S:g} ms",
        f"median {1000 * median(stored):.0f} ms, p99 {1000 * late:.0f} ms",
        f"{len(stored)} calls, {AT_ONCE} at once; bare aiohttp sees a median of {1000 * bare:.0f} ms",
    )
