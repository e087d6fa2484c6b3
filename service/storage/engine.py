"""The database connection: SQLite in WAL mode, one writer at a time, short transactions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

BUSY_TIMEOUT_MS = 15_000


class Database:
    """Sessions over one engine. `read()` sees a snapshot; `write()` commits on exit and rolls back on any error."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.url = url
        self._engine = create_async_engine(url)
        event.listen(self._engine.sync_engine, "connect", _configure)
        event.listen(self._engine.sync_engine, "begin", _begin)
        self._reader = async_sessionmaker(self._engine, expire_on_commit=False)
        writing = self._engine.execution_options(selfwatch_write=True)
        self._writer = async_sessionmaker(writing, expire_on_commit=False)
        # SQLite has one writer; queueing here keeps waiting out of its busy handler, which blocks a thread.
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        async with self._reader() as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        async with self._lock, self._writer() as session, session.begin():
            yield session

    async def close(self) -> None:
        await self._engine.dispose()


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver's own begins too late for snapshots
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # IMMEDIATE: a deferred transaction that reads first can fail with "database is locked" when it writes
    mode = "IMMEDIATE" if connection.get_execution_options().get("selfwatch_write") else "DEFERRED"
    connection.exec_driver_sql(f"BEGIN {mode}")
