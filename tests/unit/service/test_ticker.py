"""The clock of alerting outlives what it looks at, and can be woken."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from alerts.types import DrillOutcome, Flip
from service.alert_facts import Surroundings
from service.alert_policy import Policy
from service.alerting import Alerting
from service.storage import runs
from service.storage.engine import Database
from service.storage.schema import AlertRow, ScheduleRow
from service.ticker import TICK_S, Ticker
from tests.support.database import NOW, add_endpoint, add_run, open_database


def ticker(database: Database, **changes: Any) -> Ticker:
    async def drills(_session: Any, _now: Any) -> DrillOutcome | None:
        return None

    parts: dict[str, Any] = {
        "database": database, "alerting": Alerting(policy=Policy(), public_url="http://here"),
        "surroundings": Surroundings(), "drills": drills, "clock": lambda: NOW, "changed": lambda: None,
    }  # fmt: skip
    return Ticker(**parts | changes)


async def test_it_goes_on_after_a_look_that_failed(tmp_path: Path) -> None:
    looks = 0

    async def drills(_session: Any, _now: Any) -> DrillOutcome | None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise RuntimeError("the database is away")
        return None

    async with open_database(tmp_path) as database:
        made = ticker(database, drills=drills)
        made.start()
        async with asyncio.timeout(2 * TICK_S):
            while looks < 1:
                await asyncio.sleep(0.01)
            made.wake()
            while looks < 2:
                await asyncio.sleep(0.01)
        await made.stop()
        await asyncio.sleep(0)
        assert looks == 2


async def test_flips_are_told_once_they_are_written(tmp_path: Path) -> None:
    outcome = DrillOutcome(failed="hook gave up")

    async def drills(_session: Any, _now: Any) -> DrillOutcome | None:
        return outcome

    async with open_database(tmp_path) as database:
        told: list[Flip] = []
        changed: list[int] = []
        now = NOW
        made = ticker(
            database, drills=drills, clock=lambda: now, flipped=told.append, changed=lambda: changed.append(1)
        )
        assert await made.tick() == 1
        assert await made.tick() == 0
        outcome = DrillOutcome()
        now += timedelta(minutes=1)
        assert await made.tick() == 1
        assert [(flip.rule, flip.endpoint, flip.after.value) for flip in told] == [
            ("DrillFailed", "", "firing"), ("DrillFailed", "", "resolved"),
        ]  # fmt: skip
        assert len(changed) == 2


async def test_what_else_is_due_is_begun_at_every_look(tmp_path: Path) -> None:
    begun = []

    async def also(now: Any) -> None:
        begun.append(now)

    async with open_database(tmp_path) as database:
        made = ticker(database, also=also)
        await made.tick()
        await made.tick()
        assert begun == [NOW, NOW]


async def test_stopping_one_that_was_not_started_is_nothing(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        made = ticker(database)
        await made.stop()
        assert await made.tick() == 0


async def test_one_row_that_cannot_be_read_stops_no_other_alert(tmp_path: Path) -> None:
    async def drills(_session: Any, _now: Any) -> DrillOutcome | None:
        return DrillOutcome(failed="hook gave up")

    async with open_database(tmp_path) as database:
        prod = await add_endpoint(database)
        async with database.write() as session:
            session.add(ScheduleRow(endpoint_id=prod.id, plan="full", spec="now and then", next_due=NOW, since=NOW))
            session.add(ScheduleRow(endpoint_id=prod.id, plan="heartbeat", spec="PT15M", next_due=NOW, since=NOW))
        now = NOW + timedelta(hours=1)
        made = ticker(database, drills=drills, clock=lambda: now)
        assert await made.tick() == 2
        async with database.read() as session:
            rows = (await session.scalars(select(AlertRow))).all()
        assert {(row.subject, row.rule, row.state) for row in rows} == {
            ("", "DrillFailed", "firing"), ("prod", "RunOverdue", "pending"),
        }  # fmt: skip


async def test_heartbeats_that_wait_behind_a_long_run_are_not_overdue_and_those_of_a_dead_worker_are(
    tmp_path: Path,
) -> None:
    async with open_database(tmp_path) as database:
        now = NOW
        endpoint = await add_endpoint(database)
        async with database.write() as session:
            session.add(ScheduleRow(endpoint_id=endpoint.id, plan="heartbeat", spec="PT1M", next_due=NOW))
        await add_run(database, endpoint, at=NOW)
        async with database.write() as session:
            run = await runs.claim(session, NOW)
        assert run is not None
        made = ticker(database, clock=lambda: now)
        for _ in range(40):
            now += timedelta(minutes=1)
            async with database.write() as session:
                await runs.held(session, run, now)  # its worker lives
            assert await made.tick() == 0
        flips = 0
        for _ in range(20):
            now += timedelta(minutes=1)
            flips += await made.tick()
        assert flips == 2, "pending, and firing after the grace"
        async with database.read() as session:
            assert (await session.scalars(select(AlertRow.rule).where(AlertRow.state == "firing"))).all() == [
                "RunOverdue"
            ]
