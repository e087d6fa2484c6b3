"""The outbox in the database: what the dispatcher takes from, at least once, in order within a lane."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Integer, and_, bindparam, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import aliased

from alerts import render
from alerts.dispatch import MIN_LEASE_S, Delivery
from service.log import logger
from service.storage.engine import Database
from service.storage.schema import DeliveryRow, NotificationCountRow, UtcDateTime
from service.uninterrupted import uninterrupted

log = logger()
LEASE = timedelta(seconds=MIN_LEASE_S)


_NOW = bindparam("now", type_=UtcDateTime())
_OTHER = aliased(DeliveryRow)
_AHEAD = select(_OTHER.id).where(
    _OTHER.lane == DeliveryRow.lane,
    _OTHER.id < DeliveryRow.id,
    (_OTHER.state == "pending") | (_OTHER.lease_until >= _NOW),
)
_GOES = (_OTHER.lease_until >= _NOW) | ((_OTHER.state == "pending") & (_OTHER.next_at <= _NOW))
_DIFFERS = _OTHER.notice["status"].as_string().is_distinct_from(DeliveryRow.notice["status"].as_string())
_NEWER = select(_OTHER.id).where(
    _OTHER.lane == DeliveryRow.lane, _OTHER.id > DeliveryRow.id, (_OTHER.state == "delivered") | _GOES | _DIFFERS
)
"""A reminder that waits, or was given up, says what the receiver knows already: it ends no repeats."""

FREE = DeliveryRow.lease_until.is_(None) | (DeliveryRow.lease_until < _NOW)
FRESH = and_(DeliveryRow.state == "pending", DeliveryRow.next_at <= _NOW, FREE, ~_AHEAD.exists())
"""Due for the first time or once more, and first in its lane: nothing earlier waits or is under way."""

REPEAT = and_(DeliveryRow.repeat_at <= _NOW, DeliveryRow.state == "delivered", FREE, ~_NEWER.exists())
"""Delivered, to be told again, and nothing newer of its lane has arrived, is going, or says otherwise."""

DUE = (FRESH, REPEAT)
"""What is new goes before what is repeated."""

NOTIFIERS = tuple(select(DeliveryRow.notifier).where(due).distinct() for due in DUE)
CLAIMABLE = tuple(
    select(DeliveryRow.id)
    .where(DeliveryRow.notifier == bindparam("notifier"), due)
    .order_by(DeliveryRow.id)
    .limit(bindparam("room", type_=Integer()))
    for due in DUE
)


class DatabaseOutbox:
    """Implements alerts.dispatch.Outbox over the deliveries table."""

    def __init__(self, database: Database, changed: Callable[[], None]) -> None:
        self._database = database
        self._changed = changed
        self._settled: list[_Settled] = []
        self._settling = asyncio.Lock()

    async def due(self, now: datetime) -> Collection[str]:
        return await uninterrupted(self._due(now))

    async def _due(self, now: datetime) -> Collection[str]:
        async with self._database.read() as session:
            found: set[str] = set()
            for query in NOTIFIERS:
                found.update(await session.scalars(query, {"now": now}))
        return found

    async def claim(self, now: datetime, notifier: str, limit: int) -> Sequence[Delivery]:
        """Leased for LEASE."""
        return await uninterrupted(self._claim(now, notifier, limit))

    async def _claim(self, now: datetime, notifier: str, limit: int) -> Sequence[Delivery]:
        ids: list[int] = []
        async with self._database.read() as session:  # the usual case, nothing, takes no write lock
            for query in CLAIMABLE:
                if room := limit - len(ids):
                    ids += await session.scalars(query, {"now": now, "notifier": notifier, "room": room})
        if not ids:
            return []
        # another process may have been here between the two
        taking = update(DeliveryRow).where(DeliveryRow.id.in_(ids), FREE).values(lease_until=now + LEASE)
        async with self._database.write() as session:
            rows = (await session.scalars(taking.returning(DeliveryRow), {"now": now})).all()
            read = {row.id: _read(row, now) for row in rows}
        for row in rows:
            if read[row.id] is None:
                log.error("a stored notice cannot be read", action="notice_dead", delivery=row.id, error=row.last_error)
        return [found for number in ids if (found := read.get(number)) is not None]

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
        """Written together with all that came while the write before was under way: a burst needs few commits."""
        mine = _Settled(
            outcome=(delivery.notifier, outcome),
            values={"row": int(delivery.id), "attempts": attempts, **values},
        )
        self._settled.append(mine)
        async with self._settling:
            if mine.written:
                return
            batch, self._settled = self._settled, []
            try:
                await self._write(batch)
            except BaseException:
                # the others write theirs themselves, or fail by themselves
                self._settled = [one for one in batch if one is not mine] + self._settled
                raise
        self._changed()

    async def _write(self, batch: "Sequence[_Settled]") -> None:
        async with self._database.write() as session:
            connection = await session.connection()
            for alike in _by_columns(batch):
                names = [name for name in alike[0].values if name not in ("row", "attempts")]
                statement = (
                    update(DeliveryRow.__table__)  # type: ignore[arg-type] # SQLAlchemy types it as FromClause
                    .where(DeliveryRow.id == bindparam("row"))
                    .values(
                        attempt=DeliveryRow.attempt + bindparam("attempts"), lease_until=None,
                        **{name: bindparam(f"new_{name}", type_=DeliveryRow.__table__.c[name].type) for name in names},
                    )
                )  # fmt: skip
                await connection.execute(statement, [one.parameters(names) for one in alike])
            for (notifier, outcome), number in Counter(one.outcome for one in batch).items():
                count = insert(NotificationCountRow).values(notifier=notifier, outcome=outcome, value=number)
                await session.execute(
                    count.on_conflict_do_update(
                        index_elements=["notifier", "outcome"], set_={"value": NotificationCountRow.value + number}
                    )
                )
        for one in batch:
            one.written = True

    async def pending(self) -> int:
        """How many deliveries wait."""
        query = select(func.count()).select_from(DeliveryRow).where(DeliveryRow.state == "pending")
        async with self._database.read() as session:
            return await session.scalar(query) or 0


@dataclass(kw_only=True)
class _Settled:
    """What became of a delivery, to be written. `values`: columns, beside `row` and `attempts`."""

    outcome: tuple[str, str]
    values: dict[str, Any]
    written: bool = False

    def parameters(self, names: Sequence[str]) -> dict[str, Any]:
        new = {f"new_{name}": self.values[name] for name in names}
        return {"row": self.values["row"], "attempts": self.values["attempts"], **new}


def _by_columns(batch: Sequence[_Settled]) -> list[list[_Settled]]:
    """Those that write the same columns together: one statement each."""
    found: dict[tuple[str, ...], list[_Settled]] = {}
    for one in batch:
        found.setdefault(tuple(one.values), []).append(one)
    return list(found.values())


def _read(row: DeliveryRow, now: datetime) -> Delivery | None:
    """None for one that cannot be read, which is given up: it must not stop all that come after it."""
    try:
        return _delivery(row)
    except ValueError as error:
        names = ", ".join(sorted({str(part) for one in _problems(error) for part in one["loc"]})) or "notice"
        row.state, row.lease_until, row.dead_at, row.repeat_at = "dead", None, now, None
        row.last_error = f"the stored notice cannot be read ({names}); it may be of another version of Selfwatch"
        return None


def _problems(error: ValueError) -> Sequence[Any]:
    return error.errors(include_input=False) if isinstance(error, ValidationError) else ()


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        id=str(row.id), notifier=row.notifier, notice=render.from_json(row.notice), attempt=row.attempt,
        delivered_at=row.delivered_at if row.state == "delivered" else None,
    )  # fmt: skip
