"""How an alert moves from run to run. Pure: the same alert, rule and facts always give the same flip.

    inactive -> pending -> firing -> resolved -> pending -> ...

`for_runs` True in a row that span `for_duration` fire (at once when they are 1 and 0), `resolve_runs` False in a row
resolve. None changes nothing, but a pending alert may come of age meanwhile. A resolved alert rests there until the
rule holds again; a pending one that was not confirmed becomes inactive.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerts.types import Alert, AlertState, Facts, Flip, Rule, Source

NO_RULE = "-"
"""In place of the key of a rule that is not in force, and the key of none: when it is again, it is looked at anew."""

TOLD = frozenset({AlertState.FIRING, AlertState.RESOLVED})
"""The states whose coming is told to people. Only a firing alert can become resolved."""


@dataclass(frozen=True, kw_only=True)
class Damping:
    """An alert that has fired `limit` times within `window` flaps: it then resolves only after `patience` times as many
    runs as usual, so that people hear of it once and not at every turn."""

    limit: int = 3
    window: timedelta = timedelta(days=1)
    patience: int = 4

    def flaps(self, alert: Alert, at: datetime) -> bool:
        return sum(at - fired <= self.window for fired in alert.fired) >= self.limit


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The alerts of one endpoint after a run, by rule name, and the transitions that the run caused."""

    alerts: Mapping[str, Alert]
    flips: tuple[Flip, ...]


def flip_id(endpoint: str, rule: str, run_id: str, after: AlertState) -> str:
    """SHA-256 (hex) over endpoint, rule, run and the state reached."""
    # JSON keeps the parts apart: ("a", "bc") and ("ab", "c") differ
    return hashlib.sha256(json.dumps([endpoint, rule, run_id, after.value]).encode()).hexdigest()


def evaluate(
    rules: Sequence[Rule], alerts: Mapping[str, Alert], facts: Facts, damping: Damping | None = None
) -> Evaluation:
    """One run through every rule. `alerts`: the endpoint's stored alerts by rule name; absent ones start inactive.

    Stored alerts of rules that are no longer given are left out of the result.
    """
    after: dict[str, Alert] = {}
    flips: list[Flip] = []
    for rule in rules:
        before = alerts.get(rule.name) or Alert(rule=rule.name, endpoint=facts.endpoint, severity=rule.severity)
        after[rule.name], flip = step(before, rule, facts, damping)
        if flip is not None:
            flips.append(flip)
    return Evaluation(alerts=after, flips=tuple(flips))


def step(alert: Alert, rule: Rule, facts: Facts, damping: Damping | None = None) -> tuple[Alert, Flip | None]:
    """The alert after one run, and the transition if there was one. Raises ValueError if the three do not belong
    together."""
    if (alert.rule, alert.endpoint) != (rule.name, facts.endpoint):
        raise ValueError(
            f"alert {alert.rule!r} of {alert.endpoint!r} does not belong to rule {rule.name!r} and endpoint "
            f"{facts.endpoint!r}; look the alert up by both"
        )
    held = _held(alert, rule, facts)
    if held is None:
        if alert.state is AlertState.PENDING and _of_age(alert, rule, alert.streak, facts.at):
            return _moved(alert, rule, facts, AlertState.FIRING, 0)
        return alert, None
    alert = _under(alert, rule)
    state, streak = _next(alert, rule, facts, held, damping)
    if state is alert.state:
        return replace(alert, streak=streak, severity=rule.severity, beat=facts.beat or alert.beat), None
    return _moved(alert, rule, facts, state, streak)


def gone(alert: Alert, at: datetime) -> tuple[Alert, Flip]:
    """The alert of a rule that is there no more, since nothing looks any longer: resolved if it fires, or inactive."""
    after = AlertState.RESOLVED if alert.state is AlertState.FIRING else AlertState.INACTIVE
    flip = Flip(
        id=flip_id(alert.endpoint, alert.rule, f"gone:{at.isoformat()}", after), rule=alert.rule,
        endpoint=alert.endpoint, severity=alert.severity, before=alert.state, after=after, at=at, run_id="",
        notify=after in TOLD, since=alert.since,
    )  # fmt: skip
    return replace(alert, state=after, streak=0, since=at, beat="", flip_id=flip.id, rule_key=NO_RULE), flip


def _held(alert: Alert, rule: Rule, facts: Facts) -> bool | None:
    if facts.source not in rule.sources:
        return None
    counts = Source.RUN in rule.sources and facts.source is not Source.RUN
    if counts and facts.beat and facts.beat == alert.beat:
        return None  # the clock sees what it has counted already; a run since then may have said otherwise
    if alert.state is AlertState.FIRING and rule.still_holds is not None:
        return rule.still_holds(facts)
    return rule.holds(facts)


def _under(alert: Alert, rule: Rule) -> Alert:
    """The alert under the rule as it is now: what was counted under another does not speak for leaving its state."""
    if alert.rule_key == rule.key:
        return alert
    return replace(alert, rule_key=rule.key, streak=0)


def _moved(alert: Alert, rule: Rule, facts: Facts, state: AlertState, streak: int) -> tuple[Alert, Flip]:
    flip = Flip(
        id=flip_id(facts.endpoint, rule.name, facts.key, state),
        rule=rule.name,
        endpoint=facts.endpoint,
        severity=rule.severity,
        before=alert.state,
        after=state,
        at=facts.at,
        run_id=facts.run_id,
        notify=state in TOLD,
        since=alert.since,
    )
    fired = (*alert.fired, facts.at)[-FIRED_KEPT:] if state is AlertState.FIRING else alert.fired
    return replace(
        alert, state=state, streak=streak, severity=rule.severity, since=facts.at, beat=facts.beat or alert.beat,
        fired=fired, flip_id=flip.id, rule_key=rule.key,
    ), flip  # fmt: skip


FIRED_KEPT = 10


def _next(alert: Alert, rule: Rule, facts: Facts, held: bool, damping: Damping | None) -> tuple[AlertState, int]:
    """The next state and its streak. Entering firing, resolved or inactive starts a new count."""
    streak = alert.streak + 1
    if alert.state is AlertState.FIRING:
        if held:
            return AlertState.FIRING, 0
        flaps = damping is not None and damping.flaps(alert, facts.at)
        needed = rule.resolve_runs * (damping.patience if damping is not None and flaps else 1)
        return (AlertState.RESOLVED, 0) if streak >= needed else (AlertState.FIRING, streak)
    if held:
        if _of_age(alert, rule, streak, facts.at):
            return AlertState.FIRING, 0
        return AlertState.PENDING, min(streak, rule.for_runs)  # more would say nothing, and be written for ever
    return (AlertState.INACTIVE if alert.state is AlertState.PENDING else alert.state), 0


def _of_age(alert: Alert, rule: Rule, streak: int, at: datetime) -> bool:
    """Whether the rule has held for long enough to fire: runs and time."""
    began = alert.since if alert.state is AlertState.PENDING and alert.since is not None else at
    return streak >= rule.for_runs and at - began >= rule.for_duration
