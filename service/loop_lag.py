"""A watchdog of the event loop: how late it wakes up from a short sleep. While one thing blocks it, all else waits."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
WINDOW_S = 300.0
"""The maxima are those of about so long."""
SLICES = 10


class LoopLag(Collector):
    """Sleeps `every_s` seconds again and again; observes by how many it oversleeps.

    Two maxima of the last minutes are told beside the histogram: the lateness, and the CPU time that the loop's own
    thread used in such a late sleep. A crowded machine makes the loop late without its thread being busy.
    """

    def __init__(self, every_s: float, registry: CollectorRegistry | None = None) -> None:
        self._every_s = every_s
        self._late = Histogram(
            "selfwatch_event_loop_lag_seconds", "How late the event loop wakes up from a short sleep.",
            buckets=BUCKETS_S, registry=None,
        )  # fmt: skip
        self._slices: deque[tuple[float, float]] = deque([(0.0, 0.0)], maxlen=SLICES)
        self._slice_ends = 0.0
        self._task: asyncio.Task[None] | None = None
        if registry is not None:
            registry.register(self)

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch(), name="loop-lag")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def collect(self) -> Iterable[Metric]:
        late_s, busy_s = self.longest
        late = GaugeMetricFamily("selfwatch_event_loop_lag_max_seconds", "The latest wake-up of the last 5 minutes.")
        late.add_metric([], late_s)
        busy = GaugeMetricFamily(
            "selfwatch_event_loop_busy_max_seconds", "The most CPU time of the loop's thread in one late wake-up."
        )
        busy.add_metric([], busy_s)
        return (*self._late.collect(), late, busy)

    @property
    def longest(self) -> tuple[float, float]:
        """Of the last minutes, in seconds: the latest wake-up, and the most CPU time of the loop's thread in one."""
        slices = tuple(self._slices)
        return max(late for late, _busy in slices), max(busy for _late, busy in slices)

    def observe(self, late_s: float, busy_s: float, now: float) -> None:
        """One wake-up, `late_s` seconds late, in which the loop's thread used `busy_s` seconds of CPU time."""
        self._late.observe(late_s)
        busy_s = min(busy_s, late_s)
        if now >= self._slice_ends:
            self._slices.append((late_s, busy_s))
            self._slice_ends = now + WINDOW_S / SLICES
        else:
            before = self._slices[-1]
            self._slices[-1] = (max(before[0], late_s), max(before[1], busy_s))

    async def _watch(self) -> None:
        while True:
            began, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(self._every_s)
            now = time.perf_counter()
            self.observe(max(now - began - self._every_s, 0.0), time.thread_time() - worked, now)
