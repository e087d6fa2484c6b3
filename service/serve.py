"""One process that serves: the services around the web application, ended in order by SIGTERM or Ctrl-C."""

import asyncio
import gc
import sys

from service import app, wiring
from service.listen import CannotListenError, listen
from service.memory import share_pools
from service.settings import ConfigError, Settings
from service.storage import migrate


async def serve(settings: Settings, *, quit_with_parent: bool = False) -> None:
    """Serve until a stop signal. Raises ConfigError before anything is served, and CannotListenError."""
    async with wiring.running(settings) as services:
        gc.freeze()  # what is loaded stays: looking through it again and again would stop the loop for 0.1 s each time
        await listen(
            app.create(services), host=settings.host, port=settings.port, quit_with_parent=quit_with_parent,
            stopping=services.drain,
        )  # fmt: skip


def run(settings: Settings, *, quit_with_parent: bool = False) -> None:
    """Blocking. Exits 2 with the message when a setting does not hold up."""
    share_pools()
    try:
        migrate.upgrade_apart(settings.sqlalchemy_url())
        asyncio.run(serve(settings, quit_with_parent=quit_with_parent))
    except (ConfigError, CannotListenError) as error:
        print(f"selfwatch: {error}", file=sys.stderr)  # noqa: T201 (the one thing a person must see)
        raise SystemExit(2) from error
