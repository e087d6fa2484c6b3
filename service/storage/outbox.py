"""The outbox in the database: what the dispatcher takes from, at least once, in order within a lane."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import aliased

from alerts import render
from alerts.dispatch import MIN_LEASE_S, Delivery
from service.storage.engine import Database
from service.storage.schema import DeliveryRow, NotificationCountRow
from service.uninterrupted import uninterrupted

LEASE = timedelta(seconds=MIN_LEASE_S)


class DatabaseOutbox:
    """Implements alerts.dispatch.Outbox over the deliveries table."""

    def __init__(self, database: Database, changed: Callable[[], None]) -> None:
        self._database = database
        self._changed = changed

    async def due(self, now: datetime) -> Collection[str]:
        return await uninterrupted(self._due(now))

    async def _due(self, now: datetime) -> Collection[str]:
        async with self._database.read() as session:
            found: set[str] = set()
            for condition in (_fresh(now), _repeat(now)):
                found.update(await session.scalars(select(DeliveryRow.notifier).where(condition).distinct()))
        return found

    async def claim(self, now: datetime, notifier: str, limit: int) -> Sequence[Delivery]:
        """Leased for LEASE."""
        return await uninterrupted(self._claim(now, notifier, limit))

    async def _claim(self, now: datetime, notifier: str, limit: int) -> Sequence[Delivery]:
        due = [
            select(DeliveryRow).where(DeliveryRow.notifier == notifier, condition).order_by(DeliveryRow.id)
            for condition in (_fresh(now), _repeat(now))
        ]
        async with self._database.read() as session:
            if not [query for query in due if await session.scalar(query.limit(1)) is not None]:
                return []  # the usual case takes no write lock
        async with self._database.write() as session:
            rows: list[DeliveryRow] = []
            for query in due:  # what is new goes before what is repeated
                rows += (await session.scalars(query.limit(limit - len(rows)))).all()
            for row in rows:
                row.lease_until = now + LEASE
            return [_delivery(row) for row in rows]

    async def delivered(self, delivery: Delivery, now: datetime, repeat_at: datetime | None = None) -> None:
        values = {"state": "delivered", "delivered_at": now, "last_error": None, "repeat_at": repeat_at}
        await uninterrupted(self._settle(delivery, "delivered", attempts=1, **values))

    async def repeated(self, delivery: Delivery, repeat_at: datetime | None, error: str | None = None) -> None:
        outcome = "repeated" if error is None else "repeat_failed"
        await uninterrupted(self._settle(delivery, outcome, attempts=0, repeat_at=repeat_at, last_error=error))

    async def retry(self, delivery: Delivery, error: str, next_at: datetime) -> None:
        await uninterrupted(self._settle(delivery, "retried", attempts=1, next_at=next_at, last_error=error))

    async def dead(self, delivery: Delivery, error: str, now: datetime) -> None:
        await uninterrupted(self._settle(delivery, "dead", attempts=1, state="dead", last_error=error, dead_at=now))

    async def _settle(self, delivery: Delivery, outcome: str, *, attempts: int, **values: Any) -> None:
        async with self._database.write() as session:
            await session.execute(
                update(DeliveryRow)
                .where(DeliveryRow.id == int(delivery.id))
                .values(attempt=DeliveryRow.attempt + attempts, lease_until=None, **values)
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


def _free(now: datetime) -> ColumnElement[bool]:
    return DeliveryRow.lease_until.is_(None) | (DeliveryRow.lease_until < now)


def _fresh(now: datetime) -> ColumnElement[bool]:
    """Due for the first time or once more, and first in its lane: nothing earlier waits or is under way."""
    earlier = aliased(DeliveryRow)
    ahead = select(earlier.id).where(
        earlier.lane == DeliveryRow.lane,
        earlier.id < DeliveryRow.id,
        (earlier.state == "pending") | (earlier.lease_until >= now),
    )
    return (DeliveryRow.state == "pending") & (DeliveryRow.next_at <= now) & _free(now) & ~ahead.exists()


def _repeat(now: datetime) -> ColumnElement[bool]:
    """Delivered, to be told again, and still the last word of its lane."""
    later = aliased(DeliveryRow)
    newer = select(later.id).where(later.lane == DeliveryRow.lane, later.id > DeliveryRow.id)
    return (
        (DeliveryRow.repeat_at <= now) & (DeliveryRow.state == "delivered") & _free(now) & ~newer.exists()
    )


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        id=str(row.id), notifier=row.notifier, notice=render.from_json(row.notice), attempt=row.attempt,
        delivered_at=row.delivered_at if row.state == "delivered" else None,
    )  # fmt: skip
