"""What was spent, by scope and UTC day. Written in the transaction that stores what was paid for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.amounts import Amounts
from service.storage.schema import RunRow, SpendingRow

TOTAL = 0
"""The scope of the whole installation, from which nothing is refunded; every other scope is an endpoint's id."""
FIGURES = ("requests", "prompt_tokens", "completion_tokens", "judge_prompt_tokens", "judge_completion_tokens", "usd")


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Of one scope in one period."""

    tokens: int = 0
    usd: float = 0.0


def utc_day(now: datetime) -> date:
    return now.astimezone(UTC).date()


async def add(session: AsyncSession, run: RunRow, amounts: Amounts, now: datetime) -> None:
    """Count `amounts` for the run, its endpoint and the whole installation. Call it where they are stored.

    `run` itself is not touched, only its row.
    """
    changes: dict[str, Any] = {}
    if amounts.usd is not None:
        changes["usd"] = func.coalesce(RunRow.usd, 0.0) + amounts.usd
    if amounts.estimated:
        changes["usage_estimated"] = True
    if changes:
        mine = update(RunRow).where(RunRow.id == run.id).values(**changes)
        await session.execute(mine.execution_options(synchronize_session=False))
    values = {name: getattr(amounts, name) or 0 for name in FIGURES}
    if not any(values.values()):
        return
    day = utc_day(now).isoformat()
    rows = [{"day": day, "scope": scope, **values} for scope in (TOTAL, run.endpoint_id)]
    statement = insert(SpendingRow)
    statement = statement.on_conflict_do_update(
        index_elements=["day", "scope"],
        set_={name: getattr(SpendingRow, name) + statement.excluded[name] for name in FIGURES},
    )
    await session.execute(statement, rows)


async def since(session: AsyncSession, first: date) -> Mapping[int, Spent]:
    """By scope, from the UTC day `first` on."""
    tokens = (
        SpendingRow.prompt_tokens
        + SpendingRow.completion_tokens
        + SpendingRow.judge_prompt_tokens
        + SpendingRow.judge_completion_tokens
    )
    query = select(SpendingRow.scope, func.sum(tokens), func.sum(SpendingRow.usd))
    query = query.where(SpendingRow.day >= first.isoformat()).group_by(SpendingRow.scope)
    return {scope: Spent(tokens=int(n), usd=float(usd)) for scope, n, usd in await session.execute(query)}


async def forget(session: AsyncSession, endpoint_id: int) -> None:
    """An endpoint's own account ends with it: its id may be given to another one."""
    await session.execute(delete(SpendingRow).where(SpendingRow.scope == endpoint_id))
