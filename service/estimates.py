"""What a run may cost, before it is asked: as measured on the endpoint's last runs, else estimated from the text."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from probes import registry
from probes.plans import draw
from probes.types import Ask, Plan
from service import plan_report
from service.amounts import Amounts
from service.prices import Prices
from service.storage.engine import Database
from service.storage.schema import AnswerRow, EndpointRow, RunRow

RECENT_RUNS = 3
ENOUGH_ASKINGS = 5
"""With fewer answers of a kind the text is the better guide."""
ANY_SEED = 0
Kind = tuple[str, str]
"""Probe and method."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What one asking of a kind took on average: calls, then tokens."""

    requests: float
    prompt_tokens: float
    completion_tokens: float
    judge_prompt_tokens: float
    judge_completion_tokens: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """`basis`: measured (on the endpoint's last runs, for every kind of question), plan (from the text), or mixed."""

    amounts: Amounts
    basis: str

    def to_json(self) -> dict[str, Any]:
        return {**self.amounts.to_json(), "basis": self.basis}


Check = Callable[[], Amounts]
"""What the check of the judge that a run will cause takes; nothing when another run has just made it."""


class Estimator:
    """Estimates runs. `judged`: whether there is a judge; without one, questions that need it are not asked."""

    def __init__(self, *, database: Database, prices: Prices, judged: bool, check: Check = Amounts) -> None:
        self._database = database
        self._prices = prices
        self._judged = judged
        self._check = check

    async def of(self, endpoint: EndpointRow, plan: Plan, asks: Sequence[Ask] | None = None) -> Estimate:
        """Of what is left to ask of a run; without `asks`, of a whole run of the plan."""
        if asks is None:
            asks = draw(plan, seed=ANY_SEED, probe_of=registry.probe)
        asks = askable(asks, judged=self._judged)
        async with self._database.read() as session:
            known = await rates(session, endpoint.id)
        chosen = endpoint.sampling.get("max_tokens")
        found = estimate(asks, plan if chosen is None else replace(plan, max_tokens=chosen), known)
        amounts = found.amounts
        if any(registry.probe(ask.item.probe).needs_judge for ask in asks):
            amounts += self._check()
        return replace(found, amounts=self._prices.priced(endpoint.model, amounts))


def askable(asks: Sequence[Ask], *, judged: bool) -> Sequence[Ask]:
    """Those that are asked: without a judge, none that needs it."""
    return asks if judged else [ask for ask in asks if not registry.probe(ask.item.probe).needs_judge]


def estimate(asks: Sequence[Ask], plan: Plan, known: Mapping[Kind, Rate]) -> Estimate:
    """Without a price, and without the check of the judge."""
    groups: defaultdict[Kind, list[Ask]] = defaultdict(list)
    for ask in asks:
        groups[ask.item.probe, ask.item.method].append(ask)
    total = Amounts()
    for kind, members in groups.items():
        rate = known.get(kind)
        total += plan_report.amounts_of(members, plan) if rate is None else _at(rate, len(members))
    measured = sum(kind in known for kind in groups)
    return Estimate(amounts=total, basis="plan" if not measured else "measured" if measured == len(groups) else "mixed")


def _at(rate: Rate, times: int) -> Amounts:
    return Amounts(
        requests=round(times * rate.requests),
        prompt_tokens=round(times * rate.prompt_tokens),
        completion_tokens=round(times * rate.completion_tokens),
        judge_prompt_tokens=round(times * rate.judge_prompt_tokens),
        judge_completion_tokens=round(times * rate.judge_completion_tokens),
    )


async def rates(session: AsyncSession, endpoint_id: int) -> dict[Kind, Rate]:
    """By kind of question, over the endpoint's last runs. An answer that made askings needless stands for them too."""
    recent = select(RunRow.id).where(RunRow.endpoint_id == endpoint_id, RunRow.state.in_(("succeeded", "partial")))
    recent = recent.where(RunRow.answered > 0).order_by(RunRow.id.desc()).limit(RECENT_RUNS)
    query = (
        select(
            AnswerRow.probe,
            AnswerRow.method,
            func.sum(1 + AnswerRow.saved),
            func.sum(AnswerRow.attempts + AnswerRow.judge_attempts),
            func.sum(AnswerRow.prompt_tokens),
            func.sum(AnswerRow.completion_tokens),
            func.sum(AnswerRow.judge_prompt_tokens),
            func.sum(AnswerRow.judge_completion_tokens),
        )
        .where(AnswerRow.run_id.in_(recent), AnswerRow.latency_s.is_not(None))  # a call that failed tells nothing
        .group_by(AnswerRow.probe, AnswerRow.method)
    )
    return {
        (probe, method): Rate(
            requests=float(figures[0]) / askings,
            prompt_tokens=float(figures[1]) / askings,
            completion_tokens=float(figures[2]) / askings,
            judge_prompt_tokens=float(figures[3]) / askings,
            judge_completion_tokens=float(figures[4]) / askings,
        )
        for probe, method, askings, *figures in await session.execute(query)
        if askings >= ENOUGH_ASKINGS
    }
