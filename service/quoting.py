"""The quote of a plan on the command line: for a schedule, or for an endpoint as it is registered."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from baselines.power import Shift
from baselines.profiles import published
from baselines.types import Arm, DetectorState, Profile, ProfileSet
from baselines.verdict import NAMES
from probes.types import Plan
from service import own_baseline, profile_library, quote
from service.estimates import Kind, Rate, rates
from service.false_alarms import FalseAlarms, interval
from service.prices import prices_of
from service.settings import Settings
from service.storage import endpoints as store
from service.storage import results
from service.storage.engine import Database

EVERY = "PT15M"
PROFILES = published("gpt-4.1/all")
MOST_MODELS = 4
"""So many models are priced in one line."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a quote rests on."""

    spec: str
    profiles: ProfileSet
    threshold: float
    model: str | None = None
    own: Profile | None = None
    detectors: Mapping[Arm, DetectorState] | None = None
    measured: Mapping[Kind, Rate] | None = None


def show(
    settings: Settings,
    plans: Mapping[str, Plan],
    name: str,
    console: Console,
    *,
    endpoint: str | None,
    every: str | None,
) -> None:
    """Print it. Raises ValueError for an endpoint or a schedule that there is not."""
    alarms = FalseAlarms(
        per_heartbeats=settings.false_alarm_heartbeats, pages_per_quarter=settings.false_pages_per_quarter, plans=plans
    )
    if endpoint is not None:
        known = asyncio.run(_of_endpoint(settings, alarms, endpoint, name, every))
    elif settings.false_pages_per_quarter is not None:
        known = asyncio.run(_of_fleet(settings, alarms, every or EVERY))
    else:
        known = Known(spec=every or EVERY, profiles=PROFILES, threshold=alarms.alone)
    found = quote.quote(
        plans[name], interval(known.spec), known.profiles, threshold=known.threshold,
        baseline_runs=settings.auto_baseline_runs, own=known.own, detectors=known.detectors,
        measured=known.measured,
    )  # fmt: skip
    _print(found, console, spec=known.spec, promise=alarms.promise, cost=cost(found, settings, known.model))


def cost(found: quote.Quote, settings: Settings, model: str | None) -> str:
    """In words, a month: with the model that is asked, or, where none is named, with each that has a price."""
    judges = (settings.judge_model, settings.second_judge_model)
    models = [model] if model else [name for name in settings.prices if name not in judges][:MOST_MODELS]
    prices = prices_of(settings)
    sums = [(name, usd) for name in models if (usd := found.usd_per_month(prices, name)) is not None]
    told = ", ".join(f"about {usd:,.2f} USD with {name}" for name, usd in sums)
    return told or "no price in the settings (prices)"


async def _of_endpoint(settings: Settings, alarms: FalseAlarms, name: str, plan: str, every: str | None) -> Known:
    database = Database(settings.sqlalchemy_url())
    try:
        async with database.read() as session:
            row = await store.by_name(session, name)
            if row is None:
                raise ValueError(
                    f"there is no endpoint {name!r} in {settings.data_dir}; is SELFWATCH_DATA_DIR the service's?"
                )
            specs = {one.plan: one.spec for one in (await store.schedules_of(session, [row.id]))[row.id]}
            return Known(
                spec=every or specs.get(plan, EVERY), model=row.model,
                profiles=await profile_library.resolve(session, row.profiles),
                threshold=await alarms.threshold_log10(session),
                own=own_baseline.profile(await own_baseline.current(session, row.id)),
                detectors=await results.detectors(session, row.id), measured=await rates(session, row.id),
            )  # fmt: skip
    finally:
        await database.close()


async def _of_fleet(settings: Settings, alarms: FalseAlarms, every: str) -> Known:
    database = Database(settings.sqlalchemy_url())
    try:
        async with database.read() as session:
            return Known(spec=every, profiles=PROFILES, threshold=await alarms.threshold_log10(session))
    finally:
        await database.close()


def _print(found: quote.Quote, console: Console, *, spec: str, promise: str, cost: str) -> None:
    if not found.arms:
        console.print("it measures, and watches no arm: it raises no alarm", highlight=False)
        return
    tokens = f"{found.tokens_per_month:,} tokens a month with the judge's"
    title = f"{found.plan} on {spec}: {found.calls_per_month:,} calls, {tokens}, {cost}"
    table = Table(title=title, title_justify="left")
    for column in (
        "arm",
        "found within 1 day",
        "within 7 days",
        "a full shift is found after",
        "baseline worth having",
    ):
        table.add_column(column)
    for arm, one in found.arms.items():
        runs = _runs(one.full_shift_runs) or "never"
        needed = _runs(one.baseline_runs) or "none is enough"
        table.add_row(NAMES[arm], _shift(one.within_1_day), _shift(one.within_7_days), runs, needed)
    console.print(table)
    reference = {
        "own": "its own baseline", "planned": "an own baseline of its first runs", "published": "the published base"
    }[found.reference]  # fmt: skip
    console.print(
        f"the smallest shift that is found in four cases of five, against {reference}; false alarms: {promise}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if found.powerless:
        console.print(
            "[bold]without power:[/] it would not find even a full shift; see a registration's error for the remedy"
        )


def _runs(count: int | None) -> str:
    return "" if count is None else f"{count:,} run{'s' if count != 1 else ''}"


def _shift(found: Shift | None) -> str:
    return f"drift {found.drift:.2f} ({100 * found.points:.0f} points)" if found else "nothing"
