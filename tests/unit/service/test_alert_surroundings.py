"""What the alert rules are told of slots and of the network."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from alerts.types import Offline, Skip
from service.alert_surroundings import skips, surroundings_of
from service.storage.engine import Database
from service.storage.schema import ScheduleRow, SlotRow
from tests.support.database import NOW, add_endpoint, open_database


async def slot(database: Database, endpoint: int, plan: str, minute: int, became: str) -> int:
    """The newest slot of a schedule. `became`: its state, with the reason if it was skipped."""
    state, _, reason = became.partition(" ")
    at = NOW + timedelta(minutes=minute)
    async with database.write() as session:
        row = SlotRow(
            endpoint_id=endpoint, plan=plan, era=0, due=at, until=at, count=1, state=state, reason=reason or None
        )
        session.add(row)
        await session.flush()
        session.add(
            ScheduleRow(endpoint_id=endpoint, plan=plan, spec="PT15M", next_due=at, era=0, slot_id=row.id, since=NOW)
        )
        return row.id


async def test_the_newest_slot_of_an_endpoint_decides(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        broke = (await add_endpoint(database, "broke")).id
        fine = (await add_endpoint(database, "fine")).id
        mixed = (await add_endpoint(database, "mixed")).id
        newest = await slot(database, broke, "heartbeat", 15, "skipped budget_exhausted")
        await slot(database, broke, "full", 0, "ran")
        await slot(database, fine, "heartbeat", 15, "ran")
        await slot(database, mixed, "full", 0, "skipped budget_exhausted")
        await slot(database, mixed, "heartbeat", 15, "ran")
        async with database.read() as session:
            found = await skips(session)
        at = NOW + timedelta(minutes=15)
        assert found == {broke: Skip(slot=f"{newest}:{at.isoformat()}", reason="budget_exhausted")}


async def test_a_stretch_that_grows_is_another_slot(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        broke = (await add_endpoint(database)).id
        newest = await slot(database, broke, "heartbeat", 0, "skipped endpoint_down")
        async with database.read() as session:
            first = (await skips(session))[broke]
        async with database.write() as session:
            row = await session.get_one(SlotRow, newest)
            row.until, row.count = NOW + timedelta(minutes=15), 2
        async with database.read() as session:
            second = (await skips(session))[broke]
        assert first.reason == second.reason == "endpoint_down"
        assert first.slot != second.slot


class Network:
    """In place of `service.connectivity`, which looks at real sockets."""

    since: datetime | None = None

    def offline_since(self) -> datetime | None:
        return self.since

    def describe(self) -> str:
        return "none of 3 addresses can be reached"


def test_offline_tells_since_when_and_why() -> None:
    network: Any = Network()
    offline = surroundings_of(network).offline
    assert offline is not None
    assert offline() is None
    network.since = NOW
    assert offline() == Offline(since=NOW, detail="none of 3 addresses can be reached")
