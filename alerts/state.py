"""How an alert moves from run to run. Pure: the same alert, rule and facts always give the same flip.

    inactive -> pending -> firing -> resolved -> pending -> ...

`for_runs` True in a row fire (at once when it is 1), `resolve_runs` False in a row resolve. None changes nothing.
A resolved alert rests there until the rule holds again; a pending one that was not confirmed becomes inactive.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from alerts.types import Alert, AlertState, Facts, Flip, Rule

TOLD = frozenset({AlertState.FIRING, AlertState.RESOLVED})
"""The states whose coming is told to people. Only a firing alert can become resolved."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The alerts of one endpoint after a run, by rule name, and the transitions that the run caused."""

    alerts: Mapping[str, Alert]
    flips: tuple[Flip, ...]


def flip_id(endpoint: str, rule: str, run_id: str, after: AlertState) -> str:
    """SHA-256 (hex) over endpoint, rule, run and the state reached."""
    # JSON keeps the parts apart: ("a", "bc") and ("ab", "c") differ
    return hashlib.sha256(json.dumps([endpoint, rule, run_id, after.value]).encode()).hexdigest()


def evaluate(rules: Sequence[Rule], alerts: Mapping[str, Alert], facts: Facts) -> Evaluation:
    """One run through every rule. `alerts`: the endpoint's stored alerts by rule name; absent ones start inactive.

    Stored alerts of rules that are no longer given are left out of the result.
    """
    after: dict[str, Alert] = {}
    flips: list[Flip] = []
    for rule in rules:
        before = alerts.get(rule.name) or Alert(rule=rule.name, endpoint=facts.endpoint, severity=rule.severity)
        after[rule.name], flip = step(before, rule, facts)
        if flip is not None:
            flips.append(flip)
    return Evaluation(alerts=after, flips=tuple(flips))


def step(alert: Alert, rule: Rule, facts: Facts) -> tuple[Alert, Flip | None]:
    """The alert after one run, and the transition if there was one. Raises ValueError if the three do not belong
    together."""
    if (alert.rule, alert.endpoint) != (rule.name, facts.endpoint):
        raise ValueError(
            f"alert {alert.rule!r} of {alert.endpoint!r} does not belong to rule {rule.name!r} and endpoint "
            f"{facts.endpoint!r}; look the alert up by both"
        )
    held = rule.holds(facts)
    if held is None:
        return alert, None
    state, streak = _next(alert, rule, held)
    if state is alert.state:
        return replace(alert, streak=streak, severity=rule.severity), None
    flip = Flip(
        id=flip_id(facts.endpoint, rule.name, facts.run_id, state),
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
    return replace(alert, state=state, streak=streak, severity=rule.severity, since=facts.at), flip


def _next(alert: Alert, rule: Rule, held: bool) -> tuple[AlertState, int]:
    """The next state and its streak. Entering firing, resolved or inactive starts a new count."""
    streak = alert.streak + 1
    if alert.state is AlertState.FIRING:
        if held:
            return AlertState.FIRING, 0
        return (AlertState.RESOLVED, 0) if streak >= rule.resolve_runs else (AlertState.FIRING, streak)
    if held:
        return (AlertState.FIRING, 0) if streak >= rule.for_runs else (AlertState.PENDING, streak)
    return (AlertState.INACTIVE if alert.state is AlertState.PENDING else alert.state), 0
