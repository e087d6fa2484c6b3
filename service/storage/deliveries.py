"""What became of each notice: listed, counted, and sent again by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.storage.schema import DeliveryRow, EndpointRow, FlipRow

UNSETTLED = ("pending", "dead")


class CannotResendError(Exception):
    """It would mislead: the text says why, `later` is the delivery that has the last word."""

    def __init__(self, message: str, *, later: int | None = None) -> None:
        super().__init__(message)
        self.later = later


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A delivery and the run that led to it, if one did."""

    row: DeliveryRow
    run_id: str | None


async def page(
    session: AsyncSession,
    *,
    limit: int,
    state: str | None = None,
    notifier: str | None = None,
    endpoint: str | None = None,
    before: int | None = None,
) -> Sequence[Shown]:
    """The newest first, at most `limit`; only those older than delivery `before`."""
    query = (
        select(DeliveryRow, FlipRow.run_id)
        .join(FlipRow, FlipRow.id == DeliveryRow.flip_id)
        .outerjoin(EndpointRow, EndpointRow.id == FlipRow.endpoint_id)  # outer: not every flip is of an endpoint
        .order_by(DeliveryRow.id.desc())
        .limit(limit)
    )
    for column, value in (
        (DeliveryRow.state, state),
        (DeliveryRow.notifier, notifier),
    ):
        if value is not None:
            query = query.where(column == value)
    if endpoint is not None:
        query = query.where(_of_endpoint(endpoint))
    if before is not None:
        query = query.where(DeliveryRow.id < before)
    return [Shown(row=row, run_id=run or None) for row, run in await session.execute(query)]


def _of_endpoint(name: str) -> ColumnElement[bool]:
    """Also of one that was deleted: what still waits is of no endpoint any more, but its message names it."""
    named = DeliveryRow.notice["endpoint"].as_string() == name
    return or_(EndpointRow.name == name, and_(FlipRow.endpoint_id.is_(None), FlipRow.drill_id.is_(None), named))


async def one(session: AsyncSession, delivery_id: int) -> Shown | None:
    found = await page(session, limit=1, before=delivery_id + 1)
    return found[0] if found and found[0].row.id == delivery_id else None


async def resend(session: AsyncSession, row: DeliveryRow, now: datetime, *, force: bool) -> None:
    """Due at once, with all its attempts before it and the same idempotency key. Raises CannotResendError.

    Without `force` only what is dead or waits, and of which no later notice of the same alert has arrived: a "firing"
    after its "resolved" would be taken for the truth.
    """
    if not force:
        if row.state == "delivered":
            raise CannotResendError(f"delivery {row.id} has arrived at {row.delivered_at:%Y-%m-%d %H:%M} UTC")
        query = select(func.max(DeliveryRow.id)).where(
            DeliveryRow.lane == row.lane, DeliveryRow.id > row.id, DeliveryRow.state == "delivered"
        )
        if (later := await session.scalar(query)) is not None:
            raise CannotResendError(
                f"a later notice of the same alert, delivery {later}, has arrived already", later=later
            )
    if row.state != "pending":
        row.attempt, row.resent = 0, row.resent + 1
    row.state, row.next_at, row.dead_at, row.repeat_at = "pending", now, None, None


async def unsettled(session: AsyncSession) -> dict[tuple[str, str], int]:
    """How many deliveries are pending and dead, by (notifier, state)."""
    query = (
        select(DeliveryRow.notifier, DeliveryRow.state, func.count())
        .where(DeliveryRow.state.in_(UNSETTLED))
        .group_by(DeliveryRow.notifier, DeliveryRow.state)
    )
    return {(notifier, state): count for notifier, state, count in await session.execute(query)}
