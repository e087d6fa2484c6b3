"""Answers on their way to the database: safe when `keep` returns, whatever the database does meanwhile."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from probes.types import Answer, Cell, Reason, Score, Unscored
from service.amounts import Amounts, of_answers, of_grade
from service.storage import runs
from service.storage.engine import Database
from service.storage.runs import LostLeaseError
from service.storage.schema import AnswerRow, RunRow, SpendingRow
from service.writer import AnswerWriter
from tests.support.database import add_endpoint, add_run, open_database

CELL = Cell(probe="harm", category="insults")


def answer(number: int, score: float | None = 0.25) -> Answer:
    """Without a score it awaits its grade."""
    pending = Unscored(reason=Reason.JUDGE_PENDING)
    return Answer(
        item_id=f"i{number}", cell=CELL, repeat=0, reply="x", attempts=1, prompt_tokens=10, completion_tokens=2,
        outcome=pending if score is None else Score(value=score, scorer="judge/2"),
    )  # fmt: skip


def grade(one: Answer, score: float, saved: int = 0) -> Answer:
    outcome = Score(value=score, scorer="judge/2")
    return replace(one, outcome=outcome, judge_attempts=1, judge_prompt_tokens=7, saved=saved)


@asynccontextmanager
async def claimed(folder: Path) -> AsyncIterator[tuple[Database, RunRow]]:
    async with open_database(folder) as database:
        await add_run(database, await add_endpoint(database))
        async with database.write() as session:
            run = await runs.claim(session, datetime.now(UTC))
        assert run is not None
        yield database, run


def writer(database: Database, run: RunRow, stopped: list[bool] | None = None, **more: object) -> AnswerWriter:
    def stop() -> None:
        if stopped is not None:
            stopped.append(True)

    paid: dict[str, object] = {"priced": priced, "clock": lambda: datetime.now(UTC)}
    return AnswerWriter(database, run, changed=lambda: None, stop=stop, **(paid | more))  # type: ignore[arg-type]


def priced(new: Sequence[Answer], graded: Sequence[Answer]) -> Amounts:
    return of_answers(new) + sum((of_grade(one) for one in graded), Amounts())


async def rows(database: Database) -> dict[str, AnswerRow]:
    async with database.read() as session:
        return {row.item_id: row for row in await session.scalars(select(AnswerRow))}


async def run_now(database: Database, run: RunRow) -> RunRow:
    async with database.read() as session:
        return await session.get_one(RunRow, run.id)


async def test_an_answer_is_stored_when_keep_returns_and_many_share_a_commit(tmp_path: Path) -> None:
    async with claimed(tmp_path) as (database, run):
        commits = 0
        made = writer(database, run, in_flight=lambda: 50)

        def changed() -> None:
            nonlocal commits
            commits += 1

        made._changed = changed
        async with made.open():
            await asyncio.gather(*(made.keep(answer(n)) for n in range(50)))
            assert len(await rows(database)) == 50
            assert commits <= 3
        now = await run_now(database, run)
        assert (now.answered, now.requests, now.prompt_tokens, now.completion_tokens) == (50, 50, 500, 100)


async def test_a_grade_settles_the_reply_that_was_stored_before_and_is_paid_for_once(tmp_path: Path) -> None:
    async with claimed(tmp_path) as (database, run):
        made = writer(database, run)
        async with made.open():
            await made.keep(answer(1, None))
            stored = (await rows(database))["i1"]
            assert (stored.reason, stored.score, stored.reply) == ("judge_pending", None, "x")
            await made.keep(grade(answer(1), 1.0, saved=9))
        stored = (await rows(database))["i1"]
        assert (stored.reason, stored.score, stored.saved, stored.judge_attempts) == (None, 1.0, 9, 1)
        now = await run_now(database, run)
        assert (now.answered, now.requests, now.prompt_tokens) == (10, 2, 17)


async def test_a_grade_that_catches_up_with_its_reply_is_stored_in_one(tmp_path: Path) -> None:
    async with claimed(tmp_path) as (database, run):
        made = writer(database, run, in_flight=lambda: 9)
        async with made.open():
            await asyncio.gather(made.keep(answer(1, None)), made.keep(grade(answer(1), 0.5)))
        assert (await rows(database))["i1"].score == 0.5
        now = await run_now(database, run)
        assert (now.answered, now.requests, now.prompt_tokens) == (1, 2, 17)


async def test_replies_of_an_earlier_try_are_settled_too(tmp_path: Path) -> None:
    async with claimed(tmp_path) as (database, run):
        first = writer(database, run)
        async with first.open():
            await first.keep(answer(1, None))
        second = writer(database, run, pending=[("i1", 0)])
        async with second.open():
            await second.keep(grade(answer(1), 0.75))
        assert (await rows(database))["i1"].score == 0.75
        assert (await run_now(database, run)).answered == 1


async def test_a_settled_answer_is_never_changed_again(tmp_path: Path) -> None:
    async with claimed(tmp_path) as (database, run):
        made = writer(database, run)
        async with made.open():
            await made.keep(answer(1, None))
            await made.keep(grade(answer(1), 0.5))
            await made.keep(grade(answer(1), 1.0))
        assert (await rows(database))["i1"].score == 0.5


async def test_a_locked_database_delays_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.storage.engine.BUSY_TIMEOUT_MS", 50)
    async with claimed(tmp_path) as (database, run):
        made = writer(database, run)
        async with made.open():
            await made.keep(answer(0))
            other = sqlite3.connect(tmp_path / "selfwatch.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            keeping = [asyncio.create_task(made.keep(answer(n))) for n in range(1, 20)]
            await asyncio.sleep(0.5)
            assert not any(task.done() for task in keeping), "not safe yet, so not said to be"
            assert database.trouble is not None
            assert "locked" in database.trouble
            other.execute("ROLLBACK")
            other.close()
            await asyncio.gather(*keeping)
        assert len(await rows(database)) == 20
        assert (await run_now(database, run)).answered == 20
        assert database.trouble is None


async def test_a_full_disk_delays_and_loses_nothing(tmp_path: Path) -> None:
    """SQLite's own SQLITE_FULL, by the bound on its pages."""
    async with claimed(tmp_path) as (database, run):
        pages = []

        async def bound(most: int) -> None:
            async with database.write() as session:
                connection = await session.connection()
                pages.append((await connection.exec_driver_sql(f"PRAGMA max_page_count={most}")).scalar())

        made = writer(database, run)
        async with made.open():
            await bound(1)  # as many as there are
            keeping = [asyncio.create_task(made.keep(replace(answer(n), reply="y" * 9000))) for n in range(40)]
            async with asyncio.timeout(10):
                while database.trouble is None:
                    await asyncio.sleep(0.05)
            assert "full" in database.trouble
            assert not any(task.done() for task in keeping)
            assert await rows(database) == {}, "it can still be read"
            assert database.trouble is not None, "that it can be read does not mean that it is well"
            await bound(1_000_000)
            await asyncio.gather(*keeping)
        assert len(await rows(database)) == 40
        assert database.trouble is None


