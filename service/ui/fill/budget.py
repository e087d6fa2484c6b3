"""What the page about the budget shows: the ledger's sums, and what the schedules will take."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from probes import registry
from probes.plans import draw
from probes.types import Plan
from service import plan_report
from service.amounts import Amounts
from service.estimates import ANY_SEED, askable, estimate
from service.false_alarms import interval
from service.limits import PERIODS, UNITS
from service.services import Services
from service.storage.schema import EndpointRow, ScheduleRow
from service.ui.parts import Allowance
from service.ui.views.budget import EndpointSpending, Expected, PriceRow

DAY, MONTH = timedelta(days=1), timedelta(days=30)


def allowances(standing: Mapping[str, Any]) -> tuple[Allowance, ...]:
    """Every unit and period, whether there is a limit or not."""
    return tuple(
        Allowance(
            unit=unit, period=period, resets_at=datetime.fromisoformat(standing[period]["resets_at"]),
            **standing_of(standing[period][unit]),
        )
        for period in PERIODS
        for unit in UNITS
    )  # fmt: skip


def standing_of(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: figures[name] for name in ("limit", "spent", "reserved", "overrun")}


async def a_run_of_each(services: Services) -> dict[str, Amounts]:
    """What one run of each plan takes, about, with its check of the judge."""
    judged = services.judge_note is None
    return {name: await asyncio.to_thread(_a_run, plan, judged) for name, plan in services.plans.items()}


@lru_cache(maxsize=128)
def _a_run(plan: Plan, judged: bool) -> Amounts:
    asks = askable(draw(plan, seed=ANY_SEED, probe_of=registry.probe), judged=judged)
    checked = any(registry.probe(ask.item.probe).needs_judge for ask in asks)
    taken = estimate(asks, plan, {}).amounts
    return taken + plan_report.check_amounts() if checked else taken


def expected(
    services: Services, runs: Mapping[str, Amounts], row: EndpointRow, specs: Sequence[ScheduleRow]
) -> Expected:
    """Of one endpoint; nothing while it is paused."""
    if row.paused:
        return Expected(usd_day=0.0, usd_month=0.0)
    day = month = 0.0
    usd: float | None = 0.0
    for one in specs:
        if one.plan not in runs:
            continue
        a_run, every = runs[one.plan], interval(one.spec)
        day += a_run.tokens * (DAY / every)
        month += a_run.tokens * (MONTH / every)
        price = services.prices.usd(row.model, a_run)
        usd = None if usd is None or price is None else usd + price * (DAY / every)
    return Expected(
        tokens_day=round(day), tokens_month=round(month), usd_day=usd,
        usd_month=None if usd is None else usd * (MONTH / DAY),
    )  # fmt: skip


def total(found: Iterable[Expected]) -> Expected:
    """USD hold those that have a price."""
    every = list(found)
    priced = [one for one in every if one.usd_day is not None]
    return Expected(
        tokens_day=sum(one.tokens_day for one in every), tokens_month=sum(one.tokens_month for one in every),
        usd_day=sum(one.usd_day or 0.0 for one in priced) if priced else None,
        usd_month=sum(one.usd_month or 0.0 for one in priced) if priced else None,
    )  # fmt: skip


def spending(
    services: Services,
    rows: Sequence[EndpointRow],
    schedules: Mapping[int, Sequence[ScheduleRow]],
    runs: Mapping[str, Amounts],
) -> list[EndpointSpending]:
    """By share of what this month has cost, the largest first."""
    standing = {row.id: services.ledger.standing(row) for row in rows}
    whole = services.ledger.total()["month"]
    unit = "usd" if whole["usd"]["spent"] else "tokens"
    spent = whole[unit]["spent"]
    found = [
        EndpointSpending(
            name=row.name, model=row.model, paused=row.paused, priced=not services.prices.missing(row.model),
            allowances=allowances(standing[row.id]),
            expected=expected(services, runs, row, schedules.get(row.id, ())),
            share=standing[row.id]["month"][unit]["spent"] / spent if spent else 0.0,
        )
        for row in rows
    ]  # fmt: skip
    return sorted(found, key=lambda one: (-one.share, -one.of("tokens", "month").spent, one.name))


def prices(services: Services, models: Iterable[str]) -> list[PriceRow]:
    """Every model that is asked, those without a price first, then the other prices of the settings."""
    settings = services.settings
    judges = [settings.judge_model] if settings.judge_base_url else []
    judges += [settings.second_judge_model] if settings.second_judge_base_url else []
    roles = dict.fromkeys(settings.prices, "not in use") | dict.fromkeys(models, "watched")
    for name in judges:
        roles[name] = "watched, judge" if roles.get(name) == "watched" else "judge"
    rows = [
        PriceRow(
            model=name, role=role,
            prompt=settings.prices[name].prompt if name in settings.prices else None,
            completion=settings.prices[name].completion if name in settings.prices else None,
        )
        for name, role in roles.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda one: (one.prompt is not None, one.role == "not in use", one.model))
