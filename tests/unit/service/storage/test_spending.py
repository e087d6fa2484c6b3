"""The table of what was spent: by scope and day, in the transaction of what was paid for."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from service.amounts import Amounts
from service.storage import endpoints, spending
from service.storage.schema import RunRow, SpendingRow
from service.storage.spending import TOTAL, Spent
from tests.support.database import NOW, add_endpoint, add_run, open_database

TAKEN = Amounts(requests=3, prompt_tokens=10, completion_tokens=5, judge_prompt_tokens=100, usd=0.25)


async def test_amounts_add_up_by_endpoint_day_and_in_all(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        runs = [await add_run(database, await add_endpoint(database, name)) for name in ("one", "two")]
        for run, times in zip(runs, (2, 1), strict=True):
            for _ in range(times):
                async with database.write() as session:
                    await spending.add(session, run, TAKEN, NOW)
        async with database.write() as session:
            await spending.add(session, runs[0], TAKEN, NOW + timedelta(days=1))
        async with database.read() as session:
            today = await spending.since(session, date(2026, 3, 2))
            month = await spending.since(session, date(2026, 3, 1))
        one, two = (run.endpoint_id for run in runs)
        assert today == {TOTAL: Spent(tokens=115, usd=0.25), one: Spent(tokens=115, usd=0.25)}
        assert {scope: spent.tokens for scope, spent in month.items()} == {TOTAL: 460, one: 345, two: 115}


async def test_a_run_knows_what_it_has_cost_and_whether_that_was_estimated(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        run = await add_run(database, await add_endpoint(database))
        for amounts in (TAKEN, Amounts(prompt_tokens=1), Amounts(prompt_tokens=1, usd=0.5, estimated=True)):
            async with database.write() as session:
                await spending.add(session, run, amounts, NOW)
        async with database.read() as session:
            row = await session.get_one(RunRow, run.id)
        assert (row.usd, row.usage_estimated) == (0.75, True)


async def test_without_a_price_a_run_has_no_cost_rather_than_none_to_pay(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        run = await add_run(database, await add_endpoint(database))
        async with database.write() as session:
            await spending.add(session, run, Amounts(prompt_tokens=7), NOW)
        async with database.read() as session:
            row = await session.get_one(RunRow, run.id)
        assert (row.usd, row.usage_estimated) == (None, False)


async def test_what_is_rolled_back_was_not_spent(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        run = await add_run(database, await add_endpoint(database))
        with pytest.raises(RuntimeError, match="disk"):
            async with database.write() as session:
                await spending.add(session, run, TAKEN, NOW)
                raise RuntimeError("disk")
        async with database.read() as session:
            assert (await session.scalars(select(SpendingRow))).all() == []


async def test_a_deleted_endpoint_is_refunded_in_its_own_account_only(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        run = await add_run(database, await add_endpoint(database))
        async with database.write() as session:
            await spending.add(session, run, TAKEN, NOW)
            await endpoints.remove(session, run.endpoint_id)
        async with database.read() as session:
            assert set(await spending.since(session, date(2026, 1, 1))) == {TOTAL}
