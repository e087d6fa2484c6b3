"""Grades that the judge has given, kept so that the same reply to the same prompt is judged once."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from probes.judge import MemoryGrades
from service.storage.engine import Database
from service.storage.schema import GradeRow

KEEP = timedelta(days=30)
BATCH = 200


class DatabaseGrades:
    """The newest in memory, all in the database. Written in batches: what a crash loses is judged again."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._near = MemoryGrades()
        self._unsaved: dict[str, tuple[int, datetime]] = {}

    async def get(self, key: str) -> int | None:
        found = await self._near.get(key)
        if found is not None:
            return found
        async with self._database.read() as session:
            row = await session.get(GradeRow, key)
        return row.grade if row is not None and row.at >= self._clock() - KEEP else None

    async def put(self, key: str, grade: int) -> None:
        await self._near.put(key, grade)
        self._unsaved[key] = (grade, self._clock())
        if len(self._unsaved) >= BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Write what is not yet in the database, and drop what is too old."""
        batch, self._unsaved = self._unsaved, {}
        if not batch:
            return
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
            return len((await session.scalars(select(GradeRow.key))).all())
