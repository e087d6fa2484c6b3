"""The rules about everything but alignment, and what the clock does to alerts."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.operations import OFF_AXIS_LIMIT, OPERATIONS
from alerts.rules import RULES
from alerts.state import Damping, evaluate, gone, step
from alerts.types import Alert, AlertState, DrillOutcome, Facts, Offline, Overdue, Rule, Served, Severity, Skip, Source
from baselines.types import Arm
from probes.types import Reason
from tests.unit.alerts.facts import AT, arm, both, clock, facts, here

BY_NAME = {rule.name: rule for rule in RULES}
LATE = Overdue(plan="heartbeat", spec="PT15M", since=AT, expected=AT)


def served(now: str, before: str, what: str = "models") -> Served:
    sides = {what: frozenset(now.split()), f"{what}_before": frozenset(before.split())}
    return Served(**sides)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"served": served("a", "a")}, False),
        ({"served": served("b", "a")}, True),
        ({"served": served("a b", "a")}, True),
        ({"served": served("a", "a b")}, False),
        ({"served": served("", "a")}, None),
        ({"served": served("a", "")}, None),
        ({"served": served("f1 f3", "f1 f2", "fingerprints")}, False),
        ({"served": served("f3", "f1 f2", "fingerprints")}, True),
        ({}, None),
        ({"off_axis": OFF_AXIS_LIMIT + 0.01, "baseline_answers": 80}, True),
        ({"off_axis": OFF_AXIS_LIMIT, "baseline_answers": 80}, False),
        ({"off_axis": 0.9, "baseline_answers": 79}, None),
        ({"off_axis": 0.9, "baseline_answers": 80, "arms": {Arm.SELF_REPORT: arm(reference="published")}}, None),
        ({"off_axis": 0.9, "baseline_answers": 80, "arms": both(self_report=True)}, None),
        ({"off_axis": 0.9, "baseline_answers": 80, "served": served("a", "a")}, True),
    ],
)
def test_model_changed(changes: dict[str, object], expected: bool | None) -> None:
    assert BY_NAME["ModelChanged"].holds(facts(**changes)) is expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (facts(), False),
        (facts(budget_problem="9 of 9 tokens"), True),
        (clock(), None),
        (clock(skip=Skip(slot="1", reason=Reason.BUDGET_EXHAUSTED)), True),
        (clock(skip=Skip(slot="1", reason="endpoint_down")), None),
    ],
)
def test_budget_exhausted(seen: Facts, expected: bool | None) -> None:
    assert BY_NAME["BudgetExhausted"].holds(seen) is expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (here(), None),
        (here(connectivity_known=True), False),
        (here(connectivity_known=True, offline=Offline(since=AT)), True),
    ],
)
def test_we_are_offline(seen: Facts, expected: bool | None) -> None:
    assert BY_NAME["WeAreOffline"].holds(seen) is expected


@pytest.mark.parametrize(
    ("drills", "expected"),
    [
        (None, None),
        (DrillOutcome(), False),
        (DrillOutcome(failed="hook gave up"), True),
        (DrillOutcome(overdue="none has succeeded yet"), True),
    ],
)
def test_drill_failed(drills: DrillOutcome | None, expected: bool | None) -> None:
    assert BY_NAME["DrillFailed"].holds(here(drills=drills)) is expected


def test_an_endpoint_whose_runs_are_left_out_because_it_is_down_still_counts_up_to_its_alert() -> None:
    """Its circuit is open, so no second run will ever fail."""
    rule = BY_NAME["EndpointDown"]
    down = facts(endpoint_problem="unreachable", verdict=None, arms={}, invalid_share=None)
    alert, _ = step(Alert(rule=rule.name, endpoint="support-bot", severity=rule.severity), rule, down)
    assert alert.state is AlertState.PENDING
    left_out = clock(skip=Skip(slot="slot-9", reason="endpoint_down"), beat="slot-9")
    alert, flip = step(alert, rule, left_out)
    assert flip is not None
    assert flip.after is AlertState.FIRING


def test_the_clock_counts_one_slot_once_however_often_it_looks() -> None:
    rule = replace(BY_NAME["EndpointDown"], for_runs=3)
    alert = Alert(rule=rule.name, endpoint="support-bot", severity=rule.severity)
    for slot in ("1", "1", "1", "2", "2"):
        alert, _ = step(alert, rule, clock(skip=Skip(slot=slot, reason="endpoint_down"), beat=slot))
    assert (alert.state, alert.streak) == (AlertState.PENDING, 2)
    alert, _ = step(alert, rule, clock(skip=Skip(slot="3", reason="endpoint_down"), beat="3"))
    assert alert.state is AlertState.FIRING


def test_a_slot_that_a_run_has_answered_since_does_not_fire_again() -> None:
    """A run by hand succeeds; the newest slot is still the one that was left out."""
    rule = BY_NAME["BudgetExhausted"]
    alert = Alert(rule=rule.name, endpoint="support-bot", severity=rule.severity)
    left_out = clock(skip=Skip(slot="1", reason="budget_exhausted"), beat="1")
    states = []
    for seen in (left_out, left_out, facts(), left_out, left_out):
        alert, _ = step(alert, rule, seen)
        states.append(alert.state.value)
    assert states == ["firing", "firing", "resolved", "resolved", "resolved"]
    alert, _ = step(alert, rule, replace(left_out, beat="2", at=AT + timedelta(hours=1)))
    assert alert.state is AlertState.FIRING


def test_the_dead_man_fires_after_its_grace_and_clears_at_once() -> None:
    rule = BY_NAME["RunOverdue"]
    alert = Alert(rule=rule.name, endpoint="support-bot", severity=rule.severity)
    states = []
    for minutes, late in ((0, (LATE,)), (9, (LATE,)), (10, (LATE,)), (11, (LATE,)), (12, ())):
        alert, _ = step(alert, rule, clock(overdue=late, at=AT + timedelta(minutes=minutes)))
        states.append(alert.state.value)
    assert states == ["pending", "pending", "firing", "firing", "resolved"]


def test_a_pending_alert_that_only_waits_for_the_time_is_not_written_at_every_look() -> None:
    rule = BY_NAME["RunOverdue"]
    alert = Alert(rule=rule.name, endpoint="support-bot", severity=rule.severity)
    alert, _ = step(alert, rule, clock(overdue=(LATE,)))
    again, _ = step(alert, rule, clock(overdue=(LATE,), at=AT + timedelta(minutes=1)))
    assert again == alert


def test_a_run_says_nothing_about_rules_of_the_clock_and_the_clock_nothing_about_those_of_runs() -> None:
    quiet = evaluate(RULES, {}, clock(overdue=()))
    assert quiet.flips == ()
    assert evaluate([BY_NAME["RunOverdue"]], {}, facts(overdue=(LATE,))).flips == ()
    firing = Alert(rule="BehaviourDrift", endpoint="support-bot", severity=Severity.CRITICAL, state=AlertState.FIRING)
    after, flip = step(firing, BY_NAME["BehaviourDrift"], clock(at=AT + timedelta(days=30)))
    assert (after, flip) == (firing, None)


def lasting(**changes: object) -> Rule:
    values = {
        "name": "Example", "severity": Severity.WARNING, "summary": "An example.", "runbook": "x.md",
        "holds": lambda facts: facts.invalid_share == 1.0,
    }  # fmt: skip
    return Rule(**values | changes)  # type: ignore[arg-type]


NEW = Alert(rule="Example", endpoint="support-bot", severity=Severity.WARNING)
BAD, GOOD = facts(invalid_share=1.0), facts()


def test_a_pending_alert_comes_of_age_by_the_clock_without_another_run() -> None:
    rule = lasting(for_duration=timedelta(hours=1), for_runs=2)
    alert, _ = step(NEW, rule, BAD)
    alert, _ = step(alert, rule, clock(at=AT + timedelta(hours=2)))
    assert alert.state is AlertState.PENDING, "one run is not two"
    alert, _ = step(alert, rule, replace(BAD, run_id="run-2", at=AT + timedelta(minutes=30)))
    assert alert.state is AlertState.PENDING, "half an hour is not one"
    alert, flip = step(alert, rule, clock(at=AT + timedelta(hours=1)))
    assert flip is not None
    assert (flip.after, flip.since) == (AlertState.FIRING, AT)


def test_hysteresis_a_lower_bar_to_stay_than_to_come() -> None:
    rule = lasting(still_holds=lambda facts: (facts.invalid_share or 0) > 0.5, resolve_runs=1)
    middle = facts(invalid_share=0.7)
    assert step(NEW, rule, middle)[0].state is AlertState.INACTIVE
    firing, _ = step(NEW, rule, BAD)
    assert step(firing, rule, middle)[0].state is AlertState.FIRING
    assert step(firing, rule, GOOD)[0].state is AlertState.RESOLVED


def test_an_alert_that_flaps_needs_more_quiet_runs_and_is_told_once() -> None:
    rule, damping = lasting(resolve_runs=1), Damping(limit=3, patience=4)
    alert, told = NEW, []
    runs = [BAD, GOOD] * 6 + [GOOD] * 3
    for number, run in enumerate(runs):
        at = AT + timedelta(minutes=number)
        alert, flip = step(alert, rule, replace(run, run_id=f"run-{number}", at=at), damping)
        told += [flip.after.value] if flip is not None else []
    assert told == ["firing", "resolved", "firing", "resolved", "firing", "resolved"]
    assert alert.state is AlertState.RESOLVED


def test_the_same_turns_days_apart_are_no_flapping() -> None:
    rule, alert, flips = lasting(resolve_runs=1), NEW, 0
    for number, run in enumerate([BAD, GOOD] * 6):
        at = AT + timedelta(days=number)
        alert, flip = step(alert, rule, replace(run, run_id=f"run-{number}", at=at), Damping())
        flips += flip is not None
    assert flips == 12


def test_an_edited_rule_starts_counting_anew_and_resolves_nothing_by_itself() -> None:
    firing, _ = step(NEW, lasting(key="1"), BAD)
    nearly, _ = step(firing, lasting(key="1"), GOOD)
    assert nearly.streak == 1
    edited, flip = step(nearly, lasting(key="2"), replace(GOOD, run_id="run-2"))
    assert (edited.state, edited.streak, flip) == (AlertState.FIRING, 1, None)
    done, _ = step(edited, lasting(key="2"), replace(GOOD, run_id="run-3"))
    assert done.state is AlertState.RESOLVED


def test_the_alert_of_a_rule_that_is_gone_is_resolved_once() -> None:
    firing, _ = step(NEW, lasting(), BAD)
    alert, flip = gone(firing, AT + timedelta(days=1))
    assert (alert.state, flip.after, flip.notify, flip.since) == (
        AlertState.RESOLVED, AlertState.RESOLVED, True, AT,
    )  # fmt: skip
    assert alert.flip_id == flip.id != firing.flip_id


def test_every_rule_of_the_installation_mutes_or_is_told_without_an_endpoint() -> None:
    about_us = [rule for rule in OPERATIONS if Source.INSTALLATION in rule.sources]
    assert {rule.name for rule in about_us} == {"WeAreOffline", "DrillFailed"}
