"""Runs with the answers that a test wants, straight into a real SQLite file."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, update

from service.storage.engine import Database
from service.storage.schema import AnswerRow, EndpointRow, MeasurementRow, RunRow
from tests.support.database import NOW, add_run

CHOICE: dict[str, Any] = {
    "item_id": "in.good_evil.s1.am", "repeat": 0, "probe": "intentions", "dimension": "good_evil", "method": "scenario",
    "category": "", "reply": "A", "score": 0.0, "scorer": "choice/1", "second_score": None, "reason": None,
    "detail": None, "attempts": 1, "judge_attempts": 0, "latency_s": 0.5, "model": "m", "system_fingerprint": "fp",
    "prompt_tokens": 50, "completion_tokens": 3, "judge_prompt_tokens": 0, "judge_completion_tokens": 0, "saved": 0,
    "at": NOW,
}  # fmt: skip
JUDGED: dict[str, Any] = CHOICE | {
    "item_id": "harm.insults.h1", "probe": "harm", "dimension": "", "method": "", "category": "insults",
    "reply": "No.", "score": 0.0, "scorer": "judge/2", "judge_attempts": 1,
}  # fmt: skip
UNSCORED: dict[str, Any] = {"score": None, "scorer": None, "reason": "refused", "detail": "I cannot"}


async def add_run_with(
    database: Database, endpoint: EndpointRow, slot: str, answers: Sequence[dict[str, Any]], **run: Any
) -> RunRow:
    """A run that has succeeded with `answers`, each as it is stored."""
    row = await add_run(database, endpoint, slot=slot)
    over = {"state": "succeeded", "answered": len(answers), "total": len(answers), "finished_at": NOW} | run
    async with database.write() as session:
        if answers:
            await session.execute(insert(AnswerRow), [one | {"run_id": row.id} for one in answers])
        await session.execute(update(RunRow).where(RunRow.id == row.id).values(**over))
    async with database.read() as session:
        return await session.get_one(RunRow, row.id)


async def add_measurements(database: Database, run: RunRow, *values: dict[str, Any]) -> None:
    """Measurements of `run`; what is not given is that of a plain cell."""
    plain = {
        "run_id": run.id, "probe": "intentions", "dimension": "good_evil", "method": "scenario", "category": "",
        "mean": 0.5, "variance": 0.25, "n": 20, "invalid": 0, "items": 20, "k": 1,
    }  # fmt: skip
    async with database.write() as session:
        await session.execute(insert(MeasurementRow), [plain | one for one in values])
