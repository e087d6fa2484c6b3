"""The outbox in the database: what the dispatcher takes from, at least once, in order within a lane."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import aliased

from alerts import render
from alerts.dispatch import Delivery
from service.storage.engine import Database
from service.storage.schema import DeliveryRow, NotificationCountRow
from service.uninterrupted import uninterrupted

LEASE = timedelta(seconds=90)
BATCH = 200


class DatabaseOutbox:
    """Implements alerts.dispatch.Outbox over the deliveries table."""

    def __init__(self, database: Database, changed: Callable[[], None]) -> None:
        self._database = database
        self._changed = changed

    async def claim(self, now: datetime) -> Sequence[Delivery]:
        """Due deliveries whose lane has nothing earlier that waits or is under way; leased for LEASE."""
        return await uninterrupted(self._claim(now))

    async def _claim(self, now: datetime) -> Sequence[Delivery]:
        free = (DeliveryRow.lease_until.is_(None)) | (DeliveryRow.lease_until < now)
        earlier = aliased(DeliveryRow)
        waits = (earlier.next_at > now) | (earlier.lease_until >= now)
        blocked = select(earlier.id).where(
            earlier.lane == DeliveryRow.lane, earlier.state == "pending", earlier.id < DeliveryRow.id, waits
        )
        due = (
            select(DeliveryRow)
            .where(DeliveryRow.state == "pending", DeliveryRow.next_at <= now, free, ~blocked.exists())
            .order_by(DeliveryRow.id)
            .limit(BATCH)
        )
        async with self._database.read() as session:
            if (await session.scalar(due.limit(1))) is None:
                return []  # the usual case takes no write lock
        async with self._database.write() as session:
            rows = (await session.scalars(due)).all()
            for row in rows:
                row.lease_until = now + LEASE
            return [_delivery(row) for row in rows]

    async def delivered(self, delivery: Delivery, now: datetime) -> None:
        await uninterrupted(self._settle(delivery, "delivered", state="delivered", delivered_at=now, last_error=None))

    async def retry(self, delivery: Delivery, error: str, next_at: datetime) -> None:
        await uninterrupted(self._settle(delivery, "retried", next_at=next_at, last_error=error))

    async def dead(self, delivery: Delivery, error: str) -> None:
        await uninterrupted(self._settle(delivery, "dead", state="dead", last_error=error))

    async def _settle(self, delivery: Delivery, outcome: str, **values: Any) -> None:
        async with self._database.write() as session:
            await session.execute(
                update(DeliveryRow)
                .where(DeliveryRow.id == int(delivery.id))
                .values(attempt=DeliveryRow.attempt + 1, lease_until=None, **values)
            )
            count = insert(NotificationCountRow).values(notifier=delivery.notifier, outcome=outcome, value=1)
            await session.execute(
                count.on_conflict_do_update(
                    index_elements=["notifier", "outcome"], set_={"value": NotificationCountRow.value + 1}
                )
            )
        self._changed()

    async def pending(self) -> int:
        """How many deliveries wait."""
        query = select(func.count()).select_from(DeliveryRow).where(DeliveryRow.state == "pending")
        async with self._database.read() as session:
            return await session.scalar(query) or 0


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(id=str(row.id), notifier=row.notifier, notice=render.from_json(row.notice), attempt=row.attempt)
