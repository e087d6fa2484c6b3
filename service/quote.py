"""What a scheduled plan costs a month, and the smallest shift it finds: before money is spent."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any

from baselines import power
from baselines.bets import bound_key
from baselines.power import Shift
from baselines.sequential import spans_of, start_from_own, start_from_published
from baselines.types import ARM_PROBES, Arm, DetectorState, Profile, ProfileCell, ProfileSet, State
from probes import registry
from probes.plans import draw
from probes.types import Ask, Cell, Plan
from service import plan_report
from service.amounts import Amounts
from service.estimates import Kind, Rate, askable, estimate
from service.false_alarms import arms_of, interval
from service.prices import Prices

MONTH = timedelta(days=30)
SOON, LATER = timedelta(days=1), timedelta(days=7)
ENDLESS = 1_000_000
"""Answers of a baseline that could not be better."""
GOOD_ENOUGH = 1.2
"""A baseline is large enough when the shift found in 7 days is at most so many times that with an endless one."""
MOST_RUNS = 4096


@dataclass(frozen=True, kw_only=True)
class ArmPower:
    """The smallest shift of an arm that is found in four cases of five; None when not even a full one is."""

    within_1_day: Shift | None
    within_7_days: Shift | None
    full_shift_runs: int | None
    """Runs after which a full shift is found; None for never."""
    baseline_runs: int | None
    """Runs of this plan that make a large enough baseline; None when none does."""


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A plan on a schedule. Counts are at most, tokens are estimates, those that a budget is held against as well.

    `calls` and `a_run`: one run, `check`: its check of the judge, both unpriced. `reference`: own, published, or
    planned (an own baseline that will be built from the first runs)."""

    plan: str
    every: timedelta
    calls: int
    a_run: Amounts
    check: Amounts
    runs_per_month: float
    reference: str
    arms: Mapping[Arm, ArmPower]

    @property
    def calls_per_month(self) -> int:
        """Without the checks of the judge."""
        return round(self.runs_per_month * self.calls)

    @property
    def tokens_per_month(self) -> int:
        return round(self.runs_per_month * (self.a_run + self.check).tokens)

    def usd_per_month(self, prices: Prices, model: str | None) -> float | None:
        """None without a price."""
        usd = prices.usd(model, self.a_run + self.check) if model else None
        return None if usd is None else round(self.runs_per_month * usd, 2)

    @property
    def powerless(self) -> bool:
        """Whether it watches an arm and would not find a full shift of any within a week, or by its next run."""
        patience = max(LATER / self.every, 1)
        runs = [one.full_shift_runs for one in self.arms.values()]
        return bool(runs) and all(found is None or found > patience for found in runs)


def quote(
    plan: Plan,
    every: timedelta,
    profiles: ProfileSet,
    *,
    threshold: float,
    baseline_runs: int,
    own: Profile | None = None,
    detectors: Mapping[Arm, DetectorState] | None = None,
    measured: Mapping[Kind, Rate] | None = None,
    judged: bool = True,
) -> Quote:
    """`baseline_runs`: of how many runs an own baseline will be built where there is none; 0: it stays published.

    `detectors`: what is known of the endpoint's wobble; `measured`: what its last runs took. `judged`: whether there is
    a judge; without one, questions that need it are not asked.
    """
    asks = draw(plan, seed=0, probe_of=registry.probe)
    checked = judged and any(registry.probe(s.probe).needs_judge for s in plan.selections)
    arms = {}
    for arm in arms_of(plan):
        items = {ask.item.id: ask.item.cell for ask in asks if ask.item.probe in ARM_PROBES[arm]}
        watch = _Watch(
            arm=arm, asked=Counter(items.values()), plan=plan, profiles=profiles, every=every, threshold=threshold
        )
        state = _state(watch, own, baseline_runs)
        known = (detectors or {}).get(arm)
        if known is not None:
            state = replace(state, evidence=replace(state.evidence, wobble=known.evidence.wobble))
        arms[arm] = _power(watch, state)
    return Quote(
        plan=plan.name,
        every=every,
        calls=_calls(asks, judged=judged),
        a_run=estimate(askable(asks, judged=judged), plan, measured or {}).amounts,
        check=plan_report.check_amounts() if checked else Amounts(),
        runs_per_month=MONTH / every,
        reference="own" if own else "planned" if baseline_runs else "published",
        arms=arms,
    )


def _calls(asks: Sequence[Ask], *, judged: bool) -> int:
    """At most: to the model, and to the judge."""
    put = askable(asks, judged=judged)
    return len(put) + sum(registry.probe(ask.item.probe).needs_judge for ask in put)


def with_power(plan: Plan, every: timedelta, profiles: ProfileSet, *, threshold: float, baseline_runs: int) -> str:
    """The remedy for a plan without power: the smallest change that gives it some, in plain words."""

    def enough(changed: Plan, interval: timedelta) -> bool:
        return not quote(changed, interval, profiles, threshold=threshold, baseline_runs=baseline_runs).powerless

    for times in (2, 4, 8, 16, 32, 64):
        if every / times >= timedelta(minutes=1) and enough(plan, every / times):
            sooner = f"run it every {_words(every / times)}"
            break
    else:
        sooner = ""
    for times in (2, 4, 8, 16, 32, 64):
        more = tuple(
            replace(s, questions=None if s.questions is None else s.questions * times) for s in plan.selections
        )
        if enough(replace(plan, selections=more), every):
            longer = "ask " + ", ".join(f"{s.questions} {s.probe}" for s in more if s.questions) + " questions a cell"
            return " or ".join(part for part in (sooner, longer) if part)
    return sooner or "use the plan `heartbeat` every PT1H"


