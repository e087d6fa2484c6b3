"""How endpoints that are down are asked until they are back, with scripted replies and a fake clock."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from probes.clients.scripted import Script, Scripted
from probes.types import CallError, Client, Message, Problem, Reason, Reply
from service.clients import Clients
from service.connectivity import Connectivity, Target
from service.probing import Probing, after_run
from service.storage import health as health_store
from service.storage.engine import Database
from service.storage.schema import EndpointRow
from tests.support.clock import FakeClock
from tests.support.database import add_endpoint, open_database


def error(reason: Reason) -> CallError:
    return CallError(Problem(reason=reason, detail="d", remedy="r"))


Says = str | Reply | CallError


def script(says: Says) -> Script:
    def said(_messages: Sequence[Message]) -> str | Reply:
        if isinstance(says, CallError):
            raise says
        return says

    return said


class OneClient(Clients):
    """The same client for every endpoint; counts who was asked."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.asked: list[str] = []

    def of(self, endpoint: EndpointRow) -> Client:
        self.asked.append(endpoint.name)
        return self.client


class Bench:
    """Probing over a real database."""

    def __init__(self, database: Database, says: Says) -> None:
        self.database, self.clock = database, FakeClock()
        self.clients = OneClient(Scripted(script(says)).client(model="m"))

        async def reach(_target: Target) -> bool:
            return False

        self.connectivity = Connectivity(
            database=database, reach=reach, clock=self.clock.wall, changed=lambda: None, first_wait_s=60
        )
        self.probing = Probing(
            database=database, clients=self.clients, connectivity=self.connectivity, deadline_s=5,
            clock=self.clock.wall, changed=lambda: None, rng=random.Random(1), unrecorded_wait_s=0.0,
        )  # fmt: skip

    async def down(self, name: str = "prod", *, probe_in_s: float = 0, **values: Any) -> EndpointRow:
        row = await add_endpoint(self.database, name)
        known = {"health": "down", "health_reason": "timeout", "health_at": self.clock.now, "failures": 2}
        at = {"next_probe": self.clock.now + timedelta(seconds=probe_in_s)}
        await self.set(row, **(known | at | values))
        return await self.now(row)

    async def set(self, row: EndpointRow, **values: Any) -> None:
        async with self.database.write() as session:
            await session.execute(update(EndpointRow).where(EndpointRow.id == row.id).values(**values))

    async def now(self, row: EndpointRow) -> EndpointRow:
        async with self.database.read() as session:
            found = await health_store.current(session, row.id)
            assert found is not None
            return found

    async def look(self) -> None:
        """One look, and the end of its probes."""
        await self.probing.look()
        await asyncio.gather(*self.probing._tasks.values())


@asynccontextmanager
async def bench(folder: Path, says: Says) -> AsyncIterator[Bench]:
    async with open_database(folder) as database:
        made = Bench(database, says)
        try:
            yield made
        finally:
            await made.probing.stop()
            await made.connectivity.stop()


async def test_probes_back_off_and_keep_since_when_it_is_down(tmp_path: Path) -> None:
    async with bench(tmp_path, error(Reason.TIMEOUT)) as b:
        row = await b.down()
        since = row.health_at
        waits = []
        for _ in range(7):
            await b.look()
            found = await b.now(row)
            assert found.next_probe is not None
            waits.append((found.next_probe - b.clock.now).total_seconds())
            b.clock.now = found.next_probe
        assert (found.health, found.health_reason, found.health_at, found.probes) == ("down", "timeout", since, 7)
        assert waits[0] < waits[2] < waits[4] <= 900
        assert 600 <= waits[-1] <= 900
        assert len(b.clients.asked) == 7


async def test_a_new_reason_is_shown_with_its_own_time(tmp_path: Path) -> None:
    async with bench(tmp_path, error(Reason.UNAUTHORIZED)) as b:
        row = await b.down()
        b.clock.goes(10)
        await b.look()
        found = await b.now(row)
        assert (found.health_reason, found.health_at) == ("unauthorized", b.clock.now)


async def test_only_those_that_are_due_and_not_paused_are_asked(tmp_path: Path) -> None:
    async with bench(tmp_path, error(Reason.TIMEOUT)) as b:
        await b.down("due")
        await b.down("later", probe_in_s=60)
        await b.down("paused", paused=True)
        await b.down("clock-was-set-back", probe_in_s=86_400)
        await b.set(await add_endpoint(b.database, "well"), health="up")
        await b.look()
        assert sorted(b.clients.asked) == ["clock-was-set-back", "due"]


ANSWERS = [
    ("ok", True), (Reply(text="", latency_s=0.1, finish_reason="length"), True),
    (Reply(text="", latency_s=0.1, refusal="no"), True), (error(Reason.FILTERED), True), ("  ", False),
    (error(Reason.RATE_LIMITED), False),
]  # fmt: skip


@pytest.mark.parametrize(("said", "back"), ANSWERS)
async def test_any_answer_brings_it_back(tmp_path: Path, said: Says, back: bool) -> None:
    async with bench(tmp_path, said) as b:
        row = await b.down()
        await b.look()
        found = await b.now(row)
        assert (found.health == "up") is back
        assert (found.next_probe is None) is back


async def test_what_was_changed_while_it_was_asked_is_not_overwritten(tmp_path: Path) -> None:
    async with bench(tmp_path, error(Reason.TIMEOUT)) as b:
        row = await b.down()
        ask = b.probing.ask

        async def ask_and_change(endpoint: EndpointRow) -> Problem | None:
            problem = await ask(endpoint)
            await b.set(row, base_url="http://new.example/v1", health="unknown", next_probe=None, failures=0)
            return problem

        b.probing.ask = ask_and_change  # type: ignore[method-assign] # a change in the middle of a probe
        await b.look()
        found = await b.now(row)
        assert (found.health, found.next_probe, found.probes) == ("unknown", None, 0)


async def test_a_database_that_is_away_for_a_moment_loses_no_circuit(tmp_path: Path) -> None:
    async with bench(tmp_path, error(Reason.TIMEOUT)) as b:
        row = await b.down()

        async def broken(endpoint: EndpointRow, problem: Problem) -> None:
            raise OSError("gone")

        still_down = b.probing._still_down
        b.probing._still_down = broken  # type: ignore[method-assign] # a database that fails just then
        await b.look()
        assert (await b.now(row)).probes == 0
        b.probing._still_down = still_down  # type: ignore[method-assign]
        await b.look()
        assert (await b.now(row)).probes == 1


async def test_runs_open_and_close_the_circuit_and_our_own_limits_leave_it(tmp_path: Path) -> None:
    async with bench(tmp_path, "ok") as b:
        row = await add_endpoint(b.database)

        async def ends(reason: Reason | None, *, scored: bool = False) -> EndpointRow:
            problem = Problem(reason=reason, detail="d", remedy="r") if reason else None
            async with b.database.write() as session:
                await after_run(
                    session, row.id, problem, asked=True, scored=scored, now=b.clock.now, rng=random.Random(1)
                )
            return await b.now(row)

        assert (await ends(Reason.SERVER_ERROR)).failures == 1
        assert (await ends(Reason.OFFLINE)).health_reason == "server_error"
        assert (await ends(Reason.BUDGET_EXHAUSTED)).failures == 1
        assert (await ends(Reason.TIMEOUT, scored=True)).failures == 1
        opened = await ends(Reason.SERVER_ERROR)
        assert (opened.failures, opened.next_probe is not None) == (2, True)
        closed = await ends(None, scored=True)
        assert (closed.health, closed.failures, closed.next_probe) == ("up", 0, None)
