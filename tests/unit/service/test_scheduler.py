"""Every due slot ends in exactly one recorded state, whatever clocks, people and machines do."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from probes import plans as shipped
from service import scheduler as scheduler_module
from service.scheduler import Scheduler
from service.schedules import schedule_of
from service.storage import endpoints as endpoint_store
from service.storage import runs as run_store
from service.storage import slots as slot_store
from service.storage.engine import Database
from service.storage.schema import CounterRow, EndpointRow, RunRow, ScheduleRow, SlotRow
from tests.support.clock import START, FakeClock
from tests.support.database import add_endpoint, open_database

PLAN = "heartbeat"
PLANS = {PLAN: shipped.PLANS[PLAN]}


def make(database: Database, clock: FakeClock, **changes: Any) -> Scheduler:
    defaults: dict[str, Any] = {"plans": PLANS, "queued": lambda: None}
    return Scheduler(database=database, clock=clock.wall, monotonic=clock.monotonic, **(defaults | changes))


async def schedule(database: Database, endpoint: EndpointRow, now: datetime, spec: str = "PT15M") -> None:
    async with database.write() as session:
        await endpoint_store.set_schedules(session, endpoint.id, {PLAN: spec}, now)


async def slots(database: Database, endpoint: EndpointRow) -> Sequence[SlotRow]:
    """Oldest first."""
    async with database.read() as session:
        return (
            await session.scalars(select(SlotRow).where(SlotRow.endpoint_id == endpoint.id).order_by(SlotRow.id))
        ).all()


async def summary(database: Database, endpoint: EndpointRow) -> list[tuple[str, str | None, int]]:
    return [(row.state, row.reason, row.count) for row in await slots(database, endpoint)]


async def change(database: Database, endpoint: EndpointRow, **values: Any) -> None:
    async with database.write() as session:
        await session.execute(update(EndpointRow).where(EndpointRow.id == endpoint.id).values(**values))


async def work(database: Database, clock: FakeClock, *, end: bool = True) -> RunRow | None:
    """Start the oldest waiting run, as a worker does, and end it."""
    async with database.write() as session:
        run = await run_store.claim(session, clock.now)
        if run is not None and end:
            run.state, run.finished_at, run.lease = "succeeded", clock.now, None
        return run


async def counted(database: Database) -> dict[tuple[str, str], float]:
    async with database.read() as session:
        rows = (await session.scalars(select(CounterRow))).all()
    return {(row.name, row.label2): row.value for row in rows}


async def test_a_slot_ran_when_its_run_started_and_was_late_when_that_took_long(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        clock = FakeClock()
        endpoint = await add_endpoint(database)
        await schedule(database, endpoint, clock.now)
        scheduler = make(database, clock)
        assert await scheduler.look() == 1
        assert await summary(database, endpoint) == [("waiting", None, 1)]
        clock.goes(1)
        first = await work(database, clock)
        assert await scheduler.look() == 0
        (ran,) = await slots(database, endpoint)
        assert first is not None
        assert (ran.state, ran.late_s, ran.run_id) == ("ran", 1.0, first.id)
        clock.goes(3600)
        await scheduler.look()
        clock.goes(120)
        await work(database, clock)
        await scheduler.look()
        late = (await slots(database, endpoint))[-1]
        assert late.state == "late"
        assert late.late_s is not None
        assert 120 <= late.late_s < 900 + 120
        counts = await counted(database)
        assert counts["slots", "ran/"] == counts["slots", "late/"] == 1
        assert counts["slot_lateness", ""] == late.late_s


async def test_a_week_of_downtime_at_a_second_is_one_row(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        clock = FakeClock()
        endpoint = await add_endpoint(database)
        await schedule(database, endpoint, clock.now, "PT1S")
        await make(database, clock).look()
        await work(database, clock)
        clock.goes(7 * 86_400)
        await make(database, clock).look()
        found = await slots(database, endpoint)
        assert [(row.state, row.reason) for row in found] == [
            ("ran", None), ("skipped", "not_running"), ("waiting", None),
        ]  # fmt: skip
        assert abs(found[1].count - 7 * 86_400) <= 2
        assert (await counted(database))["slots", "skipped/not_running"] == found[1].count


async def test_slots_skipped_for_one_reason_over_many_looks_are_one_row(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        clock = FakeClock()
        endpoint = await add_endpoint(database)
        await schedule(database, endpoint, clock.now, "PT1S")
        scheduler = make(database, clock)
        await change(database, endpoint, paused=True)
        for _ in range(40):
            await scheduler.look()
            clock.goes(0.5)
        await change(database, endpoint, paused=False)
        clock.goes(1)
        await scheduler.look()
        paused, waiting = await summary(database, endpoint)
        assert paused[:2] == ("skipped", "paused")
        assert 18 <= paused[2] <= 21
        assert waiting == ("waiting", None, 1)


async def test_stretches_of_different_reasons_are_entries_of_their_own(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        clock = FakeClock()
        endpoint = await add_endpoint(database)
        await schedule(database, endpoint, clock.now, "PT10S")
        states: list[dict[str, Any]] = [{"paused": True}, {"paused": False, "next_probe": START}, {"paused": True}]
        scheduler = make(database, clock)
        for values in states:
            await change(database, endpoint, **values)
            for _ in range(3):
                clock.goes(10)
                await scheduler.look()
        clock.goes(100)
        await change(database, endpoint, paused=False)
        await make(database, clock).look()
        assert [reason for _state, reason, _count in await summary(database, endpoint)] == [
            "paused", "endpoint_down", "paused", "not_running", "endpoint_down",
        ]  # fmt: skip


async def test_at_most_one_run_of_a_plan_waits_and_one_of_an_endpoint_runs(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        clock = FakeClock()
        endpoint = await add_endpoint(database)
        await schedule(database, endpoint, clock.now, "PT10S")
        scheduler = make(database, clock)
        await scheduler.look()
        running = await work(database, clock, end=False)
        for _ in range(4):
            clock.goes(10)
            await scheduler.look()
        assert await summary(database, endpoint) == [
            ("ran", None, 1), ("waiting", None, 1), ("skipped", "previous_waiting", 2),
        ]  # fmt: skip
        async with database.write() as session:
            assert await run_store.held(session, running, clock.now)  # type: ignore[arg-type] # it was claimed above
            assert await run_store.claim(session, clock.now) is None, "one run of an endpoint at a time"


async def test_a_waiting_run_that_is_cancelled_ends_its_slot(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        clock = FakeClock()
        endpoint = await add_endpoint(database)
        await schedule(database, endpoint, clock.now)
        scheduler = make(database, clock)
        await scheduler.look()
        async with database.write() as session:
            run = (await session.scalars(select(RunRow))).one()
            await run_store.request_cancel(session, run, clock.now)
        await scheduler.look()
        assert await summary(database, endpoint) == [("skipped", "cancelled", 1)]


async def skipped_by(database: Database, endpoint: EndpointRow, clock: FakeClock, **changes: Any) -> list[Any]:
    await schedule(database, endpoint, clock.now)
    await make(database, clock, **changes).look()
    return await summary(database, endpoint)


async def test_each_reason_of_our_own_is_named(tmp_path: Path) -> None:
    async def spent(*_: Any) -> bool:
        return True

    async with open_database(tmp_path) as database:
        clock = FakeClock()
        at = await add_endpoint(database, "offline")
        assert await skipped_by(database, at, clock, offline=lambda url: True) == [("skipped", "offline", 1)]
        at = await add_endpoint(database, "spent")
        assert await skipped_by(database, at, clock, budget=spent) == [("skipped", "budget_exhausted", 1)]
        at = await add_endpoint(database, "unknown")
        assert await skipped_by(database, at, clock, plans={}) == [("skipped", "plan_unknown", 1)]
        at = await add_endpoint(database, "down")
        await change(database, at, next_probe=clock.now)
        assert await skipped_by(database, at, clock) == [("skipped", "endpoint_down", 1)]


async def test_a_suspended_machine_runs_the_newest_slot_and_says_what_it_slept_through(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        clock = FakeClock()
        endpoint = await add_endpoint(database)
        await schedule(database, endpoint, clock.now, "PT10M")
        scheduler = make(database, clock)
        await scheduler.look()
        await work(database, clock)
        clock.goes(0.5)
        clock.jumps(2 * 3600)
        await scheduler.look()
        await work(database, clock)
        await scheduler.look()
        found = await slots(database, endpoint)
        assert [(row.state, row.reason) for row in found] == [
            ("ran", None), ("skipped", "suspended_or_clock_jump"), ("late", None),
        ]  # fmt: skip
        assert found[1].count in (10, 11)


@pytest.mark.parametrize("spec", ["PT10M", "*/10 * * * *"])
@pytest.mark.parametrize("hours", [1, 24 * 30])
async def test_a_clock_that_is_set_back_makes_no_schedule_fall_silent(tmp_path: Path, spec: str, hours: int) -> None:
    async with open_database(tmp_path) as database:
        clock = FakeClock()
        endpoint = await add_endpoint(database)
        await schedule(database, endpoint, clock.now, spec)
        scheduler = make(database, clock)
        for _ in range(8):
            clock.goes(300)
            await scheduler.look()
            await work(database, clock)
        before = len(await slots(database, endpoint))
        clock.jumps(-3600 * hours)
        for _ in range(2 * 12):
            clock.goes(150)
            await scheduler.look()
            await work(database, clock)
        found = await slots(database, endpoint)
        assert 5 <= len(found) - before <= 6, "an hour of slots after the jump"
        assert {row.era for row in found} == {0, 1}
        assert all(row.state in ("ran", "late") for row in found[:-1])
        async with database.read() as session:
            runs = (await session.scalars(select(RunRow))).all()
        assert len({run.id for run in runs}) == len(runs) == len(found), "one run a slot, none shared"


async def test_a_clock_that_was_set_back_while_the_service_was_down_is_noticed(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        clock = FakeClock()
        endpoint = await add_endpoint(database)
        await schedule(database, endpoint, clock.now)
        await make(database, clock).look()
        await work(database, clock)
        clock.jumps(-86_400)
        scheduler = make(database, clock)
        await scheduler.look()
        async with database.read() as session:
            row = (await session.scalars(select(ScheduleRow))).one()
        assert timedelta(0) < row.next_due - clock.now <= timedelta(minutes=22.5)
        again = make(database, clock)
        await again.look()
        async with database.read() as session:
            assert (await session.scalars(select(ScheduleRow))).one().era == row.era == 1, "moved once"


async def test_a_database_that_is_gone_for_a_minute_is_the_reason_given(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        clock = FakeClock()
        endpoint = await add_endpoint(database)
        await schedule(database, endpoint, clock.now, "PT5S")
        scheduler = make(database, clock)
        await scheduler.look()
        await work(database, clock)
        async with database.write() as session:
            await session.execute(text("ALTER TABLE schedules RENAME TO gone"))
        for _ in range(12):
            clock.goes(5)
            with pytest.raises(Exception, match="no such table"):
                await scheduler.look()
        async with database.write() as session:
            await session.execute(text("ALTER TABLE gone RENAME TO schedules"))
        await scheduler.look()
        states = await summary(database, endpoint)
        assert states[0] == ("ran", None, 1) or states[0] == ("waiting", None, 1)
        assert states[1][:2] == ("skipped", "storage_down")
        assert states[1][2] in (10, 11)
        assert states[2] == ("waiting", None, 1)


async def test_a_schedule_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        clock = FakeClock()
        bad, good = await add_endpoint(database, "bad"), await add_endpoint(database, "good")
        for endpoint in (bad, good):
            await schedule(database, endpoint, clock.now)
        async with database.write() as session:
            await session.execute(update(ScheduleRow).where(ScheduleRow.endpoint_id == bad.id).values(spec="never"))
        assert await make(database, clock).look() == 1
        assert await summary(database, good) == [("waiting", None, 1)]
        assert await summary(database, bad) == []


async def test_endpoints_registered_together_start_at_once_and_then_spread(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        clock = FakeClock()
        endpoints = [await add_endpoint(database, f"model-{n}") for n in range(60)]
        for endpoint in endpoints:
            await schedule(database, endpoint, clock.now)
        assert await make(database, clock).look() == 60
        async with database.read() as session:
            nexts = sorted((await session.scalars(select(ScheduleRow.next_due))).all())
        assert nexts[0] - clock.now >= timedelta(minutes=7.5)
        assert nexts[-1] - clock.now <= timedelta(minutes=22.5)
        per_minute = [sum(0 <= (at - nexts[0]).total_seconds() - 60 * m < 60 for at in nexts) for m in range(15)]
        assert max(per_minute) <= 12, per_minute


async def test_what_was_missed_while_down_is_due_once_when_it_is_back(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        clock = FakeClock()
        down, other = await add_endpoint(database, "down"), await add_endpoint(database, "other")
        for endpoint in (down, other):
            await schedule(database, endpoint, clock.now, "P1D")
        await change(database, down, next_probe=clock.now)
        scheduler = make(database, clock)
        await scheduler.look()
        clock.goes(600)
        await change(database, down, next_probe=None)
        async with database.write() as session:
            await slot_store.catch_up(session, down.id, clock.now)
            await slot_store.catch_up(session, other.id, clock.now)
        assert await scheduler.look() == 1
        assert await summary(database, down) == [("skipped", "endpoint_down", 1), ("waiting", None, 1)]
        assert len(await slots(database, other)) == 1


async def test_a_schedule_that_is_changed_begins_a_new_era(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        clock = FakeClock()
        endpoint = await add_endpoint(database)
        await schedule(database, endpoint, clock.now)
        await make(database, clock).look()
        await schedule(database, endpoint, clock.now, "PT30M")
        await work(database, clock)
        await make(database, clock).look()
        assert [row.era for row in await slots(database, endpoint)] == [0, 1]


async def test_apscheduler_is_woken_when_the_clock_went_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads the wall clock: set back by an hour, it would sleep for an hour."""
    monkeypatch.setattr(scheduler_module, "WATCH_S", 0.2)
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        await schedule(database, endpoint, datetime.now(UTC) + timedelta(seconds=1))
        scheduler = make(database, FakeClock())
        scheduler._clock = lambda: datetime.now(UTC)
        scheduler.start()
        try:
            assert scheduler._job is not None
            scheduler._job.modify(next_run_time=datetime.now(UTC) + timedelta(hours=1))
            async with asyncio.timeout(5):
                while not await slots(database, endpoint):
                    await asyncio.sleep(0.05)
        finally:
            await scheduler.stop()


