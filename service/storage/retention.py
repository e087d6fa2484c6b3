"""What retention takes from the database: few rows at a time, each step whole in itself, so it may stop anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import delete, exists, insert, select, text, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession

from probes.types import Reason
from service.storage import results
from service.storage.runs import FINISHED
from service.storage.schema import WITH_ANSWERS, WITH_REPLIES, AnswerRow, RunRow

MOST_RUNS: Final = 50
"""Runs that are read at a time."""


class Stage(StrEnum):
    """How far retention has come with a run."""

    REMOVING_REPLIES = "removing_replies"
    NO_REPLIES = "no_replies"
    REMOVING_ANSWERS = "removing_answers"
    NO_ANSWERS = "no_answers"


@dataclass(frozen=True, kw_only=True)
class Size:
    """Bytes of the database: those in use, and those of free pages, which can be given back or used again."""

    used: int
    free: int
    free_pages: int


@dataclass(frozen=True, kw_only=True)
class Step:
    """`rows` that were changed or deleted; `more` when there may be others."""

    rows: int
    more: bool


async def remove_replies(session: AsyncSession, before: datetime | None, rows: int, now: datetime) -> Step:
    """Empty the replies of at most `rows` answers, the oldest runs first. `before`: None takes them at any age."""
    ids = await _due(session, WITH_REPLIES, before, rows)
    if not ids:
        return Step(rows=0, more=False)
    changed = await _empty(session, ids, rows)
    await _mark(session, ids, Stage.REMOVING_REPLIES if changed == rows else Stage.NO_REPLIES, now)
    return Step(rows=changed, more=True)


async def _empty(session: AsyncSession, ids: Sequence[str], rows: int) -> int:
    """Written anew, not updated: SQLite leaves the room of a shortened row in its page, where nobody can use it."""
    table = AnswerRow.__table__
    query = select(*table.c).where(AnswerRow.run_id.in_(ids), AnswerRow.reply.is_not(None))
    found = (await session.execute(query.order_by(AnswerRow.id).limit(rows))).mappings().all()
    if found:
        await session.execute(delete(AnswerRow).where(AnswerRow.id.in_([row["id"] for row in found])))
        await session.execute(insert(AnswerRow), [{**row, "reply": None} for row in found])
    return len(found)


async def remove_answers(session: AsyncSession, before: datetime, rows: int, now: datetime) -> Step:
    """Delete at most `rows` answers of runs older than `before`. Their counts without a score stay with the run."""
    ids = await _due(session, WITH_ANSWERS, before, rows)
    if not ids:
        return Step(rows=0, more=False)
    for run_id in ids:
        counted = await results.invalid_by_reason(session, run_id)
        await session.execute(update(RunRow).where(RunRow.id == run_id).values(invalid_by_reason=counted))
    some = select(AnswerRow.id).where(AnswerRow.run_id.in_(ids)).limit(rows)
    deleted = await _rows(session, delete(AnswerRow).where(AnswerRow.id.in_(some)))
    await _mark(session, ids, Stage.REMOVING_ANSWERS if deleted == rows else Stage.NO_ANSWERS, now)
    return Step(rows=deleted, more=True)


async def size(session: AsyncSession) -> Size:
    """Of the file itself; what still stands in its write-ahead log will become part of it."""
    pages, free, page = [
        int((await session.execute(text(f"PRAGMA {name}"))).scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    ]
    return Size(used=(pages - free) * page, free=free * page, free_pages=free)


async def gives_back(session: AsyncSession) -> bool:
    """Whether free pages can be given back to the disk in small steps."""
    return int((await session.execute(text("PRAGMA auto_vacuum"))).scalar_one()) == 2


async def give_back(session: AsyncSession, pages: int) -> None:
    """Give at most `pages` free pages back to the disk."""
    connection = await (await session.connection()).get_raw_connection()
    assert connection.driver_connection is not None  # noqa: S101 (for the type checker)
    # one page a step, and steps without columns: SQLAlchemy would take the first alone
    cursor = await connection.driver_connection.execute(f"PRAGMA incremental_vacuum({int(pages)})")
    await cursor.fetchall()
    await cursor.close()


async def _due(session: AsyncSession, which: str, before: datetime | None, rows: int) -> list[str]:
    """The oldest runs that are over and not awaited by the judge, together of at most `rows` answers, or one alone."""
    query = select(RunRow.id, RunRow.answered).where(text(f"({which})"), RunRow.state.in_(FINISHED))
    if before is not None:
        query = query.where(RunRow.finished_at < before)
    taken: list[str] = []
    together, last = 0, ""
    while True:
        page = query.where(RunRow.id > last).order_by(RunRow.id).limit(MOST_RUNS)
        found = (await session.execute(page)).all()
        for last, answered in found:
            together += max(answered, 1)
            if taken and together > rows:
                return taken
            if await _awaited(session, last):
                together -= max(answered, 1)
            else:
                taken.append(last)
        if len(found) < MOST_RUNS:
            return taken


async def _awaited(session: AsyncSession, run_id: str) -> bool:
    """Whether the judge has yet to grade an answer. Asked of a run at a time: it reads all of its answers."""
    pending = exists().where(AnswerRow.run_id == run_id, AnswerRow.reason == str(Reason.JUDGE_PENDING))
    return bool(await session.scalar(select(pending)))


async def _mark(session: AsyncSession, ids: Sequence[str], stage: Stage, now: datetime) -> None:
    mine = update(RunRow).where(RunRow.id.in_(ids)).execution_options(synchronize_session=False)
    await session.execute(mine.values(retention=str(stage), retention_at=now))


async def _rows(session: AsyncSession, statement: object) -> int:
    found = await session.execute(statement)  # type: ignore[call-overload]
    return int(found.rowcount) if isinstance(found, CursorResult) else 0
