"""An endpoint's way over time, from rows of the database."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from baselines.types import Arm
from service import profile_library
from service.storage import history
from service.storage.schema import EndpointRow
from service.ui.fill import landmarks
from service.ui.fill.common import verdict_of
from service.ui.views.trajectory import Reading, Span, Step, Trajectory

ON_PAGE = 60
"""Runs in the tables of a page, and on its map at most."""
IN_CHART = 1000
"""Points of a chart: more than it has pixels would only be slower."""
SAID = "self_assessment"


async def trajectory(
    session: AsyncSession, row: EndpointRow, span: Span, now: datetime, *, limit: int = ON_PAGE
) -> Trajectory:
    """At most `limit` of the runs within `span`: evenly chosen, each change of verdict first, and always the newest."""
    since = now - span.length if span.length is not None else None
    thread = await history.thread(session, row.id, since)
    changes = _changes(thread)
    chosen = pick([one.id for one in thread], changes, limit)
    units = await profile_library.resolve(session, row.profiles)
    return Trajectory(
        span=span,
        steps=[_step(one, changed=one.id in changes) for one in await history.figures(session, chosen)],
        runs=len(thread),
        profiles=row.profiles,
        landmarks=landmarks.states(units),
        variants=landmarks.variants(units),
    )


def pick(ids: Sequence[str], first: set[str], limit: int) -> list[str]:
    """At most `limit` of `ids` in their order: the newest, the newest half as many of `first`, and others evenly."""
    if len(ids) <= limit:
        return list(ids)
    kept = {one for one in ids if one in first}
    kept = set([one for one in ids if one in kept][-(limit // 2) :]) | {ids[-1]}
    room = limit - len(kept)
    rest = [one for one in ids if one not in kept]
    kept |= {rest[-1 - index * len(rest) // room] for index in range(room)}
    return [one for one in ids if one in kept]


def _changes(thread: history.Rows) -> set[str]:
    return {now.id for before, now in pairwise(thread) if now.verdict != before.verdict}


def _step(row: Any, *, changed: bool) -> Step:
    arms = {
        arm: Reading(
            drift=getattr(row, f"{arm}_drift"), low=getattr(row, f"{arm}_low"), high=getattr(row, f"{arm}_high"),
            alarm=bool(getattr(row, f"{arm}_alarm")),
        )
        for arm in Arm
        if getattr(row, f"{arm}_drift") is not None
    }  # fmt: skip
    return Step(
        run_id=row.id, at=row.finished_at or row.created_at, plan=row.plan, verdict=verdict_of(row.verdict),
        arms=arms, changed=changed,
        dimensions={one["dimension"]: one["mean"] for one in row.dimensions or () if one["probe"] == SAID},
    )  # fmt: skip
