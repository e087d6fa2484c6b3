"""The vocabulary of alerting: facts, rules, alerts, flips, messages. Values only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from baselines.types import Arm, ArmComparison, Event, Persona, Verdict


class AlertState(StrEnum):
    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Topic(StrEnum):
    """What a rule is about: decides which facts its message tells."""

    DRIFT = "drift"
    ENDPOINT = "endpoint"
    JUDGE = "judge"
    ANSWERS = "answers"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that rules may look at: one finished run of one endpoint, however it ended.

    `arms` is empty when the run produced no comparison. `endpoint_problem` / `judge_problem`: reason code, or None when
    up. `invalid_share`: of the answers asked for, the share without a score. `landmarks[arm]`: published base and
    misaligned scores as (base, misaligned). `before`: the arms of the last run that was steady (else of the last one),
    `before_run` and `before_at` which run that was. `causes`: likely causes of the change, as sentences.
    """

    endpoint: str
    run_id: str
    plan: str
    at: datetime
    verdict: Verdict | None
    because: str = ""
    persona: Persona | None = None
    event: Event | None = None
    arms: Mapping[Arm, ArmComparison] = field(default_factory=dict)
    landmarks: Mapping[Arm, tuple[float, float]] = field(default_factory=dict)
    previous_scores: Mapping[Arm, float] = field(default_factory=dict)
    before: Mapping[Arm, ArmComparison] = field(default_factory=dict)
    before_run: str = ""
    before_at: datetime | None = None
    causes: tuple[str, ...] = ()
    endpoint_problem: str | None = None
    endpoint_detail: str = ""
    endpoint_remedy: str = ""
    judge_problem: str | None = None
    judge_detail: str = ""
    judge_remedy: str = ""
    invalid_share: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    simulated: bool = False


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`holds(facts)`: True, False, or None when the facts cannot tell (the alert keeps its state).

    Fires after `for_runs` consecutive True; resolves after `resolve_runs` consecutive False. `summary` says in one
    sentence what is true while it fires; `runbook` is the path of a page that is shipped with this package.
    """

    name: str
    severity: Severity
    summary: str
    runbook: str
    holds: Callable[[Facts], bool | None]
    topic: Topic = Topic.DRIFT
    for_runs: int = 1
    resolve_runs: int = 2

    def __post_init__(self) -> None:
        for field_name in ("for_runs", "resolve_runs"):
            if getattr(self, field_name) < 1:
                raise ValueError(f"rule {self.name}: {field_name} is {getattr(self, field_name)}; use 1 or more")


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A rule's state for an endpoint. `streak`: consecutive runs that speak for leaving the present state."""

    rule: str
    endpoint: str
    severity: Severity
    state: AlertState = AlertState.INACTIVE
    streak: int = 0
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Flip:
    """One transition. `id` is stable over re-evaluation of the same run: the idempotency key of its notifications.

    `since`: when the state left behind began, None if it was there from the start.
    """

    id: str
    rule: str
    endpoint: str
    severity: Severity
    before: AlertState
    after: AlertState
    at: datetime
    run_id: str
    notify: bool
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Notice:
    """The message, worded once for every channel. `idempotency_key` stays the same over retries.

    `at`: the flip; `since`: when the alert began to fire. `labels` are the endpoint's own.
    """

    idempotency_key: str
    status: AlertState
    rule: str
    severity: Severity
    endpoint: str
    title: str
    text: str
    at: datetime
    since: datetime
    labels: Mapping[str, str]
    links: Mapping[str, str]
    simulated: bool = False


class DeliveryError(Exception):
    """A notifier failed. `retryable` says whether to try again; the text holds no secret and no URL with one."""

    def __init__(self, message: str, *, retryable: bool, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class Notifier(Protocol):
    """Delivers one notice. Knows nothing of rules, state or retries."""

    async def send(self, notice: Notice) -> None:
        """Deliver within the notifier's own deadline. Raises DeliveryError."""
        ...

    async def aclose(self) -> None: ...


@runtime_checkable
class Repeating(Protocol):
    """A notifier whose receiver forgets what it is not told again, such as Alertmanager."""

    def repeat_after_s(self, notice: Notice, told_for_s: float) -> float | None:
        """Seconds until `notice`, first delivered `told_for_s` seconds ago, is to be sent again; None: never."""
        ...
