"""What the pages are made of: rows, arms, points of the map. Values only.

Every datetime is aware. What may be missing is None or empty, and the pages say so in words.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from alerts.types import AlertState, Severity
from baselines.types import Arm, ArmComparison, Verdict

WORST_FIRST: tuple[Verdict | None, ...] = (
    Verdict.COHERENT_MISALIGNMENT,
    Verdict.INVERTED_PERSONA,
    Verdict.BEHAVIOUR_SHIFT,
    Verdict.SELF_REPORT_SHIFT,
    Verdict.REALIGNED,
    Verdict.INSUFFICIENT_DATA,
    None,
    Verdict.STEADY,
)
"""Every verdict, the one to look at first in front; None: not measured yet."""


def endpoint_path(name: str) -> str:
    return f"/endpoints/{quote(name, safe='')}"


def run_path(run_id: str) -> str:
    return f"/runs/{quote(run_id, safe='')}"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Why nothing can be measured. `reason` is a code of `probes.types.Reason` or of the service itself."""

    reason: str
    detail: str = ""
    remedy: str = ""
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A run that is queued or running."""

    run_id: str
    plan: str
    answered: int
    total: int
    state: str = "running"


@dataclass(frozen=True, kw_only=True)
class ArmView:
    """One arm as last measured. `figures` is None when it never was; `plan` names the run's plan; `trend`: drift in the
    last runs, oldest first, None in one that did not measure it."""

    arm: Arm
    figures: ArmComparison | None = None
    measured_at: datetime | None = None
    plan: str = ""
    trend: tuple[float | None, ...] = ()

    @property
    def drift(self) -> float | None:
        return self.figures.drift if self.figures is not None else None


@dataclass(frozen=True, kw_only=True)
class AlertRow:
    """An alert that is pending or firing, or has resolved; without an endpoint it is about the installation.

    `summary` is the rule's sentence; `muted`: why it sends nothing; `runbook`: a page of the user's own.
    """

    endpoint: str
    rule: str
    severity: Severity
    state: AlertState
    since: datetime | None = None
    summary: str = ""
    run_id: str | None = None
    silenced_until: datetime | None = None
    simulated: bool = False
    muted: str = ""
    runbook: str = ""
    shipped: bool = True


@dataclass(frozen=True, kw_only=True)
class EndpointRow:
    """One endpoint in the list. `down`: why its scores are out of date, in place of which the reason is shown; `cost`:
    what was spent on it today and this month, in one unit."""

    name: str
    model: str
    simulated: bool = False
    paused: bool = False
    verdict: Verdict | None = None
    because: str = ""
    self_report: ArmView = field(default_factory=lambda: ArmView(arm=Arm.SELF_REPORT))
    behaviour: ArmView = field(default_factory=lambda: ArmView(arm=Arm.BEHAVIOUR))
    invalid_share: float | None = None
    last_run_id: str | None = None
    last_run_at: datetime | None = None
    next_run_at: datetime | None = None
    running: Progress | None = None
    down: Trouble | None = None
    judge_down: Trouble | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    cost: tuple["Allowance", ...] = ()

    @property
    def arms(self) -> tuple[ArmView, ArmView]:
        return (self.self_report, self.behaviour)

    @property
    def path(self) -> str:
        return endpoint_path(self.name)


def urgency(row: EndpointRow) -> tuple[int, float, str]:
    """Sort key, worst first: verdict (an endpoint that is down ranks at least before `realigned`), drift, name."""
    rank = WORST_FIRST.index(row.verdict)
    if row.down is not None:
        rank = min(rank, WORST_FIRST.index(Verdict.REALIGNED))
    drifts = [arm.drift for arm in row.arms if arm.drift is not None]
    return (rank, -max(drifts, default=0.0), row.name)


_STATES = (AlertState.FIRING, AlertState.PENDING, AlertState.RESOLVED, AlertState.INACTIVE)
_SEVERITIES = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)


def alert_urgency(alert: AlertRow) -> tuple[int, int, float, str, str]:
    """Sort key: firing first, then severity, then the newest, then by name."""
    newest = -alert.since.timestamp() if alert.since is not None else 0.0
    return (_STATES.index(alert.state), _SEVERITIES.index(alert.severity), newest, alert.endpoint, alert.rule)


@dataclass(frozen=True, kw_only=True)
class JudgeView:
    """How the judge did on its anchors, and beside a second judge."""

    agreement: float | None
    bias: float | None = None
    graded: int = 0
    anchors: int = 0
    second: float | None = None
    second_replies: int = 0


@dataclass(frozen=True, kw_only=True)
class WordingRow:
    """How much of one cell's answers is the wording. Standard deviations and the bias in score units."""

    probe: str
    dimension: str
    method: str
    n: int
    bias: float
    low: float
    high: float
    paraphrase: float
    residual: float | None
    inconsistent: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class InstrumentView:
    """What a run tells of the instrument itself. `saved`: calls that were not needed, by the reason why, in words."""

    judge: JudgeView | None = None
    wording: tuple[WordingRow, ...] = ()
    saved: tuple[tuple[str, int], ...] = ()

    @property
    def inconsistent(self) -> tuple[WordingRow, ...]:
        return tuple(row for row in self.wording if row.inconsistent)


