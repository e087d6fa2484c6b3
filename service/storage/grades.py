"""Grades that the judge has given, kept so that the same reply to the same prompt is judged once."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import OperationalError

from probes.judge import MemoryGrades
from service.storage.engine import Database
from service.storage.schema import GradeRow
from service.uninterrupted import uninterrupted

KEEP = timedelta(days=30)
BATCH = 200
GATHER_S = 0.005
"""A look-up waits so long for others to share it with."""


class DatabaseGrades:
    """The newest in memory, all in the database. Written in batches: what a crash loses is judged again."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._near = MemoryGrades()
        self._unsaved: dict[str, tuple[int, datetime]] = {}
        self._wanted: dict[str, asyncio.Future[int | None]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def get(self, key: str) -> int | None:
        """The grade, if it is known. What is wanted at the same time is looked up together. A database that cannot be
        read knows none."""
        found = await self._near.get(key)
        if found is not None:
            return found
        if key not in self._wanted:
            self._wanted[key] = asyncio.get_running_loop().create_future()
        wanted = self._wanted[key]
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_up(), name="grades")
        return await asyncio.shield(wanted)

    async def _look_up(self) -> None:
        while self._wanted:
            await asyncio.sleep(GATHER_S)
            batch = dict(list(self._wanted.items())[:BATCH])
            try:
                known = await uninterrupted(self._read(list(batch)))
            except OperationalError:
                known = {}
            for key, wanted in batch.items():
                del self._wanted[key]
                wanted.set_result(known.get(key))

    async def _read(self, keys: Sequence[str]) -> dict[str, int]:
        query = select(GradeRow.key, GradeRow.grade).where(GradeRow.key.in_(keys), GradeRow.at >= self._clock() - KEEP)
        async with self._database.read() as session:
            return {row.key: row.grade for row in await session.execute(query)}

    async def put(self, key: str, grade: int) -> None:
        await self._near.put(key, grade)
        self._unsaved[key] = (grade, self._clock())
        if len(self._unsaved) >= BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Write what is not yet in the database, and drop what is too old. What it does not take now is tried again."""
        batch, self._unsaved = self._unsaved, {}
        if not batch:
            return
        try:
            await uninterrupted(self._write(batch))
        except OperationalError:
            self._unsaved = batch | self._unsaved

    async def _write(self, batch: dict[str, tuple[int, datetime]]) -> None:
        values = [{"key": key, "grade": grade, "at": at} for key, (grade, at) in batch.items()]
        statement = insert(GradeRow)
        update = {"grade": statement.excluded.grade, "at": statement.excluded.at}
        async with self._database.write() as session:
            await session.execute(statement.on_conflict_do_update(index_elements=["key"], set_=update), values)
            await session.execute(delete(GradeRow).where(GradeRow.at < self._clock() - KEEP))

    async def forget_since(self, since: datetime | None) -> None:
        """Drop the grades given after `since` (None: all): the judge was found to have moved by now."""
        self._near = MemoryGrades()
        self._unsaved = {}
        query = delete(GradeRow) if since is None else delete(GradeRow).where(GradeRow.at > since)
        async with self._database.write() as session:
            await session.execute(query)

    async def count(self) -> int:
        """How many grades are in the database."""
        async with self._database.read() as session:
            return await session.scalar(select(func.count()).select_from(GradeRow)) or 0
