"""One process that serves: the services around uvicorn, ended in order by SIGTERM or Ctrl-C."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable

import uvicorn

from service import app, wiring
from service.settings import ConfigError, Settings

DRAIN_S = 5
"""Open requests may take this long after a stop signal."""


async def serve(settings: Settings, *, quit_with_parent: bool = False) -> None:
    """Serve until a stop signal. Raises ConfigError before anything is served."""
    async with wiring.running(settings) as services:
        config = uvicorn.Config(
            app.create(services),
            host=settings.host,
            port=settings.port,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=DRAIN_S,
            server_header=False,
        )
        server = uvicorn.Server(config)

        def stop() -> None:
            server.should_exit = True

        # uvicorn raises the signal again once it is down; without these handlers that would skip our own shutdown
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, stop)
        watcher = asyncio.create_task(_watch_parent(stop)) if quit_with_parent else None
        try:
            await server.serve()
        except SystemExit as error:  # uvicorn's way to say that it could not bind
            raise ConfigError(
                f"cannot listen on {settings.host}:{settings.port}; is another process using it? choose another --port"
            ) from error
        finally:
            if watcher is not None:
                watcher.cancel()


async def _watch_parent(stop: Callable[[], None]) -> None:
    """Call `stop` when the process that started us is gone, so that a killed demo leaves nothing behind."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 (the kernel sets no event)
        await asyncio.sleep(0.5)
    stop()


def run(settings: Settings, *, quit_with_parent: bool = False) -> None:
    """Blocking. Exits 2 with the message when a setting does not hold up."""
    try:
        asyncio.run(serve(settings, quit_with_parent=quit_with_parent))
    except ConfigError as error:
        print(f"selfwatch: {error}", file=sys.stderr)  # noqa: T201 (the one thing a person must see)
        raise SystemExit(2) from error
