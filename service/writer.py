"""Commits answers as they arrive, together every FLUSH_S, under the lease of their run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from probes.types import Answer
from service.storage import runs as run_store
from service.storage.engine import Database
from service.storage.schema import RunRow
from service.uninterrupted import uninterrupted

FLUSH_S = 0.2
"""What a crash can cost: answers of this long."""
RENEW_EVERY_S = 5.0


class RunCancelledError(Exception):
    """The user asked the run to stop."""


class AnswerWriter:
    """Takes answers one by one and stores them in batches. A batch is forgotten only after its commit."""

    def __init__(self, database: Database, run: RunRow, changed: Callable[[], None]) -> None:
        self._database = database
        self._run = run
        self._changed = changed
        self._buffer: list[Answer] = []
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Callable[[Answer], None]]:
        """Gives the function that takes answers. Raises LostLeaseError or RunCancelledError, grouped, while open."""
        stop = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_flushing(stop))
                try:
                    yield self._buffer.append
                finally:
                    stop.set()
        finally:
            if self._buffer:
                await uninterrupted(self._flush())

    async def _keep_flushing(self, stop: asyncio.Event) -> None:
        idle = 0.0
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), FLUSH_S)
            except TimeoutError:
                idle += FLUSH_S
            if self._buffer or idle >= RENEW_EVERY_S:
                # half a commit would leave us not knowing whether the answers are stored
                await uninterrupted(self._flush())
                idle = 0.0

    async def _flush(self) -> None:
        async with self._lock:
            batch = list(self._buffer)
            async with self._database.write() as session:
                row = await run_store.store_answers(session, self._run, batch, datetime.now(UTC))
                cancelled = row.cancel_requested
            del self._buffer[: len(batch)]
        self._changed()
        if cancelled:
            raise RunCancelledError
