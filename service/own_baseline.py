"""An endpoint's own baseline: built from its runs, kept with its provenance."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.build import build_own
from baselines.serialize import comparison_from_json, profile_from_json, profile_to_json
from baselines.types import Profile, ProfileSet, Verdict
from baselines.verdict import above_base
from probes import registry
from probes.measure import measure, observations
from probes.types import Cell
from service.basis import STATISTICS
from service.storage import answers as answer_store
from service.storage.retention import Stage
from service.storage.schema import BaselineRow, EndpointRow, RunRow

MAX_WORST_OF = 10


async def current(session: AsyncSession, endpoint_id: int) -> BaselineRow | None:
    """The baseline that holds: the newest, unless the items that it was asked have changed since."""
    row = await newest(session, endpoint_id)
    return row if row is None or stale(row) is None else None


def stale(row: BaselineRow) -> str | None:
    """Why a baseline cannot be compared with any more, and what to do; None when it can."""
    changed = sorted(
        name
        for name, content in (row.banks or {}).items()
        if name not in registry.names() or registry.probe(name).bank.content_hash != content
    )
    if not changed:
        return None
    return (
        f"the items of {', '.join(changed)} have changed since this baseline was made, so it is not used: "
        "build a new one from runs of now"
    )


async def newest(session: AsyncSession, endpoint_id: int) -> BaselineRow | None:
    query = select(BaselineRow).where(BaselineRow.endpoint_id == endpoint_id)
    return await session.scalar(query.order_by(BaselineRow.id.desc()).limit(1))


def profile(row: BaselineRow | None) -> Profile | None:
    return profile_from_json(row.profile) if row is not None else None


def reference_key(row: BaselineRow | None, profiles: ProfileSet) -> str:
    """Fingerprint of what evidence is gathered against: reference and item banks, whatever plan draws from them.

    When it changes, evidence starts anew.
    """
    own = f"own:{row.id}" if row is not None else "published"
    parts = (own, profiles.content_hash, registry.fingerprint(), STATISTICS)
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


async def items(session: AsyncSession, row: BaselineRow | None) -> dict[tuple[Cell, str], float]:
    """The mean score of each item that the baseline was made from; empty for one of an earlier release."""
    stored = None
    if row is not None:
        stored = await session.scalar(select(BaselineRow.items).where(BaselineRow.id == row.id))
    known = registry.items_by_id()
    return {(known[name].cell, name): float(mean) for name, mean in (stored or {}).items() if name in known}


def unfit(runs: Sequence[RunRow]) -> str | None:
    """Why these runs make no baseline together, and what to do; None when nothing speaks against it."""
    if not runs:
        return "no run was chosen; choose at least one"
    if len({run.banks_hash for run in runs}) > 1:
        return "the runs were asked from different item banks or plans; choose runs of one plan and version"
    if gone := [run.id for run in runs if run.retention in (Stage.REMOVING_ANSWERS, Stage.NO_ANSWERS)]:
        return f"the answers of {', '.join(gone)} were removed by retention; choose later runs"
    return None


def steady(run: RunRow) -> bool:
    """Whether an endpoint may be measured by this run without a person's word: nothing in it has moved, and no arm
    stands above base either. Else a model that turns in its first runs would be taken as its own baseline before there
    is evidence enough to say so, and be steady ever after."""
    if run.verdict != Verdict.STEADY or run.comparison is None:
        return False
    return not above_base(comparison_from_json(run.comparison).arms)


async def build(
    session: AsyncSession, endpoint: EndpointRow, runs: Sequence[RunRow], *, made_by: str, now: datetime
) -> BaselineRow:
    """A new baseline from the stored answers of `runs`. Raises ValueError when they are not enough."""
    if (why := unfit(runs)) is not None:
        raise ValueError(why)
    ids = [run.id for run in runs]
    answers = await answer_store.answers_of(session, ids)
    by_k = {k: measure(answers, worst_of=k) for k in range(1, MAX_WORST_OF + 1)}
    own = build_own(name=f"{endpoint.name}/own", run_ids=ids, measurements_by_k=by_k)
    row = BaselineRow(
        endpoint_id=endpoint.id, profile=profile_to_json(own), runs=ids, made_by=made_by,
        banks_hash=runs[0].banks_hash, created_at=now, items={one.item: one.value for one in observations(answers)},
        banks={name: registry.probe(name).bank.content_hash for name in sorted({a.cell.probe for a in answers})},
    )  # fmt: skip
    session.add(row)
    await session.flush()
    return row
