"""The newest run of each endpoint of some kind, for many endpoints in one query: a seek in an index for each of them,
where a window function would read the whole history."""

from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, select
from sqlalchemy.orm import aliased

from service.storage.schema import EndpointRow, RunRow

ACTIVE = ("queued", "running")
CONCLUDED = ("succeeded", "partial")
NOT_CONCLUDED = (*ACTIVE, "failed", "cancelled")
"""For "not in", where the newest of all runs are wanted: "in" draws SQLite to the index of states, which sorts all."""


def concluded(offset: int = 0) -> ScalarSelect[str]:
    """The id of the last run with a comparison, or of the one so many before it. For a query over `EndpointRow`."""
    run = aliased(RunRow)
    return _newest(run.id, run, run.state.in_(CONCLUDED) & run.comparison.is_not(None), offset)


def concluded_at(offset: int) -> ScalarSelect[Any]:
    """When that run was created."""
    run = aliased(RunRow)
    return _newest(run.created_at, run, run.state.in_(CONCLUDED) & run.comparison.is_not(None), offset)


def finished() -> ScalarSelect[str]:
    """The id of the newest run that is over, however it ended."""
    run = aliased(RunRow)
    return _newest(run.id, run, run.state.not_in(ACTIVE))


def _newest(what: Any, run: Any, where: ColumnElement[bool], offset: int = 0) -> ScalarSelect[Any]:
    found = select(what).where(run.endpoint_id == EndpointRow.id, where)
    ordered = found.order_by(run.created_at.desc(), run.id.desc()).limit(1).offset(offset)
    return ordered.correlate(EndpointRow).scalar_subquery()
