"""The snapshot from the database: a handful of queries, however many endpoints there are."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.types import ProfileSet
from service import profile_library
from service.metrics.snapshot import Alert, Count, EndpointSnapshot, Installation, Measured, RunFacts, Snapshot
from service.storage import deliveries, drills, newest
from service.storage.schema import AlertRow, CounterRow, EndpointRow, MeasurementRow, NotificationCountRow, RunRow

SLICE = 1000
"""Rows that are taken at once: others get their turn after so many."""
RUNS = 500
"""Runs that are named in one query: SQLite takes no more than so many thousand values."""


@dataclass(kw_only=True)
class Rows:
    """What was read of the endpoints, by endpoint id; under None that of the installation."""

    endpoints: list[Any] = field(default_factory=list)
    runs: dict[int, RunFacts] = field(default_factory=dict)
    alerts: dict[int | None, list[Alert]] = field(default_factory=dict)
    counts: dict[int, list[Count]] = field(default_factory=dict)


async def take(session: AsyncSession, before: Snapshot, only: int | None = None) -> tuple[Snapshot, dict[int, Any]]:
    """A snapshot, without budgets, and the limits of each endpoint that was read.

    The comparison shown is the last that an endpoint has; a failed run leaves it in place. Runs that `before` knows are
    not read again. `only`: the id of the endpoint to read; the others stay as they were.
    """
    rows = Rows()
    await _endpoints(session, rows, only)
    await _runs(session, rows, before, only)
    await _alerts(session, rows, only)
    await _counts(session, rows, only)
    read = {row.id: _endpoint(row, rows) for row in rows.endpoints}
    if only is not None:
        others = {key: one for key, one in before.endpoints.items() if key != only}
        read = dict(sorted((others | read).items(), key=lambda item: item[1].name))
    limits = {row.id: row.limits for row in rows.endpoints}
    return Snapshot(endpoints=read, installation=await _installation(session, rows, read.values())), limits


async def _endpoints(session: AsyncSession, rows: Rows, only: int | None) -> None:
    query = select(
        EndpointRow.id, EndpointRow.name, EndpointRow.model, EndpointRow.profiles, EndpointRow.health,
        EndpointRow.verdict, EndpointRow.limits,
    ).order_by(EndpointRow.name)  # fmt: skip
    if only is not None:
        query = query.where(EndpointRow.id == only)
    async for found in _slices(session, query):
        rows.endpoints += found


async def _runs(session: AsyncSession, rows: Rows, before: Snapshot, only: int | None) -> None:
    query = select(EndpointRow.id, newest.concluded())
    if only is not None:
        query = query.where(EndpointRow.id == only)
    last: dict[int, str] = {}
    async for found in _slices(session, query):
        last |= {endpoint: run for endpoint, run in found if run is not None}
    known = {one.run.id: one.run for one in before.endpoints.values() if one.run is not None}
    wanted = [run for run in last.values() if run not in known]
    for start in range(0, len(wanted), RUNS):
        known |= await _facts(session, wanted[start : start + RUNS])
    rows.runs = {endpoint: known[run] for endpoint, run in last.items() if run in known}


async def _facts(session: AsyncSession, ids: Sequence[str]) -> dict[str, RunFacts]:
    measured: dict[str, list[Measured]] = {}
    m = MeasurementRow
    cells = select(m.run_id, m.probe, m.dimension, m.method, m.category, m.mean, m.n, m.invalid)
    order = (m.run_id, m.probe, m.dimension, m.method, m.category)
    async for found in _slices(session, cells.where(m.run_id.in_(ids)).order_by(*order)):
        for run, *cell in found:
            measured.setdefault(run, []).append(Measured(*cell))
    figures = select(
        RunRow.id, RunRow.comparison["arms"], RunRow.comparison["off_axis"], RunRow.judge["agreement"],
        RunRow.judge["bias"], RunRow.latency,
    ).where(RunRow.id.in_(ids))  # fmt: skip
    facts: dict[str, RunFacts] = {}
    async for found in _slices(session, figures):
        for run, arms, off_axis, agreement, bias, latency in found:
            facts[run] = RunFacts(
                id=run, arms=arms or {}, off_axis=off_axis, judge_agreement=agreement, judge_bias=bias,
                latency=latency, measurements=tuple(measured.get(run, ())),
            )  # fmt: skip
    return facts


async def _alerts(session: AsyncSession, rows: Rows, only: int | None) -> None:
    query = select(AlertRow.endpoint_id, AlertRow.rule, AlertRow.severity, AlertRow.state)
    if only is not None:
        query = query.where(or_(AlertRow.endpoint_id == only, AlertRow.endpoint_id.is_(None)))
    async for found in _slices(session, query.order_by(AlertRow.subject, AlertRow.rule)):
        for endpoint, *alert in found:
            rows.alerts.setdefault(endpoint, []).append(Alert(*alert))


async def _counts(session: AsyncSession, rows: Rows, only: int | None) -> None:
    c = CounterRow
    query = select(c.endpoint_id, c.name, c.label, c.label2, c.value)
    if only is not None:
        query = query.where(c.endpoint_id == only)
    async for found in _slices(session, query.order_by(c.endpoint_id, c.name, c.label, c.label2)):
        for endpoint, *count in found:
            rows.counts.setdefault(endpoint, []).append(Count(*count))


def _endpoint(row: Any, rows: Rows) -> EndpointSnapshot:
    return EndpointSnapshot(
        id=row.id, name=row.name, model=row.model, profiles=row.profiles, health=row.health, verdict=row.verdict,
        run=rows.runs.get(row.id), alerts=tuple(rows.alerts.get(row.id, ())), counts=tuple(rows.counts.get(row.id, ())),
    )  # fmt: skip


async def _profiles(session: AsyncSession, names: Iterable[str]) -> tuple[ProfileSet, ...]:
    """Those that are named; an endpoint that was not read anew may name one that has been deleted since."""
    found = []
    for name in sorted(names):
        with contextlib.suppress(KeyError):
            found.append(await profile_library.resolve(session, name))
    return tuple(found)


async def _installation(session: AsyncSession, rows: Rows, endpoints: Iterable[EndpointSnapshot]) -> Installation:
    queued = await session.scalar(select(func.count()).select_from(RunRow).where(RunRow.state == "queued"))
    sent = select(NotificationCountRow.notifier, NotificationCountRow.outcome, NotificationCountRow.value)
    return Installation(
        profiles=await _profiles(session, {one.profiles for one in endpoints}),
        alerts=tuple(rows.alerts.get(None, ())),
        notifications={(notifier, outcome): value for notifier, outcome, value in await session.execute(sent)},
        unsettled=await deliveries.unsettled(session),
        queued=queued or 0,
        drill_success=await drills.last_success(session),
    )


async def _slices(session: AsyncSession, query: Select[*tuple[Any, ...]]) -> AsyncIterator[Sequence[Any]]:
    """The rows of a query, some at a time. Other work gets its turn in between."""
    rows = await session.stream(query.execution_options(yield_per=SLICE))
    async for found in rows.partitions(SLICE):
        yield found
        await asyncio.sleep(0)