def to_json(found: Quote, prices: Prices, model: str) -> dict[str, Any]:
    """Tokens and USD hold the judge's share, with one check of the judge a run. USD are None without a price."""
    once = prices.priced(model, found.a_run + found.check)
    return {
        "plan": found.plan,
        "every_s": found.every.total_seconds(),
        "calls_per_month": found.calls_per_month,
        "tokens_per_run": once.tokens,
        "tokens_per_month": found.tokens_per_month,
        "usd_per_run": None if once.usd is None else round(once.usd, 6),
        "usd_per_month": found.usd_per_month(prices, model),
        "reference": found.reference,
        "finds": {
            str(arm): {
                "within_1_day": _shift(one.within_1_day),
                "within_7_days": _shift(one.within_7_days),
                "full_shift_runs": one.full_shift_runs,
                "baseline_runs": one.baseline_runs,
            }
            for arm, one in found.arms.items()
        },
    }


def of_schedules(
    schedules: Mapping[str, str],
    plans: Mapping[str, Plan],
    profiles: ProfileSet,
    *,
    threshold: float,
    baseline_runs: int,
    judged: bool,
) -> list[Quote]:
    """A quote for each plan that is scheduled, for an endpoint that nothing is known of. Raises KeyError for an unknown
    plan."""
    return [
        _kept(plans[name], interval(spec), profiles, threshold=threshold, baseline_runs=baseline_runs, judged=judged)
        for name, spec in schedules.items()
    ]


@lru_cache(maxsize=512)
def _kept(
    plan: Plan, every: timedelta, profiles: ProfileSet, *, threshold: float, baseline_runs: int, judged: bool
) -> Quote:
    return quote(plan, every, profiles, threshold=threshold, baseline_runs=baseline_runs, judged=judged)


def _shift(found: Shift | None) -> dict[str, float] | None:
    return {"drift": found.drift, "points": found.points} if found else None


@dataclass(frozen=True, kw_only=True)
class _Watch:
    """An arm as a plan watches it. `asked`: items of each cell in a run."""

    arm: Arm
    asked: Mapping[Cell, int]
    plan: Plan
    profiles: ProfileSet
    every: timedelta
    threshold: float

    def keys(self, at: DetectorState) -> dict[str, int]:
        likely = {cell: bound_key(cell, _replies(self.plan, cell)) for cell in self.asked}
        return {(key if key in at.known else cell.key): self.asked[cell] for cell, key in likely.items()}

    def within(self, at: DetectorState, time: timedelta) -> Shift | None:
        heartbeats = time / self.every
        return power.smallest_shift(at, self.keys(at), heartbeats=heartbeats, threshold=self.threshold)


def _state(watch: _Watch, own: Profile | None, runs: int) -> DetectorState:
    probes = ARM_PROBES[watch.arm]
    cells = [one for one in own.cells if one.cell.probe in probes] if own else []
    if own is not None and cells:
        return start_from_own(watch.arm, own, cells, "quote", spans_of(watch.profiles))
    if runs == 0:
        return start_from_published(watch.arm, watch.profiles, probes, "quote")
    return _planned(watch, runs)


def _planned(watch: _Watch, runs: int) -> DetectorState:
    """As if an own baseline of so many runs had come out at the published base."""
    base = {one.cell: one.mean for one in watch.profiles.base.cells}
    cells = tuple(
        ProfileCell(cell=cell, mean=base.get(Cell(probe=cell.probe, dimension=cell.dimension), 0.1), k=k, n=n, items=n)
        for cell, count in watch.asked.items()
        for n in [count * runs]
        for k in {1, _replies(watch.plan, cell)}
    )
    own = Profile(name="planned", state=State.OWN, provenance="planned", cells=cells, runs=runs)
    return start_from_own(watch.arm, own, cells, "quote", spans_of(watch.profiles))


def _replies(plan: Plan, cell: Cell) -> int:
    return next((s.replies for s in plan.selections if s.probe == cell.probe and cell.category), 1)


def _power(watch: _Watch, state: DetectorState) -> ArmPower:
    best = watch.within(_planned(watch, ENDLESS), LATER)
    runs: int | None = 1
    while runs is not None and best is not None:
        there = watch.within(_planned(watch, runs), LATER)
        if there is not None and there.drift <= GOOD_ENOUGH * best.drift:
            break
        runs = runs * 2 if runs < MOST_RUNS else None
    full = power.heartbeats_to_find(state, watch.keys(state), 1.0, watch.threshold)
    return ArmPower(
        within_1_day=watch.within(state, SOON), within_7_days=watch.within(state, LATER),
        full_shift_runs=int(full) if math.isfinite(full) else None, baseline_runs=runs if best else None,
    )  # fmt: skip


def _words(every: timedelta) -> str:
    """As an ISO-8601 duration in whole minutes."""
    minutes = max(1, int(every.total_seconds() // 60))
    return f"PT{minutes}M" if minutes % 60 else f"PT{minutes // 60}H"
