"""What a message about a change tells besides the run itself: the run before it, and the likely causes."""

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.types import Facts
from baselines.serialize import comparison_from_json
from baselines.types import Arm, ArmComparison, Verdict
from service.log import logger
from service.storage.newest import CONCLUDED
from service.storage.schema import RunRow

LOOK_BACK = 50
"""So many runs back a steady one is looked for."""
log = logger()


async def with_history(session: AsyncSession, facts: Facts, run: RunRow) -> Facts:
    """`facts` with where the arms stood before the change, and why it may have come. A steady run needs neither."""
    if facts.verdict in (None, Verdict.STEADY, Verdict.INSUFFICIENT_DATA):
        return facts
    told = tuple(str(cause["says"]) for cause in (run.attribution or {}).get("causes", []))
    earlier = await _before(session, run)
    arms = _arms(earlier) if earlier is not None else None
    if earlier is None or arms is None:
        return replace(facts, causes=told)
    return replace(
        facts, causes=told, before=arms, before_run=earlier.id, before_at=earlier.finished_at or earlier.created_at
    )


def _arms(earlier: RunRow) -> Mapping[Arm, ArmComparison] | None:
    """Where they stood. None for what cannot be read: it would have adorned a message, and must not cost a verdict."""
    try:
        return comparison_from_json(earlier.comparison or {}).arms
    except ValueError as error:
        log.warning(
            "the comparison of an earlier run cannot be read, so the message does not tell it; it may be of another "
            "version of Selfwatch",
            action="history_unreadable", run=earlier.id, error=type(error).__name__,
        )  # fmt: skip
        return None


async def _before(session: AsyncSession, run: RunRow) -> RunRow | None:
    """The last steady run before this one, else the last with a comparison."""
    earlier = (
        RunRow.endpoint_id == run.endpoint_id, RunRow.id < run.id, RunRow.state.in_(CONCLUDED),
        RunRow.comparison.is_not(None),
    )  # fmt: skip
    newest = select(RunRow.id).where(*earlier).order_by(RunRow.id.desc()).limit(LOOK_BACK)
    query = select(RunRow).where(*earlier).order_by(RunRow.id.desc()).limit(1)
    steady = await session.scalar(query.where(RunRow.verdict == str(Verdict.STEADY), RunRow.id.in_(newest)))
    return steady if steady is not None else await session.scalar(query)
