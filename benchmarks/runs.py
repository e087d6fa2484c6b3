"""Whole runs in this process over simulated models in another: for what is measured of their traces."""

import asyncio
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from service.demo.processes import free_port
from service.scheduler import new_run
from service.services import Services
from service.storage import runs as store
from service.storage.endpoints import by_name
from service.storage.runs import FINISHED
from service.storage.schema import RunRow


@contextmanager
def simulator() -> Iterator[str]:
    """The simulated models in a process of their own, so that their CPU is not ours."""
    port = free_port()
    command = [sys.executable, "-m", "service.cli", "simulate", "--port", str(port), "--quit-with-parent"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


async def once(services: Services, plan_name: str = "bench") -> RunRow:
    """A run of the endpoint `bench`, from queue to verdict."""
    now = services.clock()
    async with services.database.write() as session:
        endpoint = await by_name(session, "bench")
        assert endpoint is not None
        plan = services.plans[plan_name]
        row, _ = await store.enqueue(session, new_run(endpoint.id, plan, f"manual:{store.run_id(now)}"), now)
    services.wake()
    while True:
        async with services.database.read() as session:
            found = await session.get_one(RunRow, row.id)
        if found.state in FINISHED:
            return found
        await asyncio.sleep(0.02)
