"""Rules of the users' own: comparisons over the figures of a run, declared, never executed. Pure."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from statistics import fmean

from alerts.operations import WATCHED_ONLY_WHILE_UP
from alerts.types import Facts, Rule, Severity, Topic
from baselines.types import Arm

CUSTOM_RUNBOOK = "alerts/runbooks/custom-rule.md"

ARM_METRICS: Mapping[str, str] = {
    "arm_score": "score",
    "drift": "drift",
    "drift_low": "low",
    "drift_high": "high",
    "evidence_log10": "evidence",
}
"""Named as on /metrics without its prefix; what they read of an arm."""
CELL_METRICS: Mapping[str, tuple[str, ...]] = {
    "self_assessment_score": ("dimension", "method"),
    "intentions_score": ("dimension",),
    "harm_score": ("category",),
}
"""The mean over the cells that fit; which of their parts may be chosen."""
RUN_METRICS: Mapping[str, Callable[[Facts], float | None]] = {
    "off_axis_distance": lambda facts: facts.off_axis,
    "judge_agreement": lambda facts: facts.judge_agreement,
    "invalid_share": lambda facts: facts.invalid_share,
}
METRICS = (*ARM_METRICS, *CELL_METRICS, *RUN_METRICS)
JUDGED = ("harm_score",)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A figure of a run against a bound: one of `above` and `below`. `clear`: while the alert fires, the bound that it
    has to come back behind; the same one where there is none. `where`: parts of the cells that are meant."""

    metric: str
    above: float | None = None
    below: float | None = None
    clear: float | None = None
    arm: Arm | None = None
    where: Mapping[str, str] = field(default_factory=dict)

    def value(self, facts: Facts) -> float | None:
        """None when the run does not tell."""
        if self.metric in RUN_METRICS:
            return RUN_METRICS[self.metric](facts)
        judged = self.arm is Arm.BEHAVIOUR or self.metric in JUDGED
        if judged and facts.judge_problem is not None:
            return None
        if self.metric in ARM_METRICS:
            found = facts.arms.get(self.arm) if self.arm is not None else None
            return getattr(found, ARM_METRICS[self.metric]) if found is not None and found.n else None
        probe = self.metric.removesuffix("_score")
        means = [
            m.mean
            for m in facts.measurements
            if m.cell.probe == probe
            and m.mean is not None
            and all(getattr(m.cell, part) == wanted for part, wanted in self.where.items())
        ]
        return fmean(means) if means else None

    def holds(self, facts: Facts, *, firing: bool = False) -> bool | None:
        value = self.value(facts)
        if value is None:
            return None
        bound = self.above if self.above is not None else self.below
        if firing and self.clear is not None:
            bound = self.clear
        if bound is None:
            return None
        return value > bound if self.above is not None else value < bound

    @property
    def name(self) -> str:
        """The figure that is meant, such as `drift{self_report}`."""
        chosen = [*([self.arm.value] if self.arm else []), *self.where.values()]
        return f"{self.metric}{{{', '.join(chosen)}}}" if chosen else self.metric

    @property
    def bound(self) -> str:
        return f"above {self.above:g}" if self.above is not None else f"below {self.below:g}"

    def figure(self, facts: Facts) -> str:
        """What the run tells, beside what is asked."""
        value = self.value(facts)
        told = "not told" if value is None else f"{value:.3g}"
        clear = "" if self.clear is None else f", clear at {self.clear:g}"
        return f"{self.name} {told} ({self.bound}{clear})"


@dataclass(frozen=True, kw_only=True)
class Custom:
    """A declared rule. All conditions of `when` must hold. `plan`: only runs of this plan; None: of any."""

    name: str
    when: tuple[Condition, ...]
    severity: Severity = Severity.WARNING
    summary: str = ""
    runbook: str = CUSTOM_RUNBOOK
    plan: str | None = None
    for_runs: int = 1
    for_duration: timedelta = timedelta(0)
    resolve_runs: int = 2
    labels: Mapping[str, str] = field(default_factory=dict)

    def rule(self) -> Rule:
        """The rule that it declares."""

        def decide(facts: Facts, *, firing: bool) -> bool | None:
            if self.plan is not None and facts.plan != self.plan:
                return None
            return every([one.holds(facts, firing=firing) for one in self.when])

        return Rule(
            name=self.name, severity=self.severity, summary=self.summary or self._told(), runbook=self.runbook,
            holds=lambda facts: decide(facts, firing=False),
            still_holds=lambda facts: decide(facts, firing=True),
            topic=Topic.METRICS, for_runs=self.for_runs, for_duration=self.for_duration,
            resolve_runs=self.resolve_runs, muted_by=WATCHED_ONLY_WHILE_UP, labels=self.labels,
            key=self._key(), shipped=False,
            figures=lambda facts: ", ".join(one.figure(facts) for one in self.when),
        )  # fmt: skip

    def _told(self) -> str:
        return f"The rule {self.name} of the configuration holds: {' and '.join(map(_told, self.when))}."

    def _key(self) -> str:
        """Another when something else is asked for; severity, labels and words do not matter."""
        asked = repr((self.when, self.plan, self.for_runs, self.for_duration, self.resolve_runs))
        return hashlib.sha256(asked.encode()).hexdigest()[:16]


def every(held: Sequence[bool | None]) -> bool | None:
    """Whether all hold. One that surely does not decides, whatever the others would say."""
    if False in held:
        return False
    return None if None in held else True


def _told(condition: Condition) -> str:
    return f"{condition.name} is {condition.bound}"


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """What a user changes of a shipped rule; None leaves it as it is. `off`: it is not evaluated at all."""

    name: str
    off: bool = False
    severity: Severity | None = None
    for_runs: int | None = None
    for_duration: timedelta | None = None
    resolve_runs: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def adjusted(self, rule: Rule) -> Rule:
        changed = {
            "severity": self.severity, "for_runs": self.for_runs, "for_duration": self.for_duration,
            "resolve_runs": self.resolve_runs,
        }  # fmt: skip
        given = {name: value for name, value in changed.items() if value is not None}
        patience = [value for name, value in given.items() if name != "severity"]
        key = repr(patience) if patience else rule.key
        return replace(rule, **given, labels={**rule.labels, **self.labels}, key=key)  # type: ignore[arg-type]


def rules_in_force(
    shipped: Sequence[Rule], adjustments: Sequence[Adjustment], own: Sequence[Custom]
) -> tuple[Rule, ...]:
    """The shipped rules as adjusted, without those that are off, then the users' own."""
    by_name = {one.name: one for one in adjustments}
    kept = [
        by_name[rule.name].adjusted(rule) if rule.name in by_name else rule
        for rule in shipped
        if not (rule.name in by_name and by_name[rule.name].off)
    ]
    return (*kept, *(one.rule() for one in own))
