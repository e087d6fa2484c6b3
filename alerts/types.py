"""The vocabulary of alerting: facts, rules, alerts, flips, messages. Values only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, runtime_checkable

from baselines.types import Arm, ArmComparison, Event, Persona, Verdict
from probes.types import Measurement

INSTALLATION = ""
"""Stands in place of an endpoint's name where an alert is about the installation itself."""


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
    MODEL = "model"
    SCHEDULE = "schedule"
    BUDGET = "budget"
    METRICS = "metrics"
    INSTALLATION = "installation"


class Source(StrEnum):
    """What led to an evaluation: a run has ended, time has passed for an endpoint, or for the installation."""

    RUN = "run"
    CLOCK = "clock"
    INSTALLATION = "installation"


@dataclass(frozen=True, kw_only=True)
class Served:
    """Who answered a run, as its server says: names of models and system fingerprints. `before`: those known from the
    runs of the own baseline (else from the last runs); empty sets where the server tells none."""

    models: frozenset[str] = frozenset()
    fingerprints: frozenset[str] = frozenset()
    models_before: frozenset[str] = frozenset()
    fingerprints_before: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Overdue:
    """A schedule without a successful run for too long. `since`: the last success, or when watching began; `expected`:
    when there should have been a second one at the latest."""

    plan: str
    spec: str
    since: datetime
    expected: datetime


@dataclass(frozen=True, kw_only=True)
class Skip:
    """Why the newest slot of an endpoint's schedules led to no run. `slot` identifies it."""

    slot: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Offline:
    """Nothing can be reached from here."""

    since: datetime
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class DrillOutcome:
    """How fire drills fare. `failed`: why the last finished one failed, None when it succeeded; `overdue`: why one is
    missing, None when none is."""

    failed: str | None = None
    overdue: str | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that rules may look at: one finished run of one endpoint, however it ended; or, with another `source`, what
    can be said of an endpoint or of the installation because time has passed.

    `again`: a run that was looked at before, at `at` looked at once more because rules were changed.
    `baseline_answers`: self-report answers behind the own baseline. `beat` identifies what was seen, so that the clock
    does not count one thing twice; the run where it is empty.

    `arms` is empty when the run produced no comparison. `endpoint_problem` / `judge_problem`: reason code, or None when
    up. `invalid_share`: of the answers asked for, the share without a score. `landmarks[arm]`: published base and
    misaligned scores as (base, misaligned). `before`: the arms of the last run that was steady (else of the last one),
    `before_run` and `before_at` which run that was. `under_way`: a
    living worker has a run of the endpoint in hand. `causes`: likely causes of the change, as sentences.
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
    source: Source = Source.RUN
    beat: str = ""
    off_axis: float | None = None
    baseline_answers: int = 0
    judge_agreement: float | None = None
    measurements: tuple[Measurement, ...] = ()
    served: Served | None = None
    budget_problem: str | None = None
    budget_remedy: str = ""
    overdue: tuple[Overdue, ...] | None = None
    skip: Skip | None = None
    offline: Offline | None = None
    under_way: bool = False
    connectivity_known: bool = False
    drills: DrillOutcome | None = None
    again: bool = False

    @property
    def key(self) -> str:
        """Tells this evaluation from every other of the endpoint."""
        moment = f"at:{self.at.isoformat()}"
        return f"{self.run_id} {moment}" if self.again else self.run_id or moment


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`holds(facts)`: True, False, or None when the facts cannot tell (the alert keeps its state).

    Fires after `for_runs` consecutive True that span at least `for_duration`; resolves after `resolve_runs` consecutive
    False. While it fires, `still_holds` decides in place of `holds`, where there is one: a lower bar to stay than to
    come. `summary` says in one sentence what is true while it fires; `runbook` is the path of a page that is shipped
    with this package, or a URL. `muted_by`: rules that, firing for the same endpoint or for the installation, mute this
    one. `labels` are added to the endpoint's. `key` is another when the rule asks for something else. `figures(facts)`:
    what it compared, as text, where it compares figures.
    """

    name: str
    severity: Severity
    summary: str
    runbook: str
    holds: Callable[[Facts], bool | None]
    topic: Topic = Topic.DRIFT
    for_runs: int = 1
    resolve_runs: int = 2
    for_duration: timedelta = timedelta(0)
    still_holds: Callable[[Facts], bool | None] | None = None
    sources: frozenset[Source] = frozenset({Source.RUN})
    muted_by: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    shipped: bool = True
    figures: Callable[[Facts], str] | None = None

    def __post_init__(self) -> None:
        for field_name in ("for_runs", "resolve_runs"):
            if getattr(self, field_name) < 1:
                raise ValueError(f"rule {self.name}: {field_name} is {getattr(self, field_name)}; use 1 or more")


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A rule's state for an endpoint. `streak`: consecutive runs that speak for leaving the present state.

    `beat`: what was counted last. `fired`: when it began to fire, the last times. `flip_id`: the transition to the
    present state. `told`: the notifiers that hold it for firing, since `told_at`. `rule_key`: of the rule it was last
    evaluated under.
    """

    rule: str
    endpoint: str
    severity: Severity
    state: AlertState = AlertState.INACTIVE
    streak: int = 0
    since: datetime | None = None
    beat: str = ""
    fired: tuple[datetime, ...] = ()
    flip_id: str = ""
    told: tuple[str, ...] = ()
    told_at: datetime | None = None
    rule_key: str = ""


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
