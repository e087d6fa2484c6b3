"""The watchdog of the event loop: what blocks it is seen, by how much, and whether it was our own work."""

import asyncio
import time

import pytest
from prometheus_client import CollectorRegistry

from service.loop_lag import SLICES, WINDOW_S, LoopLag


def sample(registry: CollectorRegistry, name: str, **labels: str) -> float:
    found = registry.get_sample_value(f"selfwatch_event_loop_{name}", labels)
    assert found is not None, name
    return found


async def watched(lag: LoopLag, block: float, *, busy: bool) -> None:
    """Let the watchdog look, block the loop once, and let it look again."""
    lag.start()
    await asyncio.sleep(0.03)
    end = time.perf_counter() + block
    if busy:
        while time.perf_counter() < end:
            pass
    else:
        time.sleep(block)
    await asyncio.sleep(0.03)
    await lag.stop()


@pytest.mark.parametrize("busy", [True, False])
async def test_a_blocked_loop_is_seen(busy: bool) -> None:
    registry = CollectorRegistry()
    await watched(LoopLag(0.005, registry), 0.3, busy=busy)
    assert sample(registry, "lag_max_seconds") > 0.28
    over = sample(registry, "lag_seconds_count") - sample(registry, "lag_seconds_bucket", le="0.25")
    assert over == 1


async def test_waiting_is_told_from_working() -> None:
    """A loop that sleeps is late, and its thread has done nothing: so it is with a machine that has no time for us."""
    registry = CollectorRegistry()
    await watched(LoopLag(0.005, registry), 0.3, busy=False)
    assert sample(registry, "busy_max_seconds") < 0.1 < sample(registry, "lag_max_seconds")


def test_the_maxima_are_those_of_the_last_minutes() -> None:
    lag = LoopLag(0.1, CollectorRegistry())
    step = WINDOW_S / SLICES
    lag.observe(0.7, 0.2, 1000.0)
    lag.observe(0.1, 0.1, 1000.0 + step / 2)
    assert lag.longest == (0.7, 0.2)
    for number in range(1, SLICES):
        lag.observe(0.3, 0.05, 1000.0 + number * step)
        assert lag.longest == (0.7, 0.2)
    lag.observe(0.3, 0.05, 1000.0 + SLICES * step)
    assert lag.longest == (0.3, 0.05)


def test_no_more_work_is_told_than_fits_into_the_delay() -> None:
    lag = LoopLag(0.1, CollectorRegistry())
    lag.observe(0.2, 0.29, 0.0)
    assert lag.longest == (0.2, 0.2)


async def test_it_can_be_stopped_before_it_began() -> None:
    lag = LoopLag(0.1, CollectorRegistry())
    await lag.stop()
    assert lag.longest == (0.0, 0.0)
