"""Why a verdict has changed: the run beside the runs before it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.attribution import Attribution, Seen, attribute
from baselines.types import Profile
from probes.types import Answer, Cell
from service.judge_control import Checked
from service.outcome import Outcome
from service.storage import answers as answer_store
from service.storage.engine import Database
from service.storage.newest import CONCLUDED
from service.storage.schema import EndpointRow, RunRow

RUNS_BEFORE = 5
"""So many runs before the change are looked at."""


def configuration(endpoint: EndpointRow) -> dict[str, str]:
    """What of an endpoint's registration shapes its answers, as text and without a secret."""
    flat = {"base_url": endpoint.base_url, "model": endpoint.model, "profiles": endpoint.profiles}
    for name, value in sorted((endpoint.sampling or {}).items()):
        if value not in (None, {}):
            flat[f"sampling.{name}"] = str(value)
    return flat


async def explain(
    database: Database,
    run: RunRow,
    endpoint: EndpointRow,
    *,
    answers: Sequence[Answer],
    outcome: Outcome,
    own: Profile | None,
) -> dict[str, Any]:
    """The likely causes of the change, and the items that moved most, as they are stored with the run."""
    async with database.read() as session:
        runs = await _before(session, run)
        earlier = await answer_store.answers_of(session, [one.id for one in runs])
    judge = (runs[0].judge or {}) if runs else {}
    before = Seen(
        answers=earlier, judge_agreement=judge.get("agreement"), judge_bias=judge.get("bias"),
        configuration=(runs[0].configuration or {}) if runs else {},
    )  # fmt: skip
    now = Seen(answers=answers, configuration=configuration(endpoint), **_judge(outcome.judge_check))
    expected: Mapping[Cell, float] = {cell.cell: cell.mean for cell in own.cells if cell.k == 1} if own else {}
    temperature = (endpoint.sampling or {}).get("temperature")
    found = await asyncio.to_thread(
        attribute, now, before if earlier else None, expected=expected, temperature=temperature
    )
    return to_json(found, [one.id for one in runs])


def to_json(found: Attribution, compared_with: Sequence[str]) -> dict[str, Any]:
    return {
        "compared_with": list(compared_with),
        "causes": [{**asdict(cause), "kind": str(cause.kind)} for cause in found.causes],
        "items": [
            {"item": one.item_id, "cell": asdict(one.cell), "before": round(one.before, 6), "now": round(one.after, 6)}
            for one in found.items
        ],
    }


async def _before(session: AsyncSession, run: RunRow) -> list[RunRow]:
    """The runs with a verdict right before this one, newest first."""
    query = (
        select(RunRow)
        .where(RunRow.endpoint_id == run.endpoint_id, RunRow.id < run.id, RunRow.state.in_(CONCLUDED))
        .order_by(RunRow.id.desc())
        .limit(RUNS_BEFORE)
    )
    return list(await session.scalars(query))


def _judge(checked: Checked | None) -> dict[str, float | None]:
    found = checked.examination if checked else None
    return {"judge_agreement": found.agreement if found else None, "judge_bias": found.bias if found else None}
