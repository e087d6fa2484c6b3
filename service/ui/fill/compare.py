"""Two runs side by side, and those to choose from, from rows of the database."""

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.storage import results
from service.storage.newest import CONCLUDED
from service.storage.schema import EndpointRow, RunRow
from service.ui.fill import common
from service.ui.fill import run as run_fill
from service.ui.views.compare import RunChoice, Side

MOST_CHOICES = 60
"""Of the endpoint in question, and as many of all."""


async def side(session: AsyncSession, run: RunRow, endpoint: EndpointRow) -> Side:
    return Side(
        run=common.run_row(run),
        endpoint=endpoint.name,
        model=(run.configuration or {}).get("model", endpoint.model),
        simulated=endpoint.simulated,
        because=run.because or "",
        usage=run_fill.usage(run),
        comparison=common.comparison_of(run),
        agreement=(run.judge or {}).get("agreement"),
        invalid=sum((await results.invalid_by_reason(session, run.id)).values()),
    )


async def choices(session: AsyncSession, endpoint: EndpointRow | None) -> tuple[RunChoice, ...]:
    """Concluded runs, newest first: those of `endpoint` in front, then of all others."""
    query = select(RunRow, EndpointRow.name).join(EndpointRow).where(RunRow.state.in_(CONCLUDED))
    newest = query.order_by(RunRow.id.desc()).limit(MOST_CHOICES)
    found: list[Row[RunRow, str]] = []
    if endpoint is not None:
        found += (await session.execute(newest.where(RunRow.endpoint_id == endpoint.id))).all()
        newest = newest.where(RunRow.endpoint_id != endpoint.id)
    found += (await session.execute(newest)).all()
    return tuple(RunChoice(endpoint=name, run=common.run_row(run)) for run, name in found)
