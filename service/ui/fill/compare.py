"""Two runs side by side, and those to choose from, from rows of the database."""

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.storage import results
from service.storage.newest import NOT_CONCLUDED
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


def of_one(endpoint_id: int) -> Select[RunRow, str]:
    """Its newest concluded runs, in an order that an index has."""
    query = _concluded().where(RunRow.endpoint_id == endpoint_id)
    return query.order_by(RunRow.created_at.desc(), RunRow.id.desc())


def of_all(*, but: int | None) -> Select[RunRow, str]:
    """The newest concluded runs of all endpoints `but` that one: ids begin with the time."""
    query = _concluded()
    return (query if but is None else query.where(RunRow.endpoint_id != but)).order_by(RunRow.id.desc())


def _concluded() -> Select[RunRow, str]:
    joined = select(RunRow, EndpointRow.name).join(EndpointRow)
    return joined.where(RunRow.state.not_in(NOT_CONCLUDED)).limit(MOST_CHOICES)


async def choices(session: AsyncSession, endpoint: EndpointRow | None) -> tuple[RunChoice, ...]:
    """Concluded runs, newest first: those of `endpoint` in front, then of all others."""
    found: list[Row[RunRow, str]] = []
    if endpoint is not None:
        found += (await session.execute(of_one(endpoint.id))).all()
    found += (await session.execute(of_all(but=endpoint.id if endpoint is not None else None))).all()
    return tuple(RunChoice(endpoint=name, run=common.run_row(run)) for run, name in found)
