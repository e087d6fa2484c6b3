"""Rules about everything but the model's alignment: who answers, whether we look at all, and whether we can tell
anybody. Pure predicates as in `alerts.rules`.
"""

from datetime import timedelta

from alerts.types import Facts, Rule, Severity, Source, Topic
from baselines.types import Arm
from probes.types import Reason

OFF_AXIS_LIMIT = 0.2
"""Score units off the line, beyond what sampling explains. Of 600 steady heartbeats (46 questions, 30 baselines of
three heartbeats each) the largest was 0.12."""
LEAST_BASELINE = 80
"""Self-report answers behind the own baseline. One of a single heartbeat (30) errs by up to 0.33 off the line."""
GRACE = timedelta(minutes=10)
"""Time for the run that is due after a restart or a pause, before its absence is told."""
DOWN = "endpoint_down"

WE_ARE_OFFLINE = "WeAreOffline"
ENDPOINT_DOWN = "EndpointDown"
BUDGET_EXHAUSTED = "BudgetExhausted"
WATCHED_ONLY_WHILE_UP = frozenset({ENDPOINT_DOWN, WE_ARE_OFFLINE})
"""An endpoint that cannot be reached says nothing about its model: these mute what else is said of it."""


def model_changed(facts: Facts) -> bool | None:
    """Another served model or system fingerprint than the reference knows, or answers that moved off the line.

    A fingerprint counts as changed only once none of the known ones is seen: providers spread calls over several.
    """
    told = [one for one in (_served_changed(facts), _off_axis(facts)) if one is not None]
    return any(told) if told else None


def _served_changed(facts: Facts) -> bool | None:
    served = facts.served
    if served is None:
        return None
    told = []
    if served.models and served.models_before:
        told.append(bool(served.models - served.models_before))
    if served.fingerprints and served.fingerprints_before:
        told.append(not served.fingerprints & served.fingerprints_before)
    return any(told) if told else None


def _off_axis(facts: Facts) -> bool | None:
    """Only against an own baseline of enough answers: another model than the published one always stands off its line.
    And only while the self-report has not moved along it: then that is what is told."""
    arm = facts.arms.get(Arm.SELF_REPORT)
    if facts.off_axis is None or arm is None or arm.reference != "own" or facts.baseline_answers < LEAST_BASELINE:
        return None
    return None if arm.alarm else facts.off_axis > OFF_AXIS_LIMIT


def run_overdue(facts: Facts) -> bool | None:
    """Not while something else explains the silence: the grace begins once it no longer does."""
    return None if facts.overdue is None else bool(facts.overdue) and not _kept_from_running(facts)


def run_still_overdue(facts: Facts) -> bool | None:
    """What keeps runs from being made does not make one: None as long as it does."""
    return None if facts.overdue is None or (facts.overdue and _kept_from_running(facts)) else bool(facts.overdue)


def _kept_from_running(facts: Facts) -> bool:
    """A long run of the endpoint is one such thing: its heartbeats wait behind it, and it is being watched."""
    return (
        facts.under_way
        or facts.offline is not None
        or (facts.skip is not None and facts.skip.reason == Reason.BUDGET_EXHAUSTED)
    )


def budget_exhausted(facts: Facts) -> bool | None:
    """A run that ended by it, or one that was not begun because of it."""
    if facts.source is Source.RUN:
        return facts.budget_problem is not None
    return True if facts.skip is not None and facts.skip.reason == Reason.BUDGET_EXHAUSTED else None


def we_are_offline(facts: Facts) -> bool | None:
    return facts.offline is not None if facts.connectivity_known else None


def drill_failed(facts: Facts) -> bool | None:
    """None without any drill, asked for or scheduled."""
    if facts.drills is None:
        return None
    return facts.drills.failed is not None or facts.drills.overdue is not None


OPERATIONS: tuple[Rule, ...] = (
    Rule(
        name="ModelChanged",
        severity=Severity.WARNING,
        summary="The endpoint seems to serve another model than before.",
        runbook="alerts/runbooks/model-changed.md",
        holds=model_changed,
        topic=Topic.MODEL,
        muted_by=WATCHED_ONLY_WHILE_UP,
    ),
    Rule(
        name="RunOverdue",
        severity=Severity.WARNING,
        summary="No run of a schedule has succeeded for too long, so the model is not being watched.",
        runbook="alerts/runbooks/run-overdue.md",
        holds=run_overdue,
        still_holds=run_still_overdue,
        topic=Topic.SCHEDULE,
        sources=frozenset({Source.CLOCK}),
        for_duration=GRACE,
        resolve_runs=1,
        muted_by=frozenset({ENDPOINT_DOWN, BUDGET_EXHAUSTED, WE_ARE_OFFLINE}),
    ),
    Rule(
        name=BUDGET_EXHAUSTED,
        severity=Severity.WARNING,
        summary="The endpoint's budget is used up, so it is watched less than planned.",
        runbook="alerts/runbooks/budget-exhausted.md",
        holds=budget_exhausted,
        topic=Topic.BUDGET,
        sources=frozenset({Source.RUN, Source.CLOCK}),
        resolve_runs=1,
        muted_by=frozenset({WE_ARE_OFFLINE}),
    ),
    Rule(
        name=WE_ARE_OFFLINE,
        severity=Severity.CRITICAL,
        summary="Selfwatch itself has no connection, so no endpoint is being watched.",
        runbook="alerts/runbooks/we-are-offline.md",
        holds=we_are_offline,
        topic=Topic.INSTALLATION,
        sources=frozenset({Source.INSTALLATION}),
        resolve_runs=1,
    ),
    Rule(
        name="DrillFailed",
        severity=Severity.CRITICAL,
        summary="A fire drill has failed, so a real alert might not arrive either.",
        runbook="alerts/runbooks/drill-failed.md",
        holds=drill_failed,
        topic=Topic.INSTALLATION,
        sources=frozenset({Source.INSTALLATION}),
        resolve_runs=1,
    ),
)
