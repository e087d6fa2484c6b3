"""Transactions: one writer, snapshots for readers, nothing half written."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

from service.storage.schema import EndpointRow
from tests.support.database import add_endpoint, open_database


async def test_the_file_is_in_wal_mode_with_foreign_keys(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database, database.read() as session:
        assert await session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await session.scalar(text("PRAGMA foreign_keys")) == 1


async def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        row = await add_endpoint(database, "a")
        with pytest.raises(IntegrityError):
            async with database.write() as session:
                kept = await session.get_one(EndpointRow, row.id)
                kept.model = "changed"
                await session.flush()
                await session.execute(text("INSERT INTO schedules (endpoint_id) VALUES (999)"))
        async with database.read() as session:
            assert (await session.get_one(EndpointRow, row.id)).model == "m"


async def test_a_reader_sees_the_moment_it_began(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        await add_endpoint(database, "a")
        count = select(func.count()).select_from(EndpointRow)
        async with database.read() as session:
            assert await session.scalar(count) == 1
            await add_endpoint(database, "b")
            assert await session.scalar(count) == 1
        async with database.read() as session:
            assert await session.scalar(count) == 2


async def test_many_writers_at_once_all_get_their_turn(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        row = await add_endpoint(database)

        async def increment() -> None:
            async with database.write() as session:
                found = await session.get_one(EndpointRow, row.id)
                await asyncio.sleep(0)
                found.model = f"{found.model}+"

        await asyncio.gather(*(increment() for _ in range(40)))
        async with database.read() as session:
            assert (await session.get_one(EndpointRow, row.id)).model == "m" + "+" * 40


async def test_times_come_back_aware_and_naive_ones_are_refused(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        row = await add_endpoint(database)
        async with database.read() as session:
            created = (await session.get_one(EndpointRow, row.id)).created_at
            assert created.utcoffset() is not None
        with pytest.raises(StatementError, match="naive datetime"):
            async with database.write() as session:
                (await session.get_one(EndpointRow, row.id)).health_at = datetime(2026, 1, 1)  # noqa: DTZ001 (the point)


async def test_a_file_that_was_removed_is_noticed_although_it_is_still_open(tmp_path: Path) -> None:
    """What is written to a removed file is lost as soon as the process ends."""
    async with open_database(tmp_path) as database:
        await add_endpoint(database, "a")
        kept = tmp_path / "kept"
        kept.mkdir()
        for file in tmp_path.glob("selfwatch.db*"):
            file.rename(kept / file.name)
        for use in (database.read, database.write):
            with pytest.raises(OperationalError, match="gone"):
                async with use():
                    pass
        assert database.trouble is not None
        assert "put it back" in database.trouble
        assert list(tmp_path.glob("selfwatch.db*")) == []
        for file in kept.iterdir():
            file.rename(tmp_path / file.name)
        await add_endpoint(database, "b")
        assert database.trouble is None
        async with database.read() as session:
            assert await session.scalar(select(func.count()).select_from(EndpointRow)) == 2


async def test_a_file_that_was_put_in_its_place_is_the_one_that_is_used(tmp_path: Path) -> None:
    """A backup, say."""
    async with open_database(tmp_path) as database:
        await add_endpoint(database, "a")
        async with database.read() as session:
            await session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        shutil.copy(tmp_path / "selfwatch.db", tmp_path / "backup")
        await add_endpoint(database, "b")
        for file in tmp_path.glob("selfwatch.db*"):
            file.unlink()
        (tmp_path / "backup").rename(tmp_path / "selfwatch.db")
        async with database.read() as session:
            assert (await session.scalars(select(EndpointRow.name))).all() == ["a"]
        await add_endpoint(database, "c")
        with closing(sqlite3.connect(tmp_path / "selfwatch.db")) as other:
            assert other.execute("SELECT name FROM endpoints ORDER BY name").fetchall() == [("a",), ("c",)]
