"""uvicorn around one application, until a stop signal."""

import asyncio
import os
import signal
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from service.log import logger

log = logger()
DRAIN_S = 3
"""Open requests may take this long after a stop signal."""


class CannotListenError(Exception):
    """The address is taken or not ours. The text says what to do."""


async def listen(
    application: ASGIApp,
    *,
    host: str,
    port: int,
    quit_with_parent: bool = False,
    stopping: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C (or the end of the parent process). Raises CannotListenError.

    `stopping` is called at the signal, while open requests still end.
    """
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=DRAIN_S,
        server_header=False,
    )
    server = uvicorn.Server(config)

    def stop() -> None:
        server.should_exit = True
        stopping()

    # uvicorn raises the signal again once it is down; without these handlers that would skip our own shutdown
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop)
    loop.add_signal_handler(signal.SIGHUP, _not_read_again)
    watcher = asyncio.create_task(_watch_parent(stop)) if quit_with_parent else None
    try:
        await server.serve()
    except SystemExit as error:  # uvicorn's way to say that it could not bind
        raise CannotListenError(
            f"cannot listen on {host}:{port}; is another process using it? choose another --port"
        ) from error
    finally:
        if watcher is not None:
            watcher.cancel()


def _not_read_again() -> None:
    """Many servers read their configuration anew at this signal; unhandled, it would end the process at once."""
    log.warning("SIGHUP: the configuration is read at the start only; restart to apply it", action="not_reloaded")


async def _watch_parent(stop: Callable[[], None]) -> None:
    """Call `stop` when the process that started us is gone, so that a killed demo leaves nothing behind."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 (the kernel sets no event)
        await asyncio.sleep(0.5)
    stop()
