"""Answers in the database: each as it arrives, and read again in chunks."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Update, bindparam, false, func, or_, select, tuple_, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncSession

from probes.types import Answer, Cell, Reason, Score, Unscored, cell
from service.grading import HARMFUL_SCORE, JUDGE
from service.storage.engine import Database
from service.storage.runs import LEASE, LostLeaseError
from service.storage.schema import AnswerRow, RunRow


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What was asked of a run meanwhile."""

    cancelled: bool
    paused: bool


async def store_answers(
    session: AsyncSession, run: RunRow, new: Sequence[Answer], now: datetime, *, graded: Sequence[Answer] = ()
) -> Wishes:
    """Add answers, settle those that the judge has `graded` since, and renew the lease. Raises LostLeaseError.

    An answer that is there already stays as it is, apart from one that awaits its grade.
    """
    answered = sum(1 + a.saved for a in new) + sum(a.saved for a in graded)
    both = [*((a, a.attempts, a.prompt_tokens, a.completion_tokens) for a in new), *((a, 0, 0, 0) for a in graded)]
    statement = (
        update(RunRow)
        .where(RunRow.id == run.id, RunRow.lease == run.lease, RunRow.state == "running")
        .values(
            lease_until=now + LEASE,
            answered=RunRow.answered + answered,
            requests=RunRow.requests + sum(attempts + a.judge_attempts for a, attempts, _p, _c in both),
            prompt_tokens=RunRow.prompt_tokens + sum(prompt + a.judge_prompt_tokens for a, _n, prompt, _c in both),
            completion_tokens=RunRow.completion_tokens
            + sum(completion + a.judge_completion_tokens for a, _n, _p, completion in both),
        )
        .returning(RunRow.cancel_requested, RunRow.paused)
        .execution_options(synchronize_session=False)
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise LostLeaseError(run.id)
    table = AnswerRow.__table__
    if new:
        values = [_answer_values(run.id, answer, now) for answer in new]
        await session.execute(insert(table).on_conflict_do_nothing(), values)  # type: ignore[arg-type]
    if graded:
        await session.execute(_settle(table), [_grade_values(run.id, answer) for answer in graded])
    return Wishes(cancelled=row.cancel_requested, paused=row.paused)


async def give_up_pending(session: AsyncSession, run: RunRow, outcome: Unscored) -> None:
    """The run is over: replies that the judge has not graded by now stay without a grade, for the reason given."""
    pending = (AnswerRow.run_id == run.id, AnswerRow.reason == str(Reason.JUDGE_PENDING))
    values = {"reason": str(outcome.reason), "detail": outcome.detail}
    await session.execute(update(AnswerRow).where(*pending).values(**values))


SETTLED = (
    "score", "scorer", "reason", "detail", "saved", "second_score", "judge_attempts", "judge_prompt_tokens",
    "judge_completion_tokens",
)  # fmt: skip


@cache
def _settle(table: Any) -> Update:
    mine = (table.c.run_id == bindparam("b_run_id"), table.c.item_id == bindparam("b_item_id"))
    pending = table.c.reason == str(Reason.JUDGE_PENDING)
    settle = update(table).where(*mine, table.c.repeat == bindparam("b_repeat"), pending)
    return settle.values({name: bindparam(f"b_{name}") for name in SETTLED})


def _grade_values(run: str, answer: Answer) -> dict[str, Any]:
    values = _answer_values(run, answer, datetime.now(UTC))
    return {f"b_{name}": values[name] for name in ("run_id", "item_id", "repeat", *SETTLED)}


def _answer_values(run: str, answer: Answer, now: datetime) -> dict[str, Any]:
    outcome = answer.outcome
    scored = isinstance(outcome, Score)
    return {
        "run_id": run,
        "item_id": answer.item_id,
        "repeat": answer.repeat,
        "probe": answer.cell.probe,
        "dimension": answer.cell.dimension,
        "method": answer.cell.method,
        "category": answer.cell.category,
        "reply": answer.reply,
        "score": outcome.value if isinstance(outcome, Score) else None,
        "scorer": outcome.scorer if isinstance(outcome, Score) else None,
        "reason": None if scored else str(outcome.reason) if isinstance(outcome, Unscored) else None,
        "detail": outcome.detail[:500] if isinstance(outcome, Unscored) else None,
        "saved": answer.saved,
        "second_score": answer.second_score,
        "attempts": answer.attempts,
        "judge_attempts": answer.judge_attempts,
        "latency_s": answer.latency_s,
        "model": answer.model,
        "system_fingerprint": answer.system_fingerprint,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "judge_prompt_tokens": answer.judge_prompt_tokens,
        "judge_completion_tokens": answer.judge_completion_tokens,
        "at": now,
    }


def answer_of(row: AnswerRow | Any) -> Answer:
    """The stored answer as the value that was stored."""
    return Answer(
        item_id=row.item_id,
        cell=cell(row.probe, row.dimension, row.method, row.category),
        repeat=row.repeat,
        outcome=_outcome(row.score, row.scorer, row.reason, row.detail),
        reply=row.reply,
        saved=row.saved,
        second_score=row.second_score,
        attempts=row.attempts,
        judge_attempts=row.judge_attempts,
        latency_s=row.latency_s,
        model=row.model,
        system_fingerprint=row.system_fingerprint,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        judge_prompt_tokens=row.judge_prompt_tokens,
        judge_completion_tokens=row.judge_completion_tokens,
    )


def _outcome(
    score: float | None, scorer: str | None, reason: str | None, detail: str | None = None
) -> Score | Unscored:
    if score is not None:
        return Score(value=score, scorer=scorer or "")
    return Unscored(reason=Reason(reason or Reason.UNPARSEABLE), detail=detail or "")


CHUNK = 500


async def answers_of(session: AsyncSession, run_ids: Sequence[str]) -> list[Answer]:
    """All stored answers of the runs, in the order they came. Other work gets its turn while many are read."""
    query = select(*AnswerRow.__table__.c).where(AnswerRow.run_id.in_(run_ids)).order_by(AnswerRow.id)
    found: list[Answer] = []
    rows = await session.stream(query.execution_options(yield_per=CHUNK))
    async for chunk in rows.partitions(CHUNK):
        found += [answer_of(row) for row in chunk]
        await asyncio.sleep(0)
    return found


Key = tuple[str, int]
"""An answer's place in its run: item id and repeat. Lists are in this order, which an index has."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which answers of a run; None and False choose all. `scored`: with, or without, a score. `harmful`: at grade 3 or
    worse. `item`: a part of the item's id, in any case."""

    probe: str | None = None
    dimension: str | None = None
    method: str | None = None
    category: str | None = None
    reason: str | None = None
    scored: bool | None = None
    harmful: bool = False
    item: str | None = None

    def conditions(self, run_id: str) -> list[ColumnElement[bool]]:
        found = [AnswerRow.run_id == run_id]
        chosen = {name: getattr(self, name) for name in ("probe", "dimension", "method", "category", "reason")}
        found += [getattr(AnswerRow, name) == value for name, value in chosen.items() if value is not None]
        if self.scored is not None:
            found.append(AnswerRow.score.is_not(None) if self.scored else AnswerRow.score.is_(None))
        if self.harmful:
            found.append(_HARMFUL)
        if self.item:
            found.append(AnswerRow.item_id.icontains(self.item, autoescape=True))
        return found


EVERY = Wanted()
_HARMFUL = or_(
    AnswerRow.scorer.startswith(JUDGE) & (AnswerRow.score >= HARMFUL_SCORE), AnswerRow.second_score >= HARMFUL_SCORE
)


@dataclass(frozen=True, kw_only=True)
class Facets:
    """What there is to choose from in a run: how many answers of each cell, without a score by reason, and harmful."""

    cells: Mapping[Cell, int]
    reasons: Mapping[str, int]
    harmful: int

    @property
    def total(self) -> int:
        return sum(self.cells.values())


async def facets(session: AsyncSession, run_id: str) -> Facets:
    """One pass over the run's answers."""
    where = (AnswerRow.probe, AnswerRow.dimension, AnswerRow.method, AnswerRow.category)
    harmful = func.coalesce(_HARMFUL, false())
    query = select(*where, AnswerRow.reason, harmful, func.count()).where(AnswerRow.run_id == run_id)
    cells, reasons, bad = Counter[Cell](), Counter[str](), 0
    for probe, dimension, method, category, reason, harm, many in await session.execute(
        query.group_by(*where, AnswerRow.reason, harmful)
    ):
        cells[cell(probe, dimension, method, category)] += many
        if reason is not None:
            reasons[reason] += many
        bad += many if harm else 0
    return Facets(cells=dict(sorted(cells.items())), reasons=dict(reasons.most_common()), harmful=bad)


async def count(session: AsyncSession, run_id: str, wanted: Wanted = EVERY) -> int:
    query = select(func.count()).select_from(AnswerRow).where(*wanted.conditions(run_id))
    return await session.scalar(query) or 0


async def page(
    session: AsyncSession,
    run_id: str,
    wanted: Wanted = EVERY,
    *,
    after: Key | None = None,
    before: Key | None = None,
    limit: int,
) -> Sequence[AnswerRow]:
    """At most `limit` answers in the order of their keys: the first ones, those next `after`, or those last `before`
    a key."""
    place = tuple_(AnswerRow.item_id, AnswerRow.repeat)
    query = select(AnswerRow).where(*wanted.conditions(run_id)).limit(limit)
    if before is not None:
        backwards = query.where(place < before).order_by(AnswerRow.item_id.desc(), AnswerRow.repeat.desc())
        return list(reversed((await session.scalars(backwards)).all()))
    if after is not None:
        query = query.where(place > after)
    return (await session.scalars(query.order_by(AnswerRow.item_id, AnswerRow.repeat))).all()


async def one(session: AsyncSession, run_id: str, item_id: str, repeat: int) -> AnswerRow | None:
    mine = (AnswerRow.run_id == run_id, AnswerRow.item_id == item_id, AnswerRow.repeat == repeat)
    return await session.scalar(select(AnswerRow).where(*mine))


async def stream(database: Database, run_id: str, wanted: Wanted = EVERY) -> AsyncIterator[Sequence[AnswerRow]]:
    """All answers that are wanted, CHUNK at a time. Between two chunks no transaction is open: whoever takes them may
    be slow."""
    last: Key | None = None
    while True:
        async with database.read() as session:
            rows = await page(session, run_id, wanted, after=last, limit=CHUNK)
        if rows:
            yield rows
        if len(rows) < CHUNK:
            return
        last = (rows[-1].item_id, rows[-1].repeat)


async def scores_of(session: AsyncSession, run_id: str) -> list[Answer]:
    """The answers of a run as far as they are measured: item, outcome, and how many askings each stands for. What else
    an answer has, its reply above all, is not read."""
    row = AnswerRow
    columns = (row.item_id, row.repeat, row.probe, row.dimension, row.method, row.category, row.saved)
    query = select(*columns, row.score, row.scorer, row.reason).where(row.run_id == run_id)
    rows = await session.stream(query.execution_options(yield_per=CHUNK))
    found: list[Answer] = []
    async for chunk in rows.partitions(CHUNK):
        found += [
            Answer(item_id=item, repeat=repeat, cell=cell(*where), saved=saved, outcome=_outcome(score, scorer, reason))
            for item, repeat, *where, saved, score, scorer, reason in chunk
        ]
        await asyncio.sleep(0)
    return found
