"""Running totals behind the Prometheus counters and histograms, kept in the database."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.types import Comparison
from probes.types import Answer, Unscored
from service.false_alarms import COUNTER, quarter
from service.storage.schema import CounterRow, RunRow

DURATION_BUCKETS_S = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
SUCCESS = ("succeeded",)


async def count_run(session: AsyncSession, run: RunRow, answers: Sequence[Answer], now: datetime) -> None:
    """Add a finished run to its endpoint's totals."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for answer in answers:
        outcome = str(answer.outcome.reason) if isinstance(answer.outcome, Unscored) else "scored"
        counts["answers", answer.cell.probe, outcome] += 1
        counts["tokens", "prompt", ""] += answer.prompt_tokens
        counts["tokens", "completion", ""] += answer.completion_tokens
        counts["tokens", "judge_prompt", ""] += answer.judge_prompt_tokens
        counts["tokens", "judge_completion", ""] += answer.judge_completion_tokens
    counts["runs", run.plan, run.state] += 1
    totals = {key: float(value) for key, value in counts.items() if value}
    if run.usd is not None:
        totals["usd", "", ""] = run.usd
    seconds = (now - (run.started_at or now)).total_seconds()
    totals["duration_sum", run.plan, ""] = seconds
    bucket = next((str(limit) for limit in DURATION_BUCKETS_S if seconds <= limit), "+Inf")
    totals["duration", run.plan, bucket] = 1
    await _add(session, run.endpoint_id, totals)
    if run.state in SUCCESS:
        await _set(session, run.endpoint_id, ("last_success", run.plan, ""), now.timestamp())


async def count_false_alarms(session: AsyncSession, run: RunRow, comparison: Comparison, now: datetime) -> None:
    """Add what a heartbeat of each arm may cost in false alarms: one over the threshold it was held against."""
    label = quarter(now)
    spent = {(COUNTER, label, str(arm)): 10.0**-figures.threshold for arm, figures in comparison.arms.items()}
    if spent:
        await _add(session, run.endpoint_id, spent)


async def _add(session: AsyncSession, endpoint_id: int, totals: dict[tuple[str, str, str], float]) -> None:
    statement = insert(CounterRow)
    statement = statement.on_conflict_do_update(
        index_elements=["endpoint_id", "name", "label", "label2"],
        set_={"value": CounterRow.value + statement.excluded.value},
    )
    await session.execute(statement, [_row(endpoint_id, key, value) for key, value in totals.items()])


async def _set(session: AsyncSession, endpoint_id: int, key: tuple[str, str, str], value: float) -> None:
    statement = insert(CounterRow).values(_row(endpoint_id, key, value))
    statement = statement.on_conflict_do_update(
        index_elements=["endpoint_id", "name", "label", "label2"], set_={"value": statement.excluded.value}
    )
    await session.execute(statement)


def _row(endpoint_id: int, key: tuple[str, str, str], value: float) -> dict[str, object]:
    name, label, label2 = key
    return {"endpoint_id": endpoint_id, "name": name, "label": label, "label2": label2, "value": value}


async def count_slots(
    session: AsyncSession,
    counts: Mapping[tuple[int, str, str, str], int],
    late: Mapping[tuple[int, str], float] | None = None,
) -> None:
    """Add slots that ended, by (endpoint id, plan, state, reason), and keep the newest lateness (s) of each plan."""
    for (endpoint_id, plan, state, reason), many in counts.items():
        await _add(session, endpoint_id, {("slots", plan, f"{state}/{reason}"): float(many)})
    for (endpoint_id, plan), seconds in (late or {}).items():
        await _set(session, endpoint_id, ("slot_lateness", plan, ""), seconds)
