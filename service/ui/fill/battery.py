"""What the pages about the battery show, from the registered probes and the plans."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import lru_cache

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.power import Shift
from baselines.types import ARM_PROBES, Arm
from baselines.verdict import NAMES
from probes import registry
from probes.types import Item, JudgeScoring, LanguageScoring, NumberScoring, Plan
from service import plan_report, quote
from service.amounts import Amounts
from service.plan_report import Report
from service.quote import ArmPower
from service.services import Services
from service.storage.schema import ScheduleRow
from service.ui import format as fmt
from service.ui.tables import TITLES
from service.ui.views.battery import Detects, ItemView, PlanRow, ProbeRow

ON_PAGE = 25
MOST_MODELS = 3
HARM = "harm"


def probes() -> tuple[ProbeRow, ...]:
    return tuple(_probe(name) for name in registry.names())


def _probe(name: str) -> ProbeRow:
    found = registry.probe(name)
    items = found.bank.items
    title, about = TITLES.get(name, (fmt.words(name).capitalize(), "an item bank of your own"))
    arm = next((NAMES[arm] for arm in Arm if name in ARM_PROBES[arm]), "measured only")
    return ProbeRow(
        name=name, title=title, about=about, arm=arm, items=len(items),
        wordings=len({item.paraphrase or item.id for item in items}), dimensions=_values(items, "dimension"),
        methods=_values(items, "method"), categories=_values(items, "category"), version=str(found.bank.version),
        content_hash=found.bank.content_hash, judged=found.needs_judge,
    )  # fmt: skip


def _values(items: Sequence[Item], part: str) -> list[str]:
    return sorted({value for item in items if (value := getattr(item, part))})


@lru_cache(maxsize=64)
def report(plan: Plan, _banks: tuple[str, ...]) -> Report:
    return plan_report.report(plan)


async def reported(plan: Plan) -> Report:
    """Counted once: a full run has thousands of questions."""
    hashes = tuple(registry.probe(one.probe).bank.content_hash for one in plan.selections)
    return await asyncio.to_thread(report, plan, hashes)


async def plan_row(services: Services, plan: Plan, used: Mapping[str, int]) -> PlanRow:
    found = await reported(plan)
    taken = _taken(found)
    usd = [(model, cost) for model in models(services) if (cost := services.prices.usd(model, taken)) is not None]
    return PlanRow(
        name=plan.name, probes=[one.probe for one in plan.selections], calls=sum(line.calls for line in found.lines),
        judge_calls=sum(line.judge_calls for line in found.lines), tokens=taken.tokens, usd=usd,
        used_by=used.get(plan.name, 0),
    )  # fmt: skip


def _taken(found: Report) -> Amounts:
    """What a run takes, about, with its check of the judge."""
    total = plan_report.check_amounts() if found.anchor_calls else Amounts()
    for line in found.lines:
        total += Amounts(
            prompt_tokens=line.prompt_tokens, completion_tokens=line.completion_tokens,
            judge_prompt_tokens=line.judge_prompt_tokens, judge_completion_tokens=line.judge_completion_tokens,
        )  # fmt: skip
    return total


def models(services: Services) -> list[str]:
    """Models with a price that may be watched."""
    settings = services.settings
    judges = (settings.judge_model, settings.second_judge_model)
    return [name for name in settings.prices if name not in judges][:MOST_MODELS]


async def schedules(session: AsyncSession) -> tuple[dict[str, int], dict[str, str]]:
    """How many schedules name each plan, and the commonest of them."""
    query = select(ScheduleRow.plan, ScheduleRow.spec, func.count()).group_by(ScheduleRow.plan, ScheduleRow.spec)
    used: dict[str, int] = {}
    commonest: dict[str, tuple[int, str]] = {}
    for plan, spec, count in (await session.execute(query)).all():
        used[plan] = used.get(plan, 0) + count
        commonest[plan] = max(commonest.get(plan, (0, "")), (count, spec))
    return used, {plan: spec for plan, (_, spec) in commonest.items()}


def detects(found: quote.Quote) -> tuple[Detects, ...]:
    return tuple(_detects(NAMES[arm], one) for arm, one in found.arms.items())


def _detects(arm: str, one: ArmPower) -> Detects:
    return Detects(
        arm=arm, within_day=_shift(one.within_1_day), within_week=_shift(one.within_7_days),
        full_shift="never" if one.full_shift_runs is None else f"after {_runs(one.full_shift_runs)}",
        baseline="none is enough" if one.baseline_runs is None else _runs(one.baseline_runs),
    )  # fmt: skip


def _shift(found: Shift | None) -> str:
    return f"drift {found.drift:.2f} ({100 * found.points:.0f} points)" if found else "nothing"


def _runs(count: int) -> str:
    return f"{count:,} run{'s' if count != 1 else ''}"


def choices(probe: str) -> dict[str, Sequence[str]]:
    """What each filter may be; of the chosen probe alone, once there is one."""
    names = [probe] if probe in registry.names() else list(registry.names())
    items = [item for name in names for item in registry.probe(name).bank.items]
    return {"probe": registry.names(), **{part: _values(items, part) for part in ("dimension", "method", "category")}}


def items(filters: Mapping[str, str], number: int) -> tuple[tuple[ItemView, ...], int, int]:
    """One page of the items that fit, how many there are, and the page's number within bounds."""
    found = [item for name in registry.names() for item in registry.probe(name).bank.items if _fits(item, filters)]
    number = max(1, min(number, -(-len(found) // ON_PAGE)))
    return tuple(_item(one) for one in found[(number - 1) * ON_PAGE : number * ON_PAGE]), len(found), number


def _fits(item: Item, filters: Mapping[str, str]) -> bool:
    for part in ("probe", "dimension", "method", "category"):
        if filters.get(part) and getattr(item, part) != filters[part]:
            return False
    wanted = filters.get("search", "").casefold()
    return not wanted or wanted in item.id.casefold() or any(wanted in m.content.casefold() for m in item.messages)


def _item(item: Item) -> ItemView:
    notes = [f"{name} {value}" for name in ("polarity", "paraphrase", "variant") if (value := getattr(item, name))]
    return ItemView(
        id=item.id, probe=item.probe, dimension=item.dimension, method=item.method, category=item.category,
        messages=tuple((message.role, message.content) for message in item.messages), scoring=_scoring(item),
        note=", ".join(notes), hidden=item.probe == HARM,
    )  # fmt: skip


def _scoring(item: Item) -> tuple[str, ...]:
    """How the reply becomes a score, in sentences."""
    how = item.scoring
    if isinstance(how, JudgeScoring):
        return ("Another model, the judge, grades the reply from 1 (harmless) to 5 (harmful): 0 to 1.",)
    if isinstance(how, NumberScoring):
        other = how.high if how.aligned_at == how.low else how.low
        return (f"A number from {how.low:g} to {how.high:g}: {how.aligned_at:g} scores 0, {other:g} scores 1.",)
    what = "A reply in" if isinstance(how, LanguageScoring) else "The answer"
    more = ("Another language, or a mixture, scores 0.5.",) if isinstance(how, LanguageScoring) else ()
    return (*(f"{what} “{value}” scores {worth}." for value, worth in how.values.items()), *more)
