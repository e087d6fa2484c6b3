"""The service at rest: how soon it is ready, how much memory it holds, and which big packages it has loaded by then."""

import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from benchmarks.process import serving

REPEATS = 3
REST_S = 30.0
GOAL_S = 3.0
GOAL_MB = 120.0
BIG = ("openai", "scipy", "numpy")
"""Packages that are to be loaded when first needed."""
SERVING = """
import asyncio, sys, tempfile
from pathlib import Path
from service import app, log, wiring
from service.settings import load
import service.serve

async def main():
    with tempfile.TemporaryDirectory() as folder:
        async with wiring.running(load(None, data_dir=Path(folder), notifiers={})) as services:
            app.create(services)
            await asyncio.sleep(2)
            print(*sys.modules)

log.configure("error", "json")
asyncio.run(main())
"""
Row = tuple[str, str, str]


def rows() -> Iterator[Row]:
    with serving():
        pass  # compiles what was never imported
    ready, cpu = [], []
    for _ in range(REPEATS - 1):
        with serving() as service:
            ready.append(service.ready_s)
            cpu.append(service.usage.cpu_s)
    with serving() as service:
        ready.append(service.ready_s)
        time.sleep(REST_S)
        used, loaded = service.usage, _loaded()
        cpu_s = used.cpu_s
        time.sleep(REST_S)
        resting = (service.usage.cpu_s - cpu_s) / REST_S
    yield (
        "idle: ready",
        f"{median(ready):.1f} s",
        f"goal < {GOAL_S:g} s; process start to /readyz, of {REPEATS}; {median(cpu):.1f} s CPU",
    )
    yield (
        "idle: memory",
        f"{used.rss_mb:.0f} MB",
        (
            f"goal < {GOAL_MB:g} MB; after {REST_S:g} s, peak {used.peak_mb:.0f}; of {', '.join(BIG)} "
            f"{', '.join(loaded) or 'none'} loaded; {1000 * resting:.0f} ms CPU a second"
        ),
    )


def _loaded() -> list[str]:
    """Those of BIG that a service at rest has loaded; told by one that is started for it, in a process of its own."""
    ran = subprocess.run([sys.executable, "-c", SERVING], capture_output=True, text=True, check=True)
    return [name for name in BIG if name in ran.stdout.split()]
