"""Whole runs over real sockets: questions a second, and the CPU that one question costs."""

import asyncio
import resource
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from probes import registry
from service import log, wiring
from service.api.endpoints import register
from service.demo.processes import free_port
from service.registration import EndpointIn
from service.scheduler import new_run
from service.services import Services
from service.settings import load
from service.storage import runs as store
from service.storage.endpoints import by_name
from service.storage.runs import FINISHED
from service.storage.schema import RunRow

CONCURRENCY = (8, 64)
QUESTIONS = {
    "bench": {
        "probes": {
            "self_assessment": {"questions": 60},
            "intentions": {"questions": 60},
            "harm": {"questions": "all"},
        }
    }
}


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


async def rows() -> list[tuple[str, str, str]]:
    log.configure("error", "console")
    registry.items_by_id()
    with simulator() as url, TemporaryDirectory() as folder:
        return [await _run(url, Path(folder) / str(concurrency), concurrency) for concurrency in CONCURRENCY]


async def _run(url: str, folder: Path, concurrency: int) -> tuple[str, str, str]:
    settings = load(
        None, data_dir=folder, judge_base_url=url, judge_model="simulated/judge", plans=QUESTIONS, log_level="error",
        notifiers={},
    )  # fmt: skip
    async with wiring.running(settings) as services:
        body = {
            "name": "bench", "base_url": url, "model": "simulated/base", "schedules": {},
            "limits": {"concurrency": concurrency},
        }  # fmt: skip
        await register(services, EndpointIn.model_validate(body))
        await once(services)  # imports, connections
        cpu, began = _cpu(), time.perf_counter()
        row = await once(services)
        took, spent = time.perf_counter() - began, _cpu() - cpu
    calls = row.requests
    detail = f"{calls} calls (answers and grades) in {took:.1f} s, {spent / calls * 1000:.2f} ms CPU a call, stored"
    return f"a run, {concurrency} at once", f"{calls / took:.0f} calls/s", detail


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


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
