"""The real server in a process of its own that starts fast: forked from one that has loaded everything already."""

import multiprocessing
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

PRELOADED = [
    "service.serve", "openai.resources.chat.completions", "httpx2", "aiohttp", "alembic.command", "scipy.stats",
    "apscheduler.schedulers.asyncio",
]  # fmt: skip


@cache
def _forks() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _serve(settings: dict[str, Any], log: str) -> None:
    from service import serve
    from service.log import configure
    from service.settings import load

    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    signal.set_wakeup_fd(-1)
    loaded = load(None, **settings)
    configure(loaded.log_level, "console")
    serve.run(loaded)


@contextmanager
def served(folder: Path, port: int, **settings: Any) -> Iterator[Any]:
    """`selfwatch serve` on `port`, ready. Gives the process; it is killed at the end, unless it is gone already."""
    log = folder / "server.log"
    values = {"data_dir": str(folder / "data"), "port": port, "log_level": "warning", "retry_base_s": 0.05} | settings
    process = _forks().Process(target=_serve, args=(values, str(log)), daemon=True)
    process.start()
    try:
        end = time.monotonic() + 60
        while True:
            assert process.is_alive(), log.read_text()
            assert time.monotonic() < end, log.read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield process
    finally:
        if process.is_alive():
            process.kill()
        process.join()
        process.close()
