"""What the outbox in the database stores and counts beyond its contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from alerts import render
from alerts.dispatch import Delivery
from alerts.types import AlertState
from service.storage.engine import Database
from service.storage.outbox import DatabaseOutbox
from service.storage.schema import DeliveryRow, FlipRow, NotificationCountRow
from tests.support.database import NOW, add_endpoint, open_database
from tests.unit.alerts.facts import notice


class Fixture:
    """An outbox over a real file, and a way to put notices in."""

    def __init__(self, database: Database, endpoint_id: int) -> None:
        self.database = database
        self.changes = 0
        self.outbox = DatabaseOutbox(database, self._changed)
        self._endpoint_id = endpoint_id

    def _changed(self) -> None:
        self.changes += 1

    async def add(self, key: str, *, notifier: str = "chat", rule: str = "R", at: datetime = NOW) -> None:
        flip = FlipRow(
            id=key + notifier, endpoint_id=self._endpoint_id, rule=rule, severity="critical", before="inactive",
            after="firing", at=at, run_id="r",
        )  # fmt: skip
        payload = render.to_json(notice(idempotency_key=key, rule=rule, status=AlertState.FIRING))
        row = DeliveryRow(
            flip_id=flip.id,
            notifier=notifier,
            lane=f"{notifier}/prod/{rule}",
            notice=payload,
            state="pending",
            next_at=at,
        )
        async with self.database.write() as session:
            session.add(flip)
            await session.flush()
            session.add(row)

    async def claim(self, seconds: float = 0) -> list[str]:
        return [delivery.notice.idempotency_key for delivery in await self.deliveries(seconds)]

    async def deliveries(self, seconds: float = 0) -> list[Delivery]:
        now = NOW + timedelta(seconds=seconds)
        return [one for name in sorted(await self.outbox.due(now)) for one in await self.outbox.claim(now, name, 99)]


@asynccontextmanager
async def fixture(folder: Path) -> AsyncIterator[Fixture]:
    async with open_database(folder) as database:
        yield Fixture(database, (await add_endpoint(database)).id)


async def test_how_a_delivery_ended_is_stored(tmp_path: Path) -> None:
    async with fixture(tmp_path) as f:
        await f.add("a", rule="A")
        await f.add("b", rule="B")
        first, second = await f.deliveries()
        await f.outbox.delivered(first, NOW)
        await f.outbox.dead(second, "404: no such hook", NOW)
        assert await f.claim(10**6) == []
        assert f.changes == 2
        async with f.database.read() as session:
            rows = (await session.scalars(select(DeliveryRow).order_by(DeliveryRow.id))).all()
            assert [(r.state, r.attempt, r.last_error) for r in rows] == [
                ("delivered", 1, None),
                ("dead", 1, "404: no such hook"),
            ]


async def test_outcomes_are_counted_for_the_metrics(tmp_path: Path) -> None:
    async with fixture(tmp_path) as f:
        await f.add("a")
        for seconds in (0, 10):
            (delivery,) = await f.deliveries(seconds)
            await f.outbox.retry(delivery, "503", NOW + timedelta(seconds=seconds + 5))
        (delivery,) = await f.deliveries(20)
        assert await f.outbox.pending() == 1
        await f.outbox.delivered(delivery, NOW)
        assert await f.outbox.pending() == 0
        async with f.database.read() as session:
            counts = (await session.scalars(select(NotificationCountRow))).all()
            assert {(c.notifier, c.outcome): c.value for c in counts} == {
                ("chat", "retried"): 2,
                ("chat", "delivered"): 1,
            }


async def test_a_notice_that_cannot_be_read_is_given_up_and_stops_no_other(tmp_path: Path) -> None:
    async with fixture(tmp_path) as f:
        for key in ("poison", "good"):
            await f.add(key, rule=key)
        async with f.database.write() as session:
            row = await session.get_one(DeliveryRow, 1)
            row.notice = {**row.notice, "severity": "hunter2"}
        assert await f.claim() == ["good"]
        assert await f.claim(10**6) == ["good"]  # its lease ran out; the other never comes again
        async with f.database.read() as session:
            row = await session.get_one(DeliveryRow, 1)
            assert (row.state, row.dead_at, row.lease_until) == ("dead", NOW, None)
            assert row.last_error == (
                "the stored notice cannot be read (severity); it may be of another version of Selfwatch"
            )
