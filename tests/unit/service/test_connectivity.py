"""Is it me? Told apart with a network that does what the test says."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from alerts.operations import WE_ARE_OFFLINE
from alerts.types import Alert, AlertState, Severity
from probes.types import Problem, Reason
from service.connectivity import OFFLINE, Connectivity, Target, beyond_this_machine, target_of
from service.outcome import Outcome
from service.storage import alerts as store
from service.storage import health as health_store
from service.storage.engine import Database
from service.storage.schema import EndpointRow, RunRow, ScheduleRow, SlotRow
from tests.support.clock import FakeClock
from tests.support.database import NOW, add_endpoint, add_run, open_database

UNREACHABLE = Problem(reason=Reason.UNREACHABLE, detail="no route", remedy="check it")
TIMEOUT = Problem(reason=Reason.TIMEOUT, detail="no reply", remedy="check it")


class Net:
    """A network that is up or down, and what was tried on it."""

    def __init__(self) -> None:
        self.up: set[str] = set()
        self.forbidden: set[str] = set()
        self.tried: list[Target] = []

    async def reach(self, target: Target) -> bool | None:
        self.tried.append(target)
        return None if target.host in self.forbidden else target.host in self.up


class World:
    def __init__(self, database: Database, **changes: Any) -> None:
        self.database, self.net, self.clock = database, Net(), FakeClock()
        self.connectivity = Connectivity(
            database=database, reach=self.net.reach, clock=self.clock.wall, monotonic=self.clock.monotonic,
            changed=lambda: None, first_wait_s=0.01, **changes,
        )  # fmt: skip

    async def add(self, name: str, host: str) -> EndpointRow:
        row = await add_endpoint(self.database, name)
        async with self.database.write() as session:
            values = {"base_url": f"https://{host}/v1", "health": "up"}
            await session.execute(update(EndpointRow).where(EndpointRow.id == row.id).values(**values))
        return await self.now(row)

    async def now(self, row: EndpointRow) -> EndpointRow:
        async with self.database.read() as session:
            found = await health_store.current(session, row.id)
            assert found is not None
            return found

    async def fails(self, row: EndpointRow, problem: Problem = UNREACHABLE, run: str = "r") -> Reason | None:
        outcome = await self.connectivity.explain(row, run, Outcome(problem=problem))
        return outcome.problem.reason if outcome.problem else None

    async def becomes(self, row: EndpointRow, health: str) -> EndpointRow:
        async with asyncio.timeout(5):
            while (found := await self.now(row)).health != health:
                await asyncio.sleep(0.01)
        return found

    @property
    def offline(self) -> bool:
        return self.connectivity.offline_since() is not None


@asynccontextmanager
async def world(folder: Path, **changes: Any) -> AsyncIterator[World]:
    async with open_database(folder) as database:
        made = World(database, **changes)
        try:
            yield made
        finally:
            await made.connectivity.stop()


async def test_two_hosts_that_fail_while_nobody_can_be_reached_mean_that_we_are_offline(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        a, b = await w.add("a", "a.example"), await w.add("b", "b.example")
        assert await w.fails(a) is Reason.UNREACHABLE, "one endpoint alone is to blame"
        assert w.net.tried == []
        assert await w.fails(b, TIMEOUT) is Reason.OFFLINE
        assert w.connectivity.offline_since() == w.clock.now
        assert w.connectivity.concerns("https://registered-later.example/v1")
        assert not w.connectivity.concerns("http://localhost:8000/v1")
        assert w.connectivity.concerns(a.base_url)
        assert "offline since" in w.connectivity.describe()


async def test_one_address_that_can_be_reached_leaves_the_blame_with_the_endpoints(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        a, b, _c = await w.add("a", "a.example"), await w.add("b", "b.example"), await w.add("c", "c.example")
        w.net.up = {"c.example"}
        assert await w.fails(a) is Reason.UNREACHABLE
        assert await w.fails(b) is Reason.UNREACHABLE
        assert not w.offline
        assert len(w.net.tried) == 3
        assert await w.fails(a) is Reason.UNREACHABLE
        assert len(w.net.tried) == 3, "having reached somebody, it does not ask again at once"


async def test_two_endpoints_on_one_host_are_one_witness(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        a, b = await w.add("a", "one.example"), await w.add("b", "one.example")
        await w.add("c", "c.example")
        await w.fails(a)
        await w.fails(b)
        assert not w.offline
        assert w.net.tried == []


async def test_what_has_succeeded_since_clears_the_suspicion(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        a, b, c = await w.add("a", "a.example"), await w.add("b", "b.example"), await w.add("c", "c.example")
        await w.fails(a)
        await w.connectivity.explain(c, "r", Outcome())
        await w.fails(b)
        assert not w.offline
        await w.connectivity.explain(c, "r", Outcome(problem=Problem(reason=Reason.SERVER_ERROR, detail="", remedy="")))
        await w.fails(a)
        assert w.net.tried == [], "a server that fails has answered"


async def test_an_answer_a_moment_before_does_not_hide_that_the_network_went(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        a, b = await w.add("a", "a.example"), await w.add("b", "b.example")
        await w.connectivity.explain(a, "r", Outcome())
        w.clock.goes(1)
        await w.fails(b)
        assert await w.fails(a) is Reason.OFFLINE


async def test_failures_far_apart_are_not_one_event(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        a, b = await w.add("a", "a.example"), await w.add("b", "b.example")
        await w.fails(a)
        w.clock.goes(601)
        await w.fails(b)
        assert w.net.tried == []


async def test_the_users_own_addresses_are_asked_and_no_other(tmp_path: Path) -> None:
    named = [Target(host="check.example", port=443)]
    async with world(tmp_path, named=named) as w:
        a, b = await w.add("a", "a.example"), await w.add("b", "b.example")
        w.net.up = {"a.example", "b.example"}
        await w.fails(a)
        assert await w.fails(b) is Reason.OFFLINE
        assert set(w.net.tried) == set(named)


async def test_with_addresses_of_the_user_a_single_host_can_be_acquitted(tmp_path: Path) -> None:
    async with world(tmp_path, named=[Target(host="check.example", port=443)]) as w:
        a = await w.add("a", "a.example")
        assert await w.fails(a) is Reason.OFFLINE


async def test_addresses_that_we_may_not_try_tell_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, named=[Target(host="10.0.0.1", port=80)]) as w:
        a, b = await w.add("a", "a.example"), await w.add("b", "b.example")
        w.net.forbidden = {"10.0.0.1"}
        await w.fails(a)
        assert await w.fails(b) is Reason.UNREACHABLE


async def test_loopback_says_nothing_about_the_network_unless_there_is_nothing_else(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        local, a, b = await w.add("l", "127.0.0.1"), await w.add("a", "a.example"), await w.add("b", "b.example")
        await w.fails(local)
        await w.fails(a)
        assert w.net.tried == []
        w.net.up = {"127.0.0.1"}
        assert await w.fails(b) is Reason.OFFLINE, "that loopback answers does not help"
        assert Target(host="127.0.0.1", port=443) not in w.net.tried
        assert await w.fails(local) is Reason.UNREACHABLE, "a local server is down by itself"
        await w.connectivity.explain(local, "r", Outcome())
        assert w.offline
    async with world(tmp_path / "other") as w:
        one, two = await w.add("one", "127.0.0.1"), await w.add("two", "127.0.0.2")
        await w.fails(one)
        assert await w.fails(two) is Reason.OFFLINE


async def test_the_judge_is_a_witness_too(tmp_path: Path) -> None:
    async with world(tmp_path, judges=["https://judge.example/v1"]) as w:
        a, b = await w.add("a", "a.example"), await w.add("b", "b.example")
        w.net.up = {"judge.example"}
        await w.fails(a)
        assert await w.fails(b) is Reason.UNREACHABLE


async def test_who_was_blamed_first_is_forgiven_with_its_run(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        a, b = await w.add("a", "a.example"), await w.add("b", "b.example")
        run = await add_run(w.database, a)
        await w.fails(a, run=run.id)
        async with w.database.write() as session:
            values: dict[str, Any] = {
                "health": "down",
                "health_reason": "unreachable",
                "failures": 2,
                "next_probe": NOW,
            }
            await session.execute(update(EndpointRow).where(EndpointRow.id == a.id).values(**values))
            await session.execute(
                update(RunRow).where(RunRow.id == run.id).values(state="failed", reason="unreachable")
            )
        await w.fails(b)
        found = await w.becomes(a, "up")
        assert (found.health, found.health_reason, found.failures, found.next_probe) == ("up", None, 0, None)
        async with w.database.read() as session:
            assert (await session.get_one(RunRow, run.id)).reason == "offline"


async def test_a_run_written_a_moment_too_late_is_forgiven_too(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        a, b = await w.add("a", "a.example"), await w.add("b", "b.example")
        await w.fails(a)
        await w.fails(b)
        async with w.database.write() as session:
            await session.execute(update(EndpointRow).where(EndpointRow.id == a.id).values(health="down"))
        w.connectivity.settle(a.id)
        await w.becomes(a, "up")


async def test_when_the_network_is_back_what_was_missed_is_due_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        a, b = await w.add("a", "a.example"), await w.add("b", "b.example")
        run = await add_run(w.database, a)
        later = w.clock.now.replace(year=2027)
        async with w.database.write() as session:
            for endpoint, reason, run_id in ((a, None, run.id), (b, "offline", None)):
                slot = SlotRow(
                    endpoint_id=endpoint.id, plan="heartbeat", era=0, due=NOW, until=NOW, count=1,
                    state="skipped" if reason else "ran", reason=reason, run_id=run_id,
                )  # fmt: skip
                session.add(slot)
                await session.flush()
                session.add_all(
                    ScheduleRow(endpoint_id=endpoint.id, plan=plan, spec="P1D", next_due=later, slot_id=slot_id)
                    for plan, slot_id in (("heartbeat", slot.id), ("full", None))
                )
            await session.execute(update(RunRow).where(RunRow.id == run.id).values(reason="unreachable"))
        await w.fails(a, run=run.id)
        await w.fails(b)
        assert w.offline
        w.net.up = {"b.example"}
        rows: Sequence[ScheduleRow] = ()
        async with asyncio.timeout(5):
            while not any(row.next_due == w.clock.now for row in rows):
                await asyncio.sleep(0.01)
                async with w.database.read() as session:
                    rows = (await session.scalars(select(ScheduleRow))).all()
        assert not w.offline
        assert {row.plan for row in rows if row.next_due == w.clock.now} == {"heartbeat"}
        assert sum(row.next_due == w.clock.now for row in rows) == 2


async def test_an_answer_shows_that_we_are_back(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        a, b = await w.add("a", "a.example"), await w.add("b", "b.example")
        await w.fails(a)
        await w.fails(b)
        assert w.offline
        await w.connectivity.explain(a, "r", Outcome())
        assert not w.offline
        assert await w.fails(a) is Reason.UNREACHABLE


async def offline_as_told(w: World, state: str = "firing") -> None:
    """WeAreOffline as the last process left it."""
    alert = Alert(
        rule=WE_ARE_OFFLINE, endpoint="", severity=Severity.CRITICAL, state=AlertState(state), since=NOW, told=("ops",)
    )  # fmt: skip
    async with w.database.write() as session:
        await store.save(session, alert, None)


async def test_after_a_restart_we_are_still_offline_until_somebody_can_be_reached(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        a = await w.add("a", "a.example")
        later = NOW.replace(year=2027)
        async with w.database.write() as session:
            slot = SlotRow(
                endpoint_id=a.id, plan="heartbeat", era=0, due=NOW, until=NOW, count=1, state="skipped",
                reason="offline",
            )  # fmt: skip
            session.add(slot)
            await session.flush()
            session.add(ScheduleRow(endpoint_id=a.id, plan="heartbeat", spec="P1D", next_due=later, slot_id=slot.id))
        await offline_as_told(w)
        await w.connectivity.resume()
        assert w.connectivity.offline_since() == NOW
        assert w.connectivity.concerns(a.base_url)
        assert await w.fails(a) is Reason.OFFLINE, "no endpoint is blamed"
        w.net.up = {"a.example"}
        async with asyncio.timeout(5):
            while w.offline:
                await asyncio.sleep(0.01)
            due = later
            while due != w.clock.now:  # what was missed runs, also though another process had missed it
                await asyncio.sleep(0.01)
                async with w.database.read() as session:
                    due = (await session.scalars(select(ScheduleRow.next_due))).one()


async def test_a_restart_while_online_begins_online(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.add("a", "a.example")
        await w.connectivity.resume()
        assert not w.offline
        await offline_as_told(w, "resolved")
        await w.connectivity.resume()
        assert not w.offline


async def test_after_a_restart_with_nothing_left_that_may_be_tried_we_are_not_offline_for_ever(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await offline_as_told(w)
        await w.connectivity.resume()
        assert not w.offline, "there is no endpoint any more"
        await w.add("a", "a.example")
        w.net.forbidden = {"a.example"}
        await w.connectivity.resume()
        assert w.offline
        async with asyncio.timeout(5):
            while w.offline:
                await asyncio.sleep(0.01)


async def test_a_judge_that_moved_stays_named_while_offline(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        a, b = await w.add("a", "a.example"), await w.add("b", "b.example")
        await w.fails(a)
        moved = Problem(reason=Reason.JUDGE_MOVED, detail="", remedy="")
        down = Problem(reason=Reason.JUDGE_DOWN, detail="", remedy="")
        first = await w.connectivity.explain(b, "r", Outcome(problem=UNREACHABLE, judge_problem=down))
        assert (first.problem, first.judge_problem) == (OFFLINE, None)
        second = await w.connectivity.explain(b, "r", Outcome(problem=UNREACHABLE, judge_problem=moved))
        assert second.judge_problem == moved
        cancelled = Outcome(problem=UNREACHABLE, cancelled=True)
        assert await w.connectivity.explain(b, "r", cancelled) == cancelled


@pytest.mark.parametrize(
    ("host", "counts"),
    [
        ("localhost", False),
        ("x.localhost", False),
        ("127.3.2.1", False),
        ("::1", False),
        ("10.0.0.1", True),
        ("a.b", True),
    ],
)
def test_what_counts_as_the_network(host: str, counts: bool) -> None:
    assert beyond_this_machine(host) is counts


def test_the_address_behind_a_base_url() -> None:
    assert target_of("https://a.example/v1") == Target(host="a.example", port=443)
    assert target_of("http://a.example/v1") == Target(host="a.example", port=80)
    assert str(target_of("http://[::1]:8000/v1")) == "[::1]:8000"
