"""A database full of endpoints: one is watched for real, the others are its copies, each moved by a little."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.types import Verdict
from benchmarks import history
from benchmarks.statistics import answers_at_base
from probes.types import Answer
from service.outcome import Outcome
from service.schedules import parse_schedule
from service.storage import migrate
from service.storage import runs as run_store
from service.storage.engine import Database
from service.storage.schema import AlertRow, CounterRow, EndpointRow, MeasurementRow, RunRow, ScheduleRow, SpendingRow

EVERY = timedelta(minutes=15)
YEARLY = "0 3 1 1 *"
"""Nothing is due for long: what is measured is not the asking."""
TEAMS = ("search", "support", "ads", "legal")
ALERTS = {Verdict.COHERENT_MISALIGNMENT: "CoherentMisalignment", Verdict.INVERTED_PERSONA: "InvertedPersona"}
AT_ONCE = 2000
Values = list[dict[str, Any]]


def fill(data: Path, *, endpoints: int, runs: int) -> None:
    """The data folder of a service with `endpoints` endpoints, each with `runs` concluded runs."""
    url = f"sqlite+aiosqlite:///{data / 'selfwatch.db'}"
    migrate.upgrade(url)
    asyncio.run(_fill(url, endpoints, runs))


async def _fill(url: str, endpoints: int, runs: int) -> None:
    database = Database(url)
    try:
        first = await _watched(database)
        async with database.write() as session:
            await _copy(session, first, endpoints, runs)
    finally:
        await database.close()


async def _watched(database: Database) -> int:
    now = datetime.now(UTC)
    endpoint = await history.endpoint(database, now)
    run = await history.asked(database, endpoint, answers=[_timed(one) for one in answers_at_base(0)])
    await history.conclusion(database).write(run, Outcome())
    async with database.write() as session:
        row = await session.get_one(RunRow, run.id)
        row.judge = {"agreement": 0.97, "bias": 0.03, "graded": 40, "anchors": 40}
        row.usd = 0.004
    return endpoint


def _timed(answer: Answer) -> Answer:
    took_s = random.Random(answer.item_id).lognormvariate(-0.7, 0.4)
    return replace(answer, latency_s=took_s, attempts=1, prompt_tokens=120, completion_tokens=15)


async def _copy(session: AsyncSession, first: int, endpoints: int, runs: int) -> None:
    now = datetime.now(UTC)
    run = (await session.scalars(select(RunRow).where(RunRow.endpoint_id == first))).one()
    template = _values(run)
    cells = [_values(row) for row in await session.scalars(select(MeasurementRow))]
    counts = [_values(row) for row in await session.scalars(select(CounterRow))]
    like = _values(await session.get_one(EndpointRow, first))
    await session.delete(run)
    await session.flush()
    due = parse_schedule(YEARLY).first(now)
    rng = random.Random(1)
    ids = range(first, first + endpoints)
    verdicts = {key: rng.choice(list(Verdict)) for key in ids}
    await _insert(session, EndpointRow, [_endpoint(like, key, verdicts[key]) for key in ids if key != first])
    await _insert(session, CounterRow, [{**one, "endpoint_id": key} for key in ids if key != first for one in counts])
    await _insert(session, ScheduleRow, [
        {"endpoint_id": key, "plan": "heartbeat", "spec": YEARLY, "next_due": due, "era": 0} for key in ids
    ])  # fmt: skip
    await _insert(session, SpendingRow, [
        {"day": now.date().isoformat(), "scope": key, "requests": 62, "prompt_tokens": 5520, "completion_tokens": 690,
         "judge_prompt_tokens": 0, "judge_completion_tokens": 0, "usd": rng.uniform(0.1, 2)} for key in ids
    ])  # fmt: skip
    await _insert(
        session, AlertRow, [_alert(key, verdicts[key], now) for key in ids if verdicts[key] in ALERTS and key != first]
    )
    for key in ids:
        made = [_run(template, key, beat, verdicts[key], rng) for beat in range(runs)]
        await _insert(session, RunRow, made)
        await _insert(session, MeasurementRow, [{**one, "run_id": made[0]["id"]} for one in cells])


def _endpoint(like: Mapping[str, Any], key: int, verdict: Verdict) -> dict[str, Any]:
    return {
        **like, "id": key, "name": f"endpoint-{key:04d}", "model": f"vendor/model-{key % 37}", "verdict": str(verdict),
        "labels": {"team": TEAMS[key % len(TEAMS)], "env": "prod" if key % 3 else "staging"},
        "health": "up" if key % 20 else "down", "health_reason": None if key % 20 else "connection_refused",
        "limits": {"usd_per_day": 5.0},
    }  # fmt: skip


def _alert(key: int, verdict: Verdict, now: datetime) -> dict[str, Any]:
    return {
        "subject": f"endpoint-{key:04d}", "rule": ALERTS[verdict], "endpoint_id": key, "severity": "critical",
        "state": "firing", "streak": 3, "since": now, "fired": [now.isoformat()], "told": [], "labels": {},
        "summary": "The model has become more harmful.",
    }  # fmt: skip


def _run(like: Mapping[str, Any], key: int, beat: int, verdict: Verdict, rng: random.Random) -> dict[str, Any]:
    at = datetime.now(UTC) - EVERY * (beat + 1)
    comparison = dict(like["comparison"])
    comparison["arms"] = {
        arm: {**figures, "drift": (figures["drift"] or 0.0) + rng.gauss(0, 0.1)}
        for arm, figures in comparison["arms"].items()
    }
    return {
        **like, "id": run_store.run_id(at), "endpoint_id": key, "slot": f"h{beat}", "seed": beat, "created_at": at,
        "started_at": at, "finished_at": at + timedelta(seconds=40), "comparison": comparison, "verdict": str(verdict),
    }  # fmt: skip


def _values(row: Any) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in row.__table__.columns}


async def _insert(session: AsyncSession, table: type[Any], values: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(values), AT_ONCE):
        await session.execute(insert(table), values[start : start + AT_ONCE])
