"""All endpoints at a glance: enough to filter, sort and count a thousand of them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.storage import newest
from service.storage.schema import EndpointRow, RunRow

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
SELF_REPORT, BEHAVIOUR = (("arms", arm, "drift") for arm in ("self_report", "behaviour"))


class Listing(NamedTuple):
    """One endpoint. The drifts are those of its last run with a comparison; `last_run_at`: when its last run ended."""

    id: int
    name: str
    model: str
    profiles: str
    labels: Mapping[str, str]
    verdict: str | None
    paused: bool
    simulated: bool
    down: bool
    self_report: float | None
    behaviour: float | None
    last_run_at: datetime | None


async def listings(session: AsyncSession) -> list[Listing]:
    """Every endpoint, by name."""
    last, over = aliased(RunRow), aliased(RunRow)
    e = EndpointRow
    query = (
        select(
            e.id, e.name, e.model, e.profiles, e.labels, e.verdict, e.paused, e.simulated, e.health_reason.is_not(None),
            last.comparison[SELF_REPORT].as_float(), last.comparison[BEHAVIOUR].as_float(), over.finished_at,
        )
        .select_from(e)
        .outerjoin(last, last.id == newest.concluded())
        .outerjoin(over, over.id == newest.finished())
        .order_by(e.name)
    )  # fmt: skip
    return [Listing(*row) for row in await session.execute(query)]


Drifts = tuple[float | None, float | None]


async def drifts(session: AsyncSession, ids: Sequence[int], limit: int) -> dict[int, list[Drifts]]:
    """Drift of (self-report, behaviour) in the last `limit` runs with a comparison, oldest first, by endpoint id."""
    first = func.coalesce(newest.concluded_at(limit - 1), LONG_AGO, type_=RunRow.created_at.type)
    arms = (RunRow.comparison[SELF_REPORT].as_float(), RunRow.comparison[BEHAVIOUR].as_float())
    query = (
        select(RunRow.endpoint_id, RunRow.state, *arms)
        .join(EndpointRow, (RunRow.endpoint_id == EndpointRow.id) & (RunRow.created_at >= first))
        .where(EndpointRow.id.in_(ids), RunRow.comparison.is_not(None))
        .order_by(RunRow.endpoint_id, RunRow.created_at, RunRow.id)
    )
    found: dict[int, list[Drifts]] = {one: [] for one in ids}
    for endpoint, state, says, does in await session.execute(query):
        if state in newest.CONCLUDED:  # in the query it would draw SQLite to the index of all states
            found[endpoint].append((says, does))
    return {one: rows[-limit:] for one, rows in found.items()}