STEP = st.one_of(
    st.tuples(st.just("goes"), st.floats(0.5, 4_000)),
    st.tuples(st.just("goes"), st.floats(0.5, 30)),
    st.tuples(st.just("jumps"), st.floats(-20_000, 20_000)),
    st.tuples(st.just("pause"), st.booleans()),
    st.tuples(st.just("down"), st.booleans()),
    st.tuples(st.just("offline"), st.booleans()),
    st.tuples(st.just("work"), st.just(0)),
    st.tuples(st.just("cancel"), st.just(0)),
    st.tuples(st.just("restart"), st.just(0)),
    st.tuples(st.just("breaks"), st.floats(1, 3_000)),
)
SPECS = st.sampled_from(["PT1S", "PT7M", "PT1H", "*/5 * * * *", "17 * * * *"])


class World:
    """One schedule, driven through steps; `check` proves the promise on what was recorded."""

    def __init__(self, database: Database, endpoint: EndpointRow, spec: str) -> None:
        self.database, self.endpoint, self.spec = database, endpoint, spec
        self.clock = FakeClock()
        self.offline = False
        self.anchors: dict[int, datetime] = {}
        self.scheduler = self.fresh()

    def fresh(self) -> Scheduler:
        return make(self.database, self.clock, offline=lambda url: self.offline)

    async def step(self, what: str, value: Any) -> None:
        if what in ("goes", "jumps"):
            getattr(self.clock, what)(value)
        elif what == "pause":
            await change(self.database, self.endpoint, paused=value)
        elif what == "down":
            await change(self.database, self.endpoint, next_probe=self.clock.now if value else None)
        elif what == "offline":
            self.offline = value
        elif what == "work":
            await work(self.database, self.clock)
        elif what == "cancel":
            async with self.database.write() as session:
                for run in await session.scalars(select(RunRow).where(RunRow.state == "queued")):
                    await run_store.request_cancel(session, run, self.clock.now)
        elif what == "restart":
            self.scheduler = self.fresh()
        elif what == "breaks":
            self.scheduler._clocks.failed()
            self.clock.goes(value)
        await self.scheduler.look()

    async def check(self) -> None:
        grid = schedule_of(self.spec, self.endpoint.name, PLAN)
        found = await slots(self.database, self.endpoint)
        async with self.database.read() as session:
            row = (await session.scalars(select(ScheduleRow).where(ScheduleRow.endpoint_id == self.endpoint.id))).one()
            runs = (await session.scalars(select(RunRow).where(RunRow.endpoint_id == self.endpoint.id))).all()
        for era in range(row.era + 1):
            of_era = [one for one in found if one.era == era]
            for one in of_era:
                stretch = grid.stretch(one.due, one.until)
                assert (stretch.last, stretch.count) == (one.until, one.count), "a row holds whole slots"
            for before, after in pairwise(of_era):
                assert after.due == grid.follow(before.until), "no gap, no overlap"
        assert row.next_due > self.clock.now, "everything due is recorded"
        if found and found[-1].era == row.era:
            assert row.next_due == grid.follow(found[-1].until), "and nothing beyond"
        longest = timedelta(hours=1) * 1.5 + timedelta(minutes=2)
        assert row.next_due - self.clock.now <= longest, "no schedule falls silent"
        assert len({(one.era, one.due) for one in found}) == len(found)
        for one in found:
            assert one.state in ("waiting", "ran", "late", "skipped")
            assert (one.reason is not None) == (one.state == "skipped")
            assert (one.late_s is not None) == (one.state in ("ran", "late"))
            assert one.count == 1 or one.state == "skipped"
        assert {run.id for run in runs} == {one.run_id for one in found if one.run_id}, "each run has its slot"
        assert sum(one.state == "waiting" for one in found) <= 1, "at most one run of a plan waits"
        waiting = {run.id for run in runs if run.state == "queued"}
        assert {one.run_id for one in found if one.state == "waiting"} == waiting
        counts = await counted_of(self.database, self.endpoint)
        assert counts == sum(one.count for one in found if one.state != "waiting"), "metrics count each slot once"


async def counted_of(database: Database, endpoint: EndpointRow) -> float:
    async with database.read() as session:
        query = select(CounterRow.value).where(CounterRow.endpoint_id == endpoint.id, CounterRow.name == "slots")
        return sum((await session.scalars(query)).all())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=SPECS, steps=st.lists(STEP, min_size=1, max_size=25))
@example(spec="PT1S", steps=[("goes", 600_000.0), ("jumps", -600_000.0), ("goes", 1.0), ("restart", 0)])
@example(spec="*/5 * * * *", steps=[("goes", 400.0), ("jumps", -301.0), ("goes", 61.0), ("goes", 300.0)])
def test_whatever_happens_each_slot_ends_in_exactly_one_state(
    tmp_path: Path, spec: str, steps: list[tuple[str, Any]]
) -> None:
    async def drive() -> None:
        async with open_database(tmp_path) as database:
            async with database.write() as session:
                await session.execute(text("DELETE FROM endpoints"))
            endpoint = await add_endpoint(database, "prod")
            world = World(database, endpoint, spec)
            await schedule(database, endpoint, START, spec)
            await world.step("goes", 1.0)
            for what, value in steps:
                await world.step(what, value)
                await world.check()

    asyncio.run(drive())
