"""A real service on a real socket, in this event loop, and a model server beside it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from starlette.types import ASGIApp

from service import app, wiring
from service.services import Services
from service.settings import Settings, load

FINISHED = ("succeeded", "partial", "failed", "cancelled")


@asynccontextmanager
async def listening(application: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """`application` behind uvicorn on `port` (0: a free one); gives its URL."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    config = uvicorn.Config(application, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.capture_signals = _no_signals  # type: ignore[method-assign] # pytest keeps its own Ctrl-C
    task = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://{host}:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        bound.close()


def _no_signals() -> Any:
    from contextlib import nullcontext

    return nullcontext()


@dataclass(frozen=True, kw_only=True)
class Live:
    """A running service: its URL, an HTTP client for it, and its parts."""

    url: str
    http: httpx2.AsyncClient
    services: Services

    async def register(self, name: str = "prod", **changes: Any) -> dict[str, Any]:
        """POST an endpoint without schedules. Asserts success."""
        body = {"name": name, "base_url": "http://127.0.0.1:9/v1", "model": "m", "schedules": {}} | changes
        reply = await self.http.post("/api/v1/endpoints", json=body)
        assert reply.status_code == 201, reply.text
        found: dict[str, Any] = reply.json()
        return found

    async def start_run(self, name: str = "prod", plan: str = "heartbeat", **more: Any) -> str:
        reply = await self.http.post(f"/api/v1/endpoints/{name}/runs", json={"plan": plan} | more)
        assert reply.status_code == 202, reply.text
        found: str = reply.json()["id"]
        return found

    async def finished(self, run_id: str, deadline_s: float = 60) -> dict[str, Any]:
        """The run once it is over."""
        async with asyncio.timeout(deadline_s):
            while True:
                run: dict[str, Any] = (await self.http.get(f"/api/v1/runs/{run_id}")).json()
                if run["state"] in FINISHED:
                    return run
                await asyncio.sleep(0.05)

    async def run(self, name: str = "prod", plan: str = "heartbeat", **more: Any) -> dict[str, Any]:
        """Run a plan now and wait for its end."""
        return await self.finished(await self.start_run(name, plan, **more))

    async def get(self, path: str) -> Any:
        reply = await self.http.get(path)
        assert reply.status_code == 200, reply.text
        return reply.json()


def settings_for(folder: Path, **changes: Any) -> Settings:
    """Settings of a service that keeps everything in `folder`, retries without waiting, and runs what it is told to."""
    defaults = {"data_dir": folder / "data", "retry_base_s": 0.0, "log_level": "error", "escalation": "off"}
    return load(None, **(defaults | changes))


@asynccontextmanager
async def live(folder: Path, clock: Callable[[], datetime] = wiring.now, /, **changes: Any) -> AsyncIterator[Live]:
    """The whole service, started and stopped as `selfwatch serve` does it."""
    settings = settings_for(folder, **changes)
    async with (
        wiring.running(settings, clock=clock) as services,
        listening(app.create(services)) as url,
        httpx2.AsyncClient(base_url=url, timeout=20, trust_env=False) as http,
    ):
        yield Live(url=url, http=http, services=services)
