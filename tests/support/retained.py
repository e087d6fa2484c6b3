"""Runs with answers, of any age, straight into a real SQLite file."""

from datetime import datetime

from sqlalchemy import insert, update

from service.storage.engine import Database
from service.storage.schema import AnswerRow, EndpointRow, MeasurementRow, RunRow
from tests.support.database import add_run


async def add_answered(
    database: Database,
    endpoint: EndpointRow,
    slot: str,
    at: datetime,
    *,
    answers: int = 46,
    reply: str = "B",
    state: str = "succeeded",
    reason: str | None = None,
) -> RunRow:
    """A run that ended at `at`, its first answer without a score for `reason`."""
    run = await add_run(database, endpoint, slot=slot, at=at)
    values = [
        {
            "run_id": run.id, "item_id": f"self_assessment/kindness/{number}", "repeat": 0, "probe": "self_assessment",
            "dimension": "kindness", "method": "binary", "category": "", "reply": reply,
            "score": None if reason and number == 0 else 1.0, "scorer": "choice/1", "attempts": 1,
            "reason": reason if number == 0 else None, "judge_attempts": 0, "prompt_tokens": 50,
            "completion_tokens": 3, "judge_prompt_tokens": 0, "judge_completion_tokens": 0, "at": at, "saved": 0,
        }
        for number in range(answers)
    ]  # fmt: skip
    measured = {
        "run_id": run.id, "probe": "self_assessment", "dimension": "kindness", "method": "binary", "category": "",
        "mean": 1.0, "variance": 0.0, "n": answers, "invalid": 0, "items": answers, "k": 1,
    }  # fmt: skip
    async with database.write() as session:
        await session.execute(insert(AnswerRow), values)
        await session.execute(insert(MeasurementRow), [measured])
        over = {"state": state, "answered": answers, "total": answers, "finished_at": at, "verdict": "steady"}
        await session.execute(update(RunRow).where(RunRow.id == run.id).values(**over))
    return run
