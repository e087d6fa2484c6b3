"""A database with many endpoints in it, made without asking any of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.schedules import parse_schedule
from service.storage import migrate
from service.storage.engine import Database
from service.storage.schema import EndpointRow, RunRow, ScheduleRow, SpendingRow

YEARLY = "0 3 1 1 *"
"""Nothing is due while a test runs."""
ARM: dict[str, Any] = {
    "score": 0.1, "low": None, "high": None, "evidence": 0.5, "threshold": 4.0, "alarm": False, "n": 30, "invalid": 0,
    "reference": "published", "note": "", "score_low": None, "score_high": None,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Told:
    """One endpoint. `drifts`: (self-report, behaviour) of its runs, oldest first, a quarter of an hour apart; None for
    a run that failed. `usd`: spent today. `ended`: how long ago its last run did."""

    name: str
    model: str = "m"
    verdict: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    drifts: Sequence[tuple[float | None, float | None] | None] = ()
    paused: bool = False
    simulated: bool = False
    down: bool = False
    usd: float = 0.0
    ended: timedelta = timedelta(minutes=5)


def seed(folder: Path, told: Sequence[Told]) -> None:
    """The data of a service that is about to be started in `folder`, or of one that is not."""
    url = f"sqlite+aiosqlite:///{folder / 'selfwatch.db'}"
    migrate.upgrade(url)

    async def fill() -> None:
        database = Database(url)
        try:
            async with database.write() as session:
                await add(session, told)
        finally:
            await database.close()

    asyncio.run(fill())


async def add(session: AsyncSession, told: Sequence[Told], now: datetime | None = None) -> list[int]:
    """Gives their ids."""
    now = now or datetime.now(UTC)
    ids = []
    for one in told:
        row = EndpointRow(
            name=one.name, base_url="http://127.0.0.1:9/v1", model=one.model, key_kind="none",
            profiles="gpt-4.1/all", labels=one.labels, limits={}, sampling={}, paused=one.paused,
            simulated=one.simulated, health="down" if one.down else "up",
            health_reason="unreachable" if one.down else None, verdict=one.verdict, created_at=now,
        )  # fmt: skip
        session.add(row)
        await session.flush()
        ids.append(row.id)
        values = [_run(row.id, at, drift, now - one.ended, len(one.drifts)) for at, drift in enumerate(one.drifts)]
        if values:
            await session.execute(insert(RunRow), values)
        due = parse_schedule(YEARLY).first(now)
        session.add(ScheduleRow(endpoint_id=row.id, plan="heartbeat", spec=YEARLY, next_due=due, era=0))
        if one.usd:
            session.add(SpendingRow(day=f"{now:%Y-%m-%d}", scope=row.id, usd=one.usd, prompt_tokens=1000))
    return ids


def _run(
    endpoint: int, number: int, drift: tuple[float | None, float | None] | None, last: datetime, many: int
) -> dict[str, Any]:
    at = last - timedelta(minutes=15) * (many - 1 - number)
    comparison = None
    if drift is not None:
        arms = {
            arm: {**ARM, "drift": value}
            for arm, value in zip(("self_report", "behaviour"), drift, strict=True)
            if value is not None
        }
        comparison = {"profiles": "gpt-4.1/all", "arms": arms, "nearest_profile": None, "distances": {}, "off_axis": 0}
    return {
        "id": f"{endpoint:016x}{number:016x}", "endpoint_id": endpoint, "plan": "heartbeat", "slot": f"s{number}",
        "seed": number, "banks_hash": "h", "state": "succeeded" if drift is not None else "failed", "created_at": at,
        "started_at": at, "finished_at": at, "total": 46, "answered": 46, "requests": 46, "prompt_tokens": 0,
        "completion_tokens": 0, "comparison": comparison, "cancel_requested": False, "paused": False,
    }  # fmt: skip
