"""A history of runs, made from one that really ran: as large as real ones, at other times and places."""

import math
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from service.storage.engine import Database
from service.storage.schema import RunRow

EVERY = timedelta(minutes=15)
BATCH = 200


async def seed(database: Database, run_id: str, count: int, *, ends: datetime, jump: float = 0.8) -> list[str]:
    """`count` runs before that run, every 15 minutes until `ends`; deeds move by `jump` after two thirds of them."""
    async with database.read() as session:
        table = RunRow.__table__
        row = dict((await session.execute(select(*table.columns).where(RunRow.id == run_id))).mappings().one())
    made = [_copy(row, number, count, ends - EVERY * (count - number), jump) for number in range(count)]
    async with database.write() as session:
        for start in range(0, count, BATCH):
            await session.execute(insert(RunRow), made[start : start + BATCH])
    return [one["id"] for one in made]


def _copy(row: dict[str, Any], number: int, count: int, at: datetime, jump: float) -> dict[str, Any]:
    turn = count * 2 / 3
    comparison = deepcopy(row["comparison"])
    moved = jump / (1 + math.exp(min(turn - number, 50)))
    for arm, drift in (("self_report", 0.03 * math.sin(number * 1.7)), ("behaviour", 0.04 * math.cos(number) + moved)):
        alarm = arm == "behaviour" and number > turn + 3
        comparison["arms"][arm] |= {"drift": drift, "low": drift - 0.1, "high": drift + 0.1, "alarm": alarm}
    verdict = "inverted_persona" if jump > 0.3 and number > turn + 3 else "steady"
    identity = f"{int(at.timestamp() * 1000):012x}{number:020x}"
    return row | {
        "id": identity, "slot": f"seeded:{number}", "created_at": at, "started_at": at,
        "finished_at": at + timedelta(seconds=40), "comparison": comparison, "verdict": verdict,
    }  # fmt: skip
