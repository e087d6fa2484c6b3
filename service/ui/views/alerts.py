"""What the pages about alerts show: alerts, silences, rules, deliveries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from urllib.parse import urlencode

from alerts.types import AlertState, Severity
from service.ui.parts import AlertRow
from service.ui.views.base import Page

DURATIONS: Mapping[str, str] = {
    "PT1H": "1 hour", "PT4H": "4 hours", "PT12H": "12 hours", "P1D": "1 day", "P3D": "3 days", "P7D": "1 week",
    "P30D": "30 days",
}  # fmt: skip
OTHER = "other"
"""In place of a duration: until a time that is given."""
TABS = (
    ("/alerts", "Alerts"),
    ("/alerts/silences", "Silences"),
    ("/alerts/rules", "Rules"),
    ("/alerts/deliveries", "Deliveries and drills"),
)


def silence_path(endpoint: str, rule: str) -> str:
    """The form of a silence for one alert."""
    return f"/alerts?{urlencode({'silence': f'{endpoint}/{rule}'})}"


@dataclass(frozen=True, kw_only=True)
class AlertsPart(Page):
    """One of the pages about alerts."""

    section = "/alerts"
    styles = ("css/sections.css",)
    tabs: ClassVar[Sequence[tuple[str, str]]] = TABS

    @property
    def firing_label(self) -> str:
        return ""


@dataclass(frozen=True, kw_only=True)
class SilenceForm:
    """What was entered, as text, and what is wrong with it, by field; under the empty name what is wrong as a whole."""

    endpoint: str = ""
    rule: str = ""
    severity: str = ""
    labels: str = ""
    duration: str = "PT4H"
    until: str = ""
    comment: str = ""
    who: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    endpoints: Sequence[str] = ()
    rules: Sequence[str] = ()

    @property
    def durations(self) -> Sequence[tuple[str, str]]:
        return [*DURATIONS.items(), (OTHER, "until a time")]

    @property
    def severities(self) -> Sequence[str]:
        return [str(one) for one in Severity]


@dataclass(frozen=True, kw_only=True)
class FlipRow:
    """One transition. `endpoint` is empty for the installation."""

    at: datetime
    endpoint: str
    rule: str
    severity: str
    before: str
    after: str
    run_id: str
    drill: bool = False


@dataclass(frozen=True, kw_only=True)
class Filters:
    """As they stand in the address. Empty: any."""

    state: str = ""
    severity: str = ""
    endpoint: str = ""
    rule: str = ""

    @property
    def query(self) -> dict[str, str]:
        return {name: value for name, value in vars(self).items() if value}


@dataclass(frozen=True, kw_only=True)
class Promise:
    """The budget of false alarms. `expected` and `spent`: false pages of this quarter, at most, on average."""

    text: str
    quarter: str
    expected: float
    spent: float


@dataclass(frozen=True, kw_only=True)
class AlertsPage(AlertsPart):
    """Alerts that fire or are about to, and what has changed lately. `total`: before the filters."""

    template = "alerts"
    path = "/alerts"
    rows: tuple[AlertRow, ...] = ()
    total: int = 0
    filters: Filters = field(default_factory=Filters)
    endpoints: Sequence[str] = ()
    rules: Sequence[str] = ()
    flips: tuple[FlipRow, ...] = ()
    page: int = 1
    more: bool = False
    promise: Promise | None = None
    form: SilenceForm | None = None

    @property
    def title(self) -> str:
        return "Alerts"

    @property
    def states(self) -> Sequence[str]:
        return [AlertState.FIRING, AlertState.PENDING, AlertState.RESOLVED]

    @property
    def severities(self) -> Sequence[str]:
        return [Severity.CRITICAL, Severity.WARNING, Severity.INFO]

    def own_query(self) -> dict[str, str]:
        return self.filters.query | ({"page": str(self.page)} if self.page > 1 else {})


@dataclass(frozen=True, kw_only=True)
class SilenceRow:
    """`matches`: how many alerts that are pending or firing it mutes now."""

    id: str
    state: str
    match: Mapping[str, str]
    starts: datetime
    until: datetime
    who: str
    comment: str
    matches: int = 0


@dataclass(frozen=True, kw_only=True)
class WindowRow:
    name: str
    match: Mapping[str, str]
    schedule: str
    zone: str
    seconds: float
    comment: str
    open_until: datetime | None
    next: datetime | None


@dataclass(frozen=True, kw_only=True)
class SilencesPage(AlertsPart):
    """Silences and maintenance windows. `made`: the id of one that was just begun."""

    template = "silences"
    path = "/alerts/silences"
    still = True
    live: bool = False
    form: SilenceForm = field(default_factory=SilenceForm)
    silences: tuple[SilenceRow, ...] = ()
    ended: tuple[SilenceRow, ...] = ()
    windows: tuple[WindowRow, ...] = ()
    made: str = ""

    @property
    def title(self) -> str:
        return "Silences"


@dataclass(frozen=True, kw_only=True)
class RuleRow:
    """A rule in force, and how it stands over the fleet."""

    name: str
    severity: str
    summary: str
    shipped: bool
    patience: str
    muted_by: Sequence[str]
    runbook: str
    firing: int = 0
    pending: int = 0


@dataclass(frozen=True, kw_only=True)
class RulesPage(AlertsPart):
    template = "rules"
    path = "/alerts/rules"
    rules: tuple[RuleRow, ...] = ()
    off: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return "Alert rules"


@dataclass(frozen=True, kw_only=True)
class DeliveryRow:
    id: int
    state: str
    notifier: str
    title: str
    endpoint: str
    run_id: str | None
    attempts: int
    error: str
    created_at: datetime | None
    next_at: datetime | None
    dead_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class NotifierRow:
    name: str
    pending: int
    dead: int
    last_delivered: datetime | None
    last_drill: datetime | None


@dataclass(frozen=True, kw_only=True)
class DrillView:
    """`stages`: (name, when, detail) of those that were reached."""

    id: str
    endpoint: str
    persona: str
    state: str
    reason: str
    started_at: datetime
    finished_at: datetime | None
    stages: tuple[tuple[str, datetime, str], ...]


@dataclass(frozen=True, kw_only=True)
class DeliveriesPage(AlertsPart):
    """What waits, what was given up, and drills. `problem`: why what was just asked for was not done."""

    template = "deliveries"
    path = "/alerts/deliveries"
    notifiers: tuple[NotifierRow, ...] = ()
    unsettled: tuple[DeliveryRow, ...] = ()
    more: int = 0
    drills: tuple[DrillView, ...] = ()
    endpoints: Sequence[str] = ()
    personas: Sequence[str] = ()
    chosen: tuple[str, str] = ("", "misaligned")
    problem: str = ""

    @property
    def title(self) -> str:
        return "Deliveries and drills"

    @property
    def drilling(self) -> bool:
        return any(one.state == "running" for one in self.drills)