async def test_a_file_that_is_gone_for_a_while_is_waited_for_and_never_made_anew(tmp_path: Path) -> None:
    async with claimed(tmp_path) as (database, run):
        made = writer(database, run)
        async with made.open():
            await made.keep(answer(0))
            await database.close()  # connections are lost as well
            away = tmp_path / "away"
            away.mkdir()
            for file in tmp_path.glob("selfwatch.db*"):
                file.rename(away / file.name)
            keeping = asyncio.create_task(made.keep(answer(1)))
            await asyncio.sleep(0.5)
            assert not keeping.done()
            assert not (tmp_path / "selfwatch.db").exists()
            assert database.trouble is not None
            for file in away.iterdir():
                file.rename(tmp_path / file.name)
            await keeping
        assert set(await rows(database)) == {"i0", "i1"}


async def test_a_lost_lease_stops_the_writer_and_tells_everyone_who_waits(tmp_path: Path) -> None:
    async with claimed(tmp_path) as (database, run):
        async with database.write() as session:
            (await session.get_one(RunRow, run.id)).lease = "another"
        made = writer(database, run)
        with pytest.raises(ExceptionGroup) as caught:
            async with made.open():
                found = await asyncio.gather(*(made.keep(answer(n)) for n in range(3)), return_exceptions=True)
                assert all(isinstance(one, LostLeaseError) for one in found)
                await asyncio.sleep(60)
        assert caught.group_contains(LostLeaseError)
        assert await rows(database) == {}


@pytest.mark.parametrize("wish", ["cancel_requested", "paused"])
async def test_it_says_when_the_run_is_to_stop(tmp_path: Path, wish: str) -> None:
    async with claimed(tmp_path) as (database, run):
        stopped: list[bool] = []
        made = writer(database, run, stopped)
        async with made.open():
            await made.keep(answer(1))
            assert stopped == []
            async with database.write() as session:
                setattr(await session.get_one(RunRow, run.id), wish, True)
            made.look()
            async with asyncio.timeout(5):
                while not stopped:
                    await asyncio.sleep(0.01)
        assert (made.wishes.cancelled, made.wishes.paused) == (wish == "cancel_requested", wish == "paused")


async def test_cut_off_at_any_moment_it_stores_what_it_has_and_counts_it_once(tmp_path: Path) -> None:
    async with claimed(tmp_path) as (database, run):
        total = 0
        for attempt in range(40):
            made = writer(database, run)

            async def work(made: AnswerWriter = made, first: int = attempt * 10) -> None:
                async with made.open():
                    await asyncio.gather(*(made.keep(answer(first + n)) for n in range(10)))

            task = asyncio.create_task(work())
            await asyncio.sleep(0.001 * attempt)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            stored = len(await rows(database))
            assert stored >= total
            total = stored
            assert (await run_now(database, run)).answered == stored
        assert total >= 300


async def test_what_an_answer_cost_is_stored_with_it_and_its_grade_later_once(tmp_path: Path) -> None:
    async with claimed(tmp_path) as (database, run):
        made = writer(database, run)
        waiting = answer(1, None)
        async with made.open():
            await made.keep(waiting)
            assert await spent(database) == {0: (1, 12, 0), run.endpoint_id: (1, 12, 0)}
            await made.keep(grade(waiting, 0.5))
            await made.keep(answer(2))
        assert await spent(database) == {0: (3, 24, 7), run.endpoint_id: (3, 24, 7)}
        row = await run_now(database, run)
        assert row.requests == 3
        assert row.prompt_tokens + row.completion_tokens == 24 + 7


async def spent(database: Database) -> dict[int, tuple[int, int, int]]:
    """By scope: requests, the model's tokens, the judge's."""
    async with database.read() as session:
        return {
            row.scope: (
                row.requests, row.prompt_tokens + row.completion_tokens,
                row.judge_prompt_tokens + row.judge_completion_tokens,
            )
            for row in await session.scalars(select(SpendingRow))
        }  # fmt: skip
