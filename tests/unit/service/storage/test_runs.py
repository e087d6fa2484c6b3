"""The queue: slots are unique, leases fence, answers are stored once."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from probes.types import Answer, Cell, Reason, Score, Unscored
from service.storage import answers as answer_store
from service.storage import runs
from service.storage.engine import Database
from service.storage.schema import EndpointRow, RunRow
from tests.support.database import NOW, add_endpoint, add_run, open_database

CELL = Cell(probe="self_assessment", dimension="good_evil", method="decision")
SCORED = Answer(
    item_id="i1", cell=CELL, repeat=0, outcome=Score(value=0.25, scorer="choice/1"), reply="good", attempts=2,
    latency_s=0.5, prompt_tokens=7, completion_tokens=1, judge_prompt_tokens=20, judge_completion_tokens=2,
)  # fmt: skip
UNSCORED = Answer(
    item_id="i1", cell=CELL, repeat=1, outcome=Unscored(reason=Reason.REFUSED, detail="I cannot"), reply="I cannot"
)


async def claim(database: Database, seconds: float = 0) -> RunRow | None:
    async with database.write() as session:
        return await runs.claim(session, NOW + timedelta(seconds=seconds))


async def stored(database: Database, run: RunRow) -> RunRow:
    async with database.read() as session:
        return await session.get_one(RunRow, run.id)


async def test_a_slot_is_one_run_however_often_it_is_asked_for(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        found = await asyncio.gather(*(add_run(database, endpoint, "due:1") for _ in range(10)))
        assert len({run.id for run in found}) == 1
        assert (await add_run(database, endpoint, "due:2")).id != found[0].id


async def test_ids_sort_by_creation() -> None:
    ids = [runs.run_id(NOW + timedelta(milliseconds=i)) for i in range(100)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 100
    assert all(len(one) == 32 for one in ids)


async def test_a_run_is_claimed_once_and_the_oldest_first(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        later = await add_run(database, await add_endpoint(database, "a"), at=NOW + timedelta(seconds=1))
        sooner = await add_run(database, await add_endpoint(database, "b"), at=NOW)
        claimed = [await claim(database, 2) for _ in range(3)]
        assert [run.id if run else None for run in claimed] == [sooner.id, later.id, None]


async def test_two_runs_of_one_endpoint_do_not_overlap(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        first, second = await add_run(database, endpoint, "1"), await add_run(database, endpoint, "2", NOW)
        taken = await claim(database)
        assert taken is not None
        assert taken.id == min(first.id, second.id)
        assert await claim(database) is None


async def test_a_dead_workers_run_is_taken_over_and_the_dead_cannot_write(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        await add_run(database, await add_endpoint(database))
        dead = await claim(database)
        assert dead is not None
        assert await claim(database, runs.LEASE.total_seconds() - 1) is None
        heir = await claim(database, runs.LEASE.total_seconds() + 1)
        assert heir is not None
        assert heir.id == dead.id
        assert heir.started_at == dead.started_at
        with pytest.raises(runs.LostLeaseError):
            async with database.write() as session:
                await answer_store.store_answers(session, dead, [SCORED], NOW)
        async with database.read() as session:
            assert await answer_store.answers_of(session, [dead.id]) == []


async def test_answers_come_back_as_they_were_stored(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        await add_run(database, await add_endpoint(database))
        run = await claim(database)
        assert run is not None
        async with database.write() as session:
            await answer_store.store_answers(session, run, [SCORED, UNSCORED], NOW)
        async with database.read() as session:
            assert await answer_store.answers_of(session, [run.id]) == [SCORED, UNSCORED]
        row = await stored(database, run)
        assert (row.answered, row.requests) == (2, 3)
        assert (row.prompt_tokens, row.completion_tokens) == (27, 3)


async def test_an_answer_stored_twice_stays_as_it_was(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        await add_run(database, await add_endpoint(database))
        run = await claim(database)
        assert run is not None
        for answer in (SCORED, UNSCORED, SCORED):
            async with database.write() as session:
                await answer_store.store_answers(session, run, [answer], NOW)
        async with database.read() as session:
            assert await answer_store.answers_of(session, [run.id]) == [SCORED, UNSCORED]


async def test_storing_renews_the_lease(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        await add_run(database, await add_endpoint(database))
        run = await claim(database)
        assert run is not None
        async with database.write() as session:
            await answer_store.store_answers(session, run, [], NOW + timedelta(seconds=20))
        assert await claim(database, 40) is None


async def test_a_released_run_is_queued_again_with_its_answers(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        await add_run(database, await add_endpoint(database))
        run = await claim(database)
        assert run is not None
        async with database.write() as session:
            await answer_store.store_answers(session, run, [SCORED], NOW)
            await runs.release(session, run)
        again = await claim(database)
        assert again is not None
        assert (again.id, again.answered) == (run.id, 1)


async def test_cancelling_ends_a_queued_run_and_marks_a_running_one(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        queued = await add_run(database, await add_endpoint(database, "a"), at=NOW + timedelta(seconds=5))
        await add_run(database, await add_endpoint(database, "b"))
        running = await claim(database)
        assert running is not None
        for run in (queued, running):
            async with database.write() as session:
                await runs.request_cancel(session, run, NOW)
        assert (await stored(database, queued)).state == "cancelled"
        row = await stored(database, running)
        assert (row.state, row.cancel_requested) == ("running", True)


async def test_deleting_an_endpoint_deletes_its_runs(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        await add_run(database, endpoint)
        async with database.write() as session:
            await session.delete(await session.get_one(EndpointRow, endpoint.id))
        async with database.read() as session:
            assert (await session.scalars(select(RunRow))).all() == []
