"""Runs of an endpoint over time, as few figures of each as a chart needs: read by the database, not by us."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Row, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncSession

from service.storage.newest import CONCLUDED
from service.storage.schema import FlipRow, RunRow

MOST_RUNS = 50_000
"""A year and more of a heartbeat every quarter of an hour. Older ones are not looked at."""
ARMS = ("self_report", "behaviour")
FIGURES = ("drift", "low", "high", "alarm")
Rows = Sequence[Row[*tuple[Any, ...]]]


async def thread(session: AsyncSession, endpoint_id: int, since: datetime | None) -> Rows:
    """(id, verdict) of each run with a comparison that was made since then, oldest first."""
    query = select(RunRow.id, RunRow.verdict).where(
        RunRow.endpoint_id == endpoint_id, RunRow.state.in_(CONCLUDED), RunRow.comparison.is_not(None)
    )
    if since is not None:
        query = query.where(RunRow.created_at >= since)
    newest = query.order_by(RunRow.created_at.desc(), RunRow.id.desc()).limit(MOST_RUNS)
    return (await session.execute(newest)).all()[::-1]


async def figures(session: AsyncSession, ids: Sequence[str]) -> Rows:
    """Of these runs, oldest first: id, at, plan, verdict, then of each arm drift, low, high and alarm as
    `self_report_drift`, ..., and `dimensions` as they are stored."""
    compared = type_coerce(RunRow.comparison, JSON)
    arms: list[Any] = [
        compared[("arms", arm, name)].as_boolean().label(f"{arm}_{name}")
        if name == "alarm"
        else compared[("arms", arm, name)].as_float().label(f"{arm}_{name}")
        for arm in ARMS
        for name in FIGURES
    ]
    columns = [
        RunRow.id, RunRow.finished_at, RunRow.created_at, RunRow.plan, RunRow.verdict, *arms,
        compared["dimensions"].as_json().label("dimensions"),
    ]  # fmt: skip
    query = select(*columns)
    return (await session.execute(query.where(RunRow.id.in_(ids)).order_by(RunRow.created_at, RunRow.id))).all()


async def firing(session: AsyncSession, endpoint_id: int, since: datetime | None, limit: int) -> Rows:
    """(at, rule, run_id) of the newest alerts that began to fire since then, oldest first. Drills are none of them."""
    query = select(FlipRow.at, FlipRow.rule, FlipRow.run_id).where(
        FlipRow.endpoint_id == endpoint_id, FlipRow.after == "firing", FlipRow.drill_id.is_(None)
    )
    if since is not None:
        query = query.where(FlipRow.at >= since)
    return (await session.execute(query.order_by(FlipRow.at.desc()).limit(limit))).all()[::-1]
