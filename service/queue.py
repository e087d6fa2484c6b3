"""Workers of this process: they take queued runs from the database, oldest first."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime

from service.log import logger
from service.monitor import Monitor
from service.storage import runs as run_store
from service.storage.engine import Database
from service.storage.schema import RunRow

IDLE_POLL_S = 2.0
"""Without a wake-up, look for runs this often: leases of dead workers run out in silence."""

log = logger()


class Workers:
    """`count` runs at a time. `wake()` after queueing; `stop()` puts what is under way back in the queue."""

    def __init__(self, *, database: Database, monitor: Monitor, count: int, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._monitor = monitor
        self._count = count
        self._clock = clock
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        self._loop = asyncio.create_task(self._dispatch(), name="workers")

    def wake(self) -> None:
        self._wake.set()

    async def stop(self) -> None:
        """Take nothing new; runs under way keep their answers and go back to the queue."""
        self._stopping = True
        self._wake.set()
        if self._loop is not None:
            await self._loop
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _dispatch(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                while self._has_room() and (run := await self._claim()) is not None:
                    task = asyncio.create_task(self._monitor.execute(run), name=f"run-{run.id}")
                    self._running.add(task)
                    task.add_done_callback(self._done)
            except Exception:
                log.exception("queue cannot be read", action="queue_failed")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), 0 if self._stopping else IDLE_POLL_S)

    def _has_room(self) -> bool:
        return not self._stopping and len(self._running) < self._count

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("worker failed", action="worker_failed", error=type(error).__name__)

    async def _claim(self) -> RunRow | None:
        async with self._database.write() as session:
            return await run_store.claim(session, self._clock())
