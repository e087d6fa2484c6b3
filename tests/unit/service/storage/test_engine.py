"""Transactions: one writer, snapshots for readers, nothing half written."""

import asyncio
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError, StatementError

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
