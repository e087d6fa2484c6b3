"""Retention on a real SQLite file, under a clock of our own."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from sqlalchemy import func, select

from service import retention as module
from service.retention import Retention
from service.storage import migrate
from service.storage.engine import Database
from service.storage.schema import AnswerRow, EndpointRow, MeasurementRow, RunRow
from service.storage.vacuum import VacuumError, vacuum
from tests.support.database import NOW, add_endpoint, open_database
from tests.support.live import settings_for
from tests.support.retained import add_answered

DAY = timedelta(days=1)


class Store:
    """A database with one endpoint, and a retention over it whose clock is moved by hand."""

    def __init__(self, folder: Path, database: Database, endpoint: EndpointRow, **settings: Any) -> None:
        self.file = folder / "selfwatch.db"
        self.database = database
        self.endpoint = endpoint
        self.at = NOW
        self.changes = 0
        self.retention = self.another(folder, **settings)

    def another(self, folder: Path, **settings: Any) -> Retention:
        def changed() -> None:
            self.changes += 1

        return Retention(
            database=self.database, settings=settings_for(folder, **settings), changed=changed, clock=lambda: self.at,
            pause_s=0.0,
        )  # fmt: skip

    async def add(self, slot: str, age: timedelta, **more: Any) -> str:
        return (await add_answered(self.database, self.endpoint, slot, self.at - age, **more)).id

    async def left(self, run_id: str) -> tuple[int, int]:
        """Answers, and replies."""
        async with self.database.read() as session:
            query = select(func.count(), func.count(AnswerRow.reply)).where(AnswerRow.run_id == run_id)
            answers, replies = (await session.execute(query)).one()
        return answers, replies

    async def stage(self, run_id: str) -> str | None:
        async with self.database.read() as session:
            return (await session.get_one(RunRow, run_id)).retention

    async def measured(self) -> int:
        async with self.database.read() as session:
            return await session.scalar(select(func.count()).select_from(MeasurementRow)) or 0

    def pragma(self, name: str) -> int:
        with closing(sqlite3.connect(self.file)) as connection:
            return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


@asynccontextmanager
async def stored(folder: Path, **settings: Any) -> AsyncIterator[Store]:
    async with open_database(folder) as database:
        yield Store(folder, database, await add_endpoint(database), **settings)


async def test_replies_go_first_then_answers_and_measurements_stay(tmp_path: Path) -> None:
    async with stored(tmp_path) as store:
        run = await store.add("a", timedelta())
        for days, expected, stage in (
            (29, (46, 46), None),
            (31, (46, 0), "no_replies"),
            (89, (46, 0), "no_replies"),
            (91, (0, 0), "no_answers"),
            (4000, (0, 0), "no_answers"),
        ):
            store.at = NOW + days * DAY
            await store.retention.tidy()
            assert (await store.left(run), await store.stage(run)) == (expected, stage)
        assert await store.measured() == 1
        assert (store.retention.report.replies, store.retention.report.answers) == (46, 46)


@pytest.mark.parametrize("state", ["queued", "running"])
async def test_runs_that_are_not_over_keep_everything(tmp_path: Path, state: str) -> None:
    async with stored(tmp_path, retention_mb=0.001) as store:
        run = await store.add("a", 400 * DAY, state=state)
        old = await store.add("b", 399 * DAY)
        await store.retention.tidy()
        assert await store.left(run) == (46, 46)
        assert await store.left(old) == (0, 0)


async def test_runs_that_await_the_judge_keep_everything(tmp_path: Path) -> None:
    async with stored(tmp_path, retention_mb=0.001) as store:
        run = await store.add("a", 400 * DAY, state="partial", reason="judge_pending")
        await store.retention.tidy()
        assert (await store.left(run), await store.stage(run)) == ((46, 46), None)


async def test_a_database_that_is_too_large_loses_the_oldest_replies_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS", 100)
    async with stored(tmp_path, retention_mb=1.0) as store:
        runs = [await store.add(f"{n}", (20 - n) * DAY, reply="x" * 2000) for n in range(20)]
        assert store.pragma("page_count") * 4096 > 3_500_000
        await store.retention.tidy()
        left = [await store.left(run) for run in runs]
        assert left[0] == (46, 0)
        assert left[-1] == (46, 46)
        assert left == sorted(left)  # none is spared among the older
        assert store.retention.report.size is not None
        assert 500_000 < store.retention.report.size.used <= 1_000_000
        assert not store.retention.report.too_large


async def test_it_says_when_removing_replies_does_not_help(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with stored(tmp_path, retention_mb=0.01) as store:
        run = await store.add("a", DAY)
        await store.retention.tidy()
        assert await store.left(run) == (46, 0)
        assert store.retention.report.too_large
        assert "raise retention_mb" in capsys.readouterr().out


async def test_a_large_run_goes_in_small_transactions_and_others_write_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS", 100)
    async with stored(tmp_path) as store:
        run = await store.add("a", 40 * DAY, answers=1000)
        seen: list[int] = []

        async def write_beside() -> None:
            while not seen or seen[-1]:
                async with store.database.write() as session:
                    count = select(func.count(AnswerRow.reply)).where(AnswerRow.run_id == run)
                    seen.append(await session.scalar(count) or 0)
                await asyncio.sleep(0)

        await asyncio.gather(store.retention.tidy(), write_beside())
        between = {left for left in seen if 0 < left < 1000}
        assert len(between) >= 5
        assert all(left % 100 == 0 for left in between)


async def test_it_goes_on_where_it_was_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 100)
    async with stored(tmp_path) as store:
        run = await store.add("a", 40 * DAY, answers=350)
        assert await store.retention._replies(NOW - 30 * DAY)  # one transaction, and the process is gone
        assert (await store.left(run), await store.stage(run)) == ((350, 250), "removing_replies")
        await store.another(tmp_path).tidy()
        assert (await store.left(run), await store.stage(run)) == ((350, 0), "no_replies")
        store.at = NOW + 60 * DAY
        assert await store.retention._answers(NOW + 1 * DAY)
        assert (await store.left(run), await store.stage(run)) == ((250, 0), "removing_answers")
        await store.another(tmp_path).tidy()
        assert (await store.left(run), await store.stage(run)) == ((0, 0), "no_answers")


async def test_many_small_runs_share_a_transaction(tmp_path: Path) -> None:
    async with stored(tmp_path) as store:
        runs = [await store.add(f"{n}", 40 * DAY) for n in range(25)]
        steps = 0
        while await store.retention._replies(NOW - 30 * DAY):
            steps += 1
        assert [await store.left(run) for run in runs] == [(46, 0)] * 25
        assert steps == 3  # 10, 10, 5 runs of 46 answers


async def test_space_is_given_back_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SPARE_PAGES", 10)
    async with stored(tmp_path) as store:
        assert store.pragma("auto_vacuum") == 2
        for n in range(30):
            await store.add(f"{n}", 100 * DAY, reply="x" * 2000)
        before = store.pragma("page_count")
        await store.retention.tidy()
        assert store.pragma("freelist_count") <= 10
        assert store.pragma("page_count") < before / 4


async def test_a_failure_is_logged_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.05)
    async with stored(tmp_path) as store:
        run = await store.add("a", 40 * DAY)
        away = store.file.with_suffix(".away")
        await store.database.close()
        store.file.rename(away)
        store.retention.start(first_s=0.0)
        async with asyncio.timeout(30):
            while store.retention.report.succeeded is not False:
                await asyncio.sleep(0.01)
            away.rename(store.file)
            while not store.retention.report.succeeded:
                await asyncio.sleep(0.01)
        await store.retention.stop()
        assert await store.left(run) == (46, 0)
        assert store.changes >= 2


async def test_metrics_tell_of_size_and_of_what_was_removed(tmp_path: Path) -> None:
    async with stored(tmp_path) as store:
        await store.add("a", 100 * DAY)
        registry = CollectorRegistry()
        registry.register(store.retention.collector)
        assert b"selfwatch_retention_last_run_timestamp_seconds" not in generate_latest(registry)
        await store.retention.tidy()
        text = generate_latest(registry).decode()
        assert 'selfwatch_retention_removed_rows_total{what="replies"} 46.0' in text
        assert 'selfwatch_retention_removed_rows_total{what="answers"} 46.0' in text
        (line,) = [one for one in text.splitlines() if one.startswith("selfwatch_retention_last_run_timestamp")]
        assert float(line.split()[-1]) == NOW.timestamp()
        for part in ("file", "log", "used"):
            (line,) = [one for one in text.splitlines() if f'database_bytes{{part="{part}"}}' in one]
            assert float(line.split()[-1]) > 4096


async def test_an_old_database_is_written_anew(tmp_path: Path) -> None:
    file = tmp_path / "selfwatch.db"
    async with stored(tmp_path) as store:
        for n in range(20):
            await store.add(f"{n}", 100 * DAY, reply="x" * 2000)
    with closing(sqlite3.connect(file)) as connection:  # as an earlier release made it
        connection.execute("PRAGMA auto_vacuum=NONE")
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("VACUUM")
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (0,)
    async with open_database(tmp_path) as database:
        made = Retention(
            database=database, settings=settings_for(tmp_path), changed=lambda: None,
            clock=lambda: datetime.now(UTC) + 9999 * DAY, pause_s=0.0,
        )  # fmt: skip
        await made.tidy()
        with pytest.raises(VacuumError, match="in use; stop the service"):
            vacuum(file)
        async with database.read() as session:
            assert await session.scalar(select(func.count()).select_from(RunRow)) == 20
    done = vacuum(file)
    assert done.after < done.before / 4
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT count(*) FROM measurements").fetchone() == (20,)
    migrate.upgrade(f"sqlite:///{file}")


def test_vacuum_needs_a_database(tmp_path: Path) -> None:
    with pytest.raises(VacuumError, match="there is no database"):
        vacuum(tmp_path / "nothing.db")
