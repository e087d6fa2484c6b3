"""Runs and answers in the database: the queue, the leases, and every answer as it arrives."""

import asyncio
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Update, bindparam, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from probes.types import Answer, Reason, Score, Unscored, cell
from service.storage.holder import is_gone, me
from service.storage.schema import AnswerRow, RunRow

LEASE = timedelta(seconds=30)
"""A running run whose worker has not renewed it for this long is taken over."""
FINISHED = ("succeeded", "partial", "failed", "cancelled")


class LostLeaseError(Exception):
    """Another worker has taken the run over, or it was deleted; this one must stop without writing."""


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """`purpose`: scheduled, requested, follow_up or confirm. `focus`: what of the plan is in doubt, and is asked alone.
    `complete`: ask to the end, even when the evidence has decided."""

    endpoint_id: int
    plan: str
    slot: str
    banks_hash: str
    total: int
    purpose: str = "scheduled"
    focus: dict[str, Any] | None = None
    complete: bool = False


def run_id(now: datetime) -> str:
    """32 hex digits that sort by time of creation: milliseconds, then chance."""
    return f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}"


def new_seed() -> int:
    """What a run's questions are drawn from: by chance, so that no provider can foresee them."""
    return secrets.randbits(63)


async def enqueue(session: AsyncSession, new: NewRun, now: datetime) -> tuple[RunRow, bool]:
    """The run of a slot and whether it is new. Asking for the same slot again returns the same run."""
    values = {
        "id": run_id(now),
        "endpoint_id": new.endpoint_id,
        "plan": new.plan,
        "slot": new.slot,
        "seed": new_seed(),
        "banks_hash": new.banks_hash,
        "state": "queued",
        "created_at": now,
        "total": new.total,
        "cancel_requested": False,
        "purpose": new.purpose,
        "focus": new.focus,
        "complete": new.complete,
        **dict.fromkeys(("answered", "requests", "prompt_tokens", "completion_tokens"), 0),
    }
    await session.execute(insert(RunRow).values(**values).on_conflict_do_nothing())
    row = await session.scalar(
        select(RunRow).where(RunRow.endpoint_id == new.endpoint_id, RunRow.plan == new.plan, RunRow.slot == new.slot)
    )
    if row is None:
        raise LookupError(f"run of slot {new.slot!r} vanished while it was queued")
    return row, row.id == values["id"]


async def other_plan(session: AsyncSession, endpoint_id: int, slot: str, plan: str) -> str | None:
    """Another plan that has a run of this slot, if there is one."""
    query = select(RunRow.plan).where(RunRow.endpoint_id == endpoint_id, RunRow.slot == slot, RunRow.plan != plan)
    return await session.scalar(query.limit(1))


async def claim(session: AsyncSession, now: datetime, *, not_these: Collection[str] = ()) -> RunRow | None:
    """Take the oldest run that is queued or whose lease ran out; one an endpoint at a time: evidence is a sequence.

    `not_these`: runs that the caller has in hand. Their leases may run out while the database cannot be written to.
    """
    other = aliased(RunRow)
    busy = select(other.id).where(
        other.endpoint_id == RunRow.endpoint_id,
        other.id != RunRow.id,
        other.state == "running",
        or_(other.lease_until >= now, other.id.in_(not_these)),
    )
    queued = (RunRow.state == "queued") & RunRow.paused.is_(False)
    free = (queued | ((RunRow.state == "running") & (RunRow.lease_until < now))) & RunRow.id.not_in(not_these)
    candidate = (
        select(RunRow.id).where(free, ~busy.exists()).order_by(RunRow.created_at, RunRow.id).limit(1).scalar_subquery()
    )
    lease = f"{me()}#{secrets.token_hex(8)}"
    values: dict[str, Any] = {
        "state": "running",
        "lease": lease,
        "lease_until": now + LEASE,
        "started_at": func.coalesce(RunRow.started_at, now),
    }
    await session.execute(
        update(RunRow).where(RunRow.id == candidate).values(**values).execution_options(synchronize_session=False)
    )
    return await session.scalar(select(RunRow).where(RunRow.lease == lease))


async def orphans(session: AsyncSession, now: datetime) -> int:
    """End the leases of processes of this machine that are no more, rather than wait for them to run out."""
    rows = await session.execute(
        select(RunRow.id, RunRow.lease).where(RunRow.state == "running", RunRow.lease_until >= now)
    )
    gone = [(run, lease) for run, lease in rows.all() if lease and is_gone(lease.partition("#")[0])]
    for run, lease in gone:
        await session.execute(
            update(RunRow).where(RunRow.id == run, RunRow.lease == lease).values(lease_until=now - timedelta(seconds=1))
        )
    return len(gone)


async def held(session: AsyncSession, run: RunRow, now: datetime) -> RunRow:
    """Renew the lease and return the row as it is. Raises LostLeaseError."""
    query = select(RunRow).where(RunRow.id == run.id, RunRow.lease == run.lease, RunRow.state == "running")
    row = await session.scalar(query.execution_options(populate_existing=True))
    if row is None:
        raise LostLeaseError(run.id)
    row.lease_until = now + LEASE
    return row


async def release(session: AsyncSession, run: RunRow) -> None:
    """Put a run back in the queue, for the next worker to resume from its stored answers."""
    await session.execute(
        update(RunRow)
        .where(RunRow.id == run.id, RunRow.lease == run.lease, RunRow.state == "running")
        .values(state="queued", lease=None, lease_until=None)
    )


async def set_paused(session: AsyncSession, run: RunRow, *, paused: bool) -> None:
    """Hold an unfinished run, or let it go on. Its worker stops asking and puts it back in the queue."""
    await session.execute(
        update(RunRow).where(RunRow.id == run.id, RunRow.state.in_(("queued", "running"))).values(paused=paused)
    )


async def pause_all(session: AsyncSession, endpoint_id: int, *, paused: bool) -> None:
    """Hold, or let go on, every unfinished run of an endpoint."""
    mine = (RunRow.endpoint_id == endpoint_id, RunRow.state.in_(("queued", "running")))
    await session.execute(update(RunRow).where(*mine).values(paused=paused))


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
    outcome: Score | Unscored
    if row.score is not None:
        outcome = Score(value=row.score, scorer=row.scorer or "")
    else:
        outcome = Unscored(reason=Reason(row.reason or Reason.UNPARSEABLE), detail=row.detail or "")
    return Answer(
        item_id=row.item_id,
        cell=cell(row.probe, row.dimension, row.method, row.category),
        repeat=row.repeat,
        outcome=outcome,
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


async def request_cancel(session: AsyncSession, run: RunRow, now: datetime) -> None:
    """Cancel a queued run at once, and ask the worker of a running one to stop."""
    await session.execute(
        update(RunRow).where(RunRow.id == run.id, RunRow.state == "queued").values(state="cancelled", finished_at=now)
    )
    await session.execute(update(RunRow).where(RunRow.id == run.id).values(cancel_requested=True))
