"""Grades given before: found in the database by a later process, looked up together, and no longer than they hold."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from service.storage.engine import Database
from service.storage.grades import BATCH, KEEP, DatabaseGrades
from tests.support.database import NOW, open_database


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What is asked of the database meanwhile."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        found.append(statement)

    event.listen(database._engine.sync_engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(database._engine.sync_engine, "before_cursor_execute", note)


async def given(database: Database, count: int) -> None:
    """Grades of another process, 1 to 5 in turn."""
    other = DatabaseGrades(database, lambda: NOW)
    for number in range(count):
        await other.put(f"k{number}", 1 + number % 5)
    await other.flush()


async def test_what_is_asked_at_once_is_looked_up_in_one_query(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        await given(database, 100)
        grades = DatabaseGrades(database, lambda: NOW)
        with statements(database) as asked:
            found = await asyncio.gather(*(grades.get(f"k{number}") for number in range(120)))
        assert found == [1 + number % 5 for number in range(100)] + [None] * 20
        assert sum(one.startswith("SELECT") for one in asked) == 1


async def test_more_keys_than_a_query_may_have_are_all_found(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        await given(database, BATCH + 7)
        grades = DatabaseGrades(database, lambda: NOW)
        found = await asyncio.gather(*(grades.get(f"k{number}") for number in range(BATCH + 7)))
        assert None not in found
        assert found[BATCH] == 1 + BATCH % 5


async def test_one_who_gives_up_does_not_take_the_look_up_from_the_others(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        await given(database, 2)
        grades = DatabaseGrades(database, lambda: NOW)
        first, second = (asyncio.create_task(grades.get(key)) for key in ("k0", "k1"))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await second == 2


async def test_a_grade_is_forgotten_after_its_time(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        await given(database, 1)
        assert await DatabaseGrades(database, lambda: NOW + KEEP).get("k0") == 1
        assert await DatabaseGrades(database, lambda: NOW + KEEP + timedelta(seconds=1)).get("k0") is None


async def test_a_database_that_is_gone_knows_no_grades_until_it_is_back(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        await given(database, 2)
        await database.close()
        grades = DatabaseGrades(database, lambda: NOW)
        file = tmp_path / "selfwatch.db"
        file.rename(tmp_path / "away.db")
        assert list(await asyncio.gather(grades.get("k0"), grades.get("k1"))) == [None, None]
        (tmp_path / "away.db").rename(file)
        assert await grades.get("k1") == 2
