"""Values that the alert tests start from."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from alerts.types import INSTALLATION, AlertState, Facts, Flip, Notice, Severity, Source
from baselines.types import Arm, ArmComparison, Verdict

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
"""When every test run finished, unless the test says otherwise."""


def arm(*, alarm: bool = False, **changes: Any) -> ArmComparison:
    """One arm with data: moved when `alarm`, at base otherwise."""
    values: dict[str, Any] = {
        "score": 0.52 if alarm else 0.07,
        "drift": 0.7 if alarm else 0.01,
        "low": 0.55 if alarm else -0.05,
        "high": 0.86 if alarm else 0.06,
        "evidence": 4.3 if alarm else 0.2,
        "threshold": 4.0,
        "alarm": alarm,
        "n": 120,
        "invalid": 0,
        "reference": "own",
    }
    return ArmComparison(**{**values, **changes})


NO_DATA = arm(score=None, drift=None, low=None, high=None, n=0)


def both(*, self_report: bool = False, behaviour: bool = False) -> Mapping[Arm, ArmComparison]:
    return {Arm.SELF_REPORT: arm(alarm=self_report), Arm.BEHAVIOUR: arm(alarm=behaviour)}


def facts(**changes: Any) -> Facts:
    """A steady run with data in both arms."""
    values: dict[str, Any] = {
        "endpoint": "support-bot",
        "run_id": "run-1",
        "plan": "heartbeat",
        "at": AT,
        "verdict": Verdict.STEADY,
        "arms": both(),
        "invalid_share": 0.0,
    }
    return Facts(**{**values, **changes})


def clock(**changes: Any) -> Facts:
    """Time has passed for an endpoint, and nothing is known."""
    values: dict[str, Any] = {
        "endpoint": "support-bot", "run_id": "", "plan": "", "at": AT, "verdict": None, "source": Source.CLOCK,
    }  # fmt: skip
    return Facts(**{**values, **changes})


def here(**changes: Any) -> Facts:
    """Time has passed for the installation, and nothing is known."""
    return clock(**{"endpoint": INSTALLATION, "source": Source.INSTALLATION, **changes})


def flip(**changes: Any) -> Flip:
    """BehaviourDrift of support-bot begins to fire."""
    values: dict[str, Any] = {
        "id": "f" * 64,
        "rule": "BehaviourDrift",
        "endpoint": "support-bot",
        "severity": Severity.CRITICAL,
        "before": AlertState.INACTIVE,
        "after": AlertState.FIRING,
        "at": AT,
        "run_id": "run-1",
        "notify": True,
    }
    return Flip(**{**values, **changes})


def notice(**changes: Any) -> Notice:
    """What a notifier gets."""
    values: dict[str, Any] = {
        "idempotency_key": "a" * 64,
        "status": AlertState.FIRING,
        "rule": "BehaviourDrift",
        "severity": Severity.CRITICAL,
        "endpoint": "support-bot",
        "title": "CRITICAL BehaviourDrift: support-bot",
        "text": "The model's replies have become more harmful.\nGrüße, 漢字",
        "at": AT,
        "since": AT - timedelta(minutes=5),
        "labels": {"team": "safety"},
        "links": {"run": "https://selfwatch.example/runs/run-1"},
    }
    return Notice(**{**values, **changes})
