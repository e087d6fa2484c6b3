"""A real HTTP server on loopback that plays the receiver of webhooks."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Receiver:
    """`got`: every request as (headers, body). `status`, `headers`, `delay_s`: how to answer."""

    url: str = ""
    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_s: float = 0.0
    got: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.paths.append(request.path_qs)
        self.got.append((request.headers, await request.read()))
        await asyncio.sleep(self.delay_s)
        return web.Response(status=self.status, headers=self.headers, body=self.body)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Listens on a free port of 127.0.0.1 until the block ends."""
    state = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", state.handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        state.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield state
    finally:
        await runner.cleanup()
