"""An endpoint is to be deleted: who was told that it fires hears that nobody looks any longer, and what waits is sent.

Flips and deliveries go with their endpoint. Those that have yet to arrive are parted from it first.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import render
from alerts.state import gone
from alerts.types import Alert, AlertState, Flip, Notice
from service.storage import alerts as store
from service.storage.schema import DeliveryRow, EndpointRow, FlipRow


async def say_farewell(
    session: AsyncSession, endpoint: EndpointRow, notifiers: Collection[str], now: datetime
) -> list[Flip]:
    """To be called in the transaction that deletes it. `notifiers`: those that there are. Returns what was told.

    No silence holds it back, and no rule that explains: it takes back what was told, and disturbs nobody.
    """
    flips = []
    for row in (await store.of_subject(session, endpoint.name)).values():
        alert = store.alert_of(row)
        notices = await _notices(session, alert, notifiers, now)
        if notices:
            _closed, flip = gone(alert, now)
            await store.save_flip(session, flip, None)
            session.add_all(_delivery(flip, name, notice, now) for name, notice in notices.items())
            flips.append(flip)
    await session.flush()
    await _keep_what_waits(session, endpoint, now)
    return flips


async def _notices(session: AsyncSession, alert: Alert, notifiers: Collection[str], now: datetime) -> dict[str, Notice]:
    """By notifier, for each that holds the alert for firing."""
    told = [name for name in alert.told if name in notifiers]
    held = {name: await _held(session, _lane(name, alert)) for name in told}
    return {name: _over(notice, now) for name, notice in held.items() if notice is not None}


async def _held(session: AsyncSession, lane: str) -> Notice | None:
    """What its receiver was told last: by those labels it knows the alert, whatever they are by now. None: nothing
    that could be read, so nothing that can have been sent."""
    stored = await store.last_told(session, lane)
    try:
        return render.from_json(stored) if stored is not None else None
    except ValueError:
        return None


def _over(held: Notice, now: datetime) -> Notice:
    runbook = {name: url for name, url in held.links.items() if name == "runbook"}  # the other pages go with it
    simulated = render.SIMULATED if held.simulated else ""
    return replace(
        held, status=AlertState.RESOLVED, at=now, links=runbook,
        title=f"{simulated}RESOLVED {held.rule}: {render.plain(held.endpoint)} (endpoint deleted)",
        text="The endpoint was deleted from Selfwatch, so nothing looks at it any longer. That does not say that all "
        f"is well with it: the alert had been firing since {held.since:%Y-%m-%d %H:%M} UTC.",
    )  # fmt: skip


def _delivery(flip: Flip, notifier: str, notice: Notice, now: datetime) -> DeliveryRow:
    payload = render.to_json(replace(notice, idempotency_key=flip.id))
    return DeliveryRow(
        flip_id=flip.id, notifier=notifier, lane=_lane(notifier, flip), notice=payload, state="pending", attempt=0,
        next_at=now,
    )  # fmt: skip


def _lane(notifier: str, of: Alert | Flip) -> str:
    return f"{notifier}/{of.endpoint}/{of.rule}"


async def _keep_what_waits(session: AsyncSession, endpoint: EndpointRow, now: datetime) -> None:
    """Also what is under way: it is settled by its number, which must not become that of another delivery."""
    waits = (DeliveryRow.state == "pending") | (DeliveryRow.lease_until >= now)
    kept = FlipRow.id.in_(select(DeliveryRow.flip_id).where(waits))
    await session.execute(update(FlipRow).where(FlipRow.endpoint_id == endpoint.id, kept).values(endpoint_id=None))
