"""The database connection: SQLite in WAL mode, one writer at a time, short transactions."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from service.log import logger
from service.uninterrupted import uninterrupted

BUSY_TIMEOUT_MS = 5_000
READ, WRITE = "read", "write"
GONE = "the database's file is gone; put it back, or stop the service before you remove it"
FIRST_WAIT_S = 0.1
MAX_WAIT_S = 5.0

T = TypeVar("T")
log = logger()


class Database:
    """Sessions over one engine. `read()` sees a snapshot; `write()` commits on exit and rolls back on any error.

    `trouble`: what the database last said when it could not be used; None while it can. Its file must exist: one that
    is gone is not made anew, and open connections to what it was are not used.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.url = url
        self._troubles: dict[str, str] = {}
        self._stuck = 0
        self._file = Path(parsed.database) if parsed.database and parsed.database != ":memory:" else None
        self._known: tuple[int, int] | None = None
        # hidden: the text of an error would hold what was to be stored, such as replies, and errors are logged
        self._engine = create_async_engine(_existing(parsed), hide_parameters=True)
        event.listen(self._engine.sync_engine, "connect", _configure)
        event.listen(self._engine.sync_engine, "begin", _begin)
        self._reader = async_sessionmaker(self._engine, expire_on_commit=False)
        writing = self._engine.execution_options(selfwatch_write=True)
        self._writer = async_sessionmaker(writing, expire_on_commit=False)
        # SQLite has one writer; queueing here keeps waiting out of its busy handler, which blocks a thread.
        self._lock = asyncio.Lock()

    @property
    def trouble(self) -> str | None:
        return self._troubles.get(WRITE) or self._troubles.get(READ)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        with self._watched(READ):
            await self._same_file()
            async with self._reader() as session:
                yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        with self._watched(WRITE):
            async with self._lock:
                await self._same_file()
                async with self._writer() as session, session.begin():
                    yield session

    async def _same_file(self) -> None:
        """A file that was removed can still be written to by whoever has it open: it would all be lost. Raises
        OperationalError while it is gone; one that was put in its place is opened."""
        if self._file is None:
            return
        try:
            found = self._file.stat()
        except OSError as error:
            raise OperationalError(str(self._file), {}, sqlite3.OperationalError(GONE)) from error
        if self._known is not None and self._known != (found.st_dev, found.st_ino):
            await self._engine.dispose()
        self._known = (found.st_dev, found.st_ino)

    @contextmanager
    def _watched(self, kind: str) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            said = str(error.orig)
            if self.trouble is None:
                log.error(  # noqa: TRY400 (a traceback each time it is locked would say nothing more)
                    "the database cannot be used; trying again", action="database_trouble", said=said
                )
            self._troubles[kind] = said
            raise
        self._is_back(kind)

    def _is_back(self, kind: str) -> None:
        """That it can be read does not mean that it takes a write; nor does one write that changes nothing mean that it
        takes those that are still refused, when the disk is full."""
        if not self._troubles or (kind == WRITE and self._stuck > 0):
            return
        cured = (READ, WRITE) if kind == WRITE else (READ,)
        self._troubles = {one: said for one, said in self._troubles.items() if one not in cured}
        if not self._troubles:
            log.info("the database can be used again", action="database_back")

    async def persistently(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do `work`, again and again until the database takes it: it may be locked, full or gone for a while.

        Only the waiting in between can be cancelled. Raises what `work` raises for any other reason.
        """
        wait_s, stuck = FIRST_WAIT_S, False
        try:
            while True:
                try:
                    return await uninterrupted(work())
                except OperationalError:
                    self._stuck += not stuck
                    stuck = True
                    await asyncio.sleep(wait_s)
                    wait_s = min(2 * wait_s, MAX_WAIT_S)
        finally:
            if stuck:
                self._stuck -= 1
                self._is_back(WRITE)

    async def close(self) -> None:
        await self._engine.dispose()


def _existing(url: URL) -> URL:
    """The same database, opened only if it is there."""
    if not url.database or url.database == ":memory:":
        return url
    return url.set(database=f"file:{quote(url.database)}", query={**url.query, "mode": "rw", "uri": "true"})


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
