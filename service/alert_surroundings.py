"""What the alert rules are told by the parts that know: whether we are offline, and which slots led to no run."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.types import Offline, Skip
from service.alert_facts import Surroundings
from service.connectivity import Connectivity
from service.storage.schema import ScheduleRow, SlotRow


def surroundings_of(connectivity: Connectivity) -> Surroundings:
    def offline() -> Offline | None:
        since = connectivity.offline_since()
        return Offline(since=since, detail=connectivity.describe()) if since is not None else None

    return Surroundings(offline=offline, skips=skips)


async def skips(session: AsyncSession) -> Mapping[int, Skip]:
    """By endpoint: its newest slot over all schedules, where that one led to no run."""
    query = (
        select(SlotRow.endpoint_id, SlotRow.id, SlotRow.until, SlotRow.state, SlotRow.reason)
        .join(ScheduleRow, ScheduleRow.slot_id == SlotRow.id)
        .order_by(SlotRow.until, SlotRow.id)
    )
    found: dict[int, Skip] = {}
    for endpoint_id, slot, until, state, reason in (await session.execute(query)).all():
        found.pop(endpoint_id, None)  # a newer one decides
        if state == "skipped":
            # a stretch that is skipped for one reason is one row: its end tells one slot from the next
            found[endpoint_id] = Skip(slot=f"{slot}:{until.isoformat()}", reason=reason or "")
    return found