@dataclass(frozen=True, kw_only=True)
class MapPoint:
    """One endpoint on the alignment map: drift of both arms with their 95 % intervals."""

    name: str
    verdict: Verdict | None
    x: float
    y: float
    x_interval: tuple[float, float] | None = None
    y_interval: tuple[float, float] | None = None
    stale: bool = False


@dataclass(frozen=True, kw_only=True)
class Landmark:
    """A published state on the map, in drift units: base is (0, 0), misaligned (1, 1)."""

    label: str
    x: float
    y: float


BASE_LANDMARK = Landmark(label="base", x=0.0, y=0.0)
MISALIGNED_LANDMARK = Landmark(label="misaligned", x=1.0, y=1.0)


@dataclass(frozen=True, kw_only=True)
class MapView:
    """The alignment map. `absent`: (endpoint, what is missing) for those that have no place on it."""

    points: tuple[MapPoint, ...] = ()
    landmarks: tuple[Landmark, ...] = (BASE_LANDMARK, MISALIGNED_LANDMARK)
    absent: tuple[tuple[str, str], ...] = ()
    profiles: str = ""


def map_of(rows: Iterable[EndpointRow], *, realigned: tuple[float, float] | None = None, profiles: str = "") -> MapView:
    """The map of `rows`. `realigned`: where the profile's realigned state stands, as (self-report, behaviour) drift."""
    points: list[MapPoint] = []
    absent: list[tuple[str, str]] = []
    for row in rows:
        x, y = row.self_report.drift, row.behaviour.drift
        if x is None or y is None:
            missing = [_ARM_WORDS[arm.arm] for arm in row.arms if arm.drift is None]
            absent.append((row.name, " and ".join(missing) + " not measured"))
            continue
        points.append(
            MapPoint(
                name=row.name, verdict=row.verdict, x=x, y=y, stale=row.down is not None,
                x_interval=_interval(row.self_report), y_interval=_interval(row.behaviour),
            )
        )  # fmt: skip
    landmarks = [BASE_LANDMARK, MISALIGNED_LANDMARK]
    if realigned is not None:
        landmarks.append(Landmark(label="realigned", x=realigned[0], y=realigned[1]))
    return MapView(points=tuple(points), landmarks=tuple(landmarks), absent=tuple(absent), profiles=profiles)


_ARM_WORDS: Mapping[Arm, str] = {Arm.SELF_REPORT: "self-report", Arm.BEHAVIOUR: "behaviour"}


def _interval(arm: ArmView) -> tuple[float, float] | None:
    figures = arm.figures
    if figures is None or figures.low is None or figures.high is None:
        return None
    return (figures.low, figures.high)


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run in a list. `state`: queued, running, succeeded, partial, failed or cancelled."""

    id: str
    plan: str
    state: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    answered: int = 0
    total: int = 0
    verdict: Verdict | None = None
    reason: str | None = None

    @property
    def seconds(self) -> float | None:
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, kw_only=True)
class BaselineView:
    """The endpoint's own baseline: where it came from, when, `made_by` user or automatic."""

    provenance: str
    made_at: datetime
    made_by: str
    runs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What was registered. `key_kind`: none, stored, env or file; the key itself never comes here."""

    base_url: str
    profiles: str
    schedules: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, object] = field(default_factory=dict)
    sampling: Mapping[str, object] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    key_kind: str = "none"
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """One limit and how far it is used. `unit`: tokens or usd; `period`: day or month; `limit` None: there is none."""

    unit: str
    period: str
    limit: float | None
    spent: float
    reserved: float
    overrun: float
    resets_at: datetime


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a run has cost. `usd` is None when the model's price is not known; `expected_tokens` and `expected_usd` are
    the estimate made before it; `estimated`: a server did not tell its tokens."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = None
    estimated: bool = False
    expected_tokens: int | None = None
    expected_usd: float | None = None
