"""Workers of this process: they take queued runs from the database, oldest first."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime
from functools import partial

from sqlalchemy.exc import OperationalError

from probes.runner import GRACE_S
from service.log import logger
from service.monitor import Monitor
from service.storage import runs as run_store
from service.storage.engine import Database
from service.storage.schema import RunRow

IDLE_POLL_S = 2.0
"""Without a wake-up, look for runs this often: leases of dead workers run out in silence."""
STALLED_TOO = 4
"""With the runs that wait for slow servers, so many times `count` at the most."""
DRAIN_S = GRACE_S + 1.0
"""A stop waits so long for runs to hand in what they have."""

log = logger()


class Workers:
    """`count` runs at a time, not counting those that wait for a slow server: they hold up nobody, and nobody has to
    wait for them. `wake()` after queueing; `stop()` puts what is under way back in the queue."""

    def __init__(self, *, database: Database, monitor: Monitor, count: int, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._monitor = monitor
        self._count = count
        self._clock = clock
        self._wake = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._loop: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        self._loop = asyncio.create_task(self._dispatch(), name="workers")

    def wake(self) -> None:
        self._wake.set()

    def drain(self) -> None:
        """Take nothing new and ask nothing new; calls under way are waited for, since they are paid for."""
        self._stopping = True
        self._wake.set()
        self._monitor.drain()

    async def stop(self) -> None:
        """Drain; runs that were not done go back to the queue with their answers."""
        self.drain()
        if self._loop is not None:
            await self._loop
        running = set(self._running.values())
        if running:
            _done, running = await asyncio.wait(running, timeout=DRAIN_S)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _dispatch(self) -> None:
        adopted = False
        while not self._stopping:
            self._wake.clear()
            try:
                if not adopted:
                    await self._adopt()
                    adopted = True
                while self._has_room() and (run := await self._claim()) is not None:
                    task = asyncio.create_task(self._monitor.execute(run), name=f"run-{run.id}")
                    self._running[run.id] = task
                    task.add_done_callback(partial(self._done, run.id))
            except OperationalError:
                pass  # the database says so itself, and is tried again soon
            except Exception:
                log.exception("queue cannot be read", action="queue_failed")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), 0 if self._stopping else IDLE_POLL_S)

    async def _adopt(self) -> None:
        """What a process that was killed left behind is taken up at once, not when its lease has run out."""
        async with self._database.write() as session:
            found = await run_store.orphans(session, self._clock())
        if found:
            log.info("runs of a process that is no more are taken up", action="runs_adopted", runs=found)

    def _has_room(self) -> bool:
        if self._stopping or len(self._running) >= STALLED_TOO * self._count:
            return False
        return sum(not self._monitor.stalled(run_id) for run_id in self._running) < self._count

    def _done(self, run_id: str, task: asyncio.Task[None]) -> None:
        self._running.pop(run_id, None)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("worker failed", action="worker_failed", run=run_id, error=type(error).__name__)

    async def _claim(self) -> RunRow | None:
        async with self._database.write() as session:
            return await run_store.claim(session, self._clock(), not_these=self._running)
