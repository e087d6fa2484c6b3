"""What each page shows. Values only: routes fill them from storage, `render` turns them into HTML.

Every datetime is aware. What may be missing is None or empty, and the pages say so in words.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from urllib.parse import urlencode

from baselines.types import Arm, Comparison, Verdict
from probes.types import Cell, Measurement
from service.ui.parts import (
    WORST_FIRST,
    AlertRow,
    Allowance,
    ArmView,
    BaselineView,
    EndpointRow,
    History,
    HistoryPoint,
    InstrumentView,
    JudgeView,
    Landmark,
    MapPoint,
    MapView,
    Progress,
    Registration,
    RunRow,
    Trouble,
    Usage,
    WordingRow,
    alert_urgency,
    endpoint_path,
    map_of,
    run_path,
    urgency,
)

__all__ = [
    "WORST_FIRST",
    "AlertRow",
    "Allowance",
    "ArmView",
    "BaselineView",
    "EndpointPage",
    "EndpointRow",
    "ErrorPage",
    "FleetPage",
    "History",
    "HistoryPoint",
    "InstrumentView",
    "JudgeView",
    "Landmark",
    "MapPoint",
    "MapView",
    "Page",
    "Progress",
    "Registration",
    "RunPage",
    "RunRow",
    "Trouble",
    "Usage",
    "WordingRow",
    "alert_urgency",
    "endpoint_path",
    "map_of",
    "run_path",
    "urgency",
]  # fmt: skip

PART = "part"
"""The query parameter that asks for the page body alone, e.g. `/?part=body`."""
LIVE = "live"
"""The query parameter that stops the refreshing of a page, `/?live=0`."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What every page knows. `now` is when its values were read; `live` pages refresh their body by themselves."""

    now: datetime
    live: bool = True
    path: ClassVar[str] = "/"

    def address(self, **query: str) -> str:
        """This page's own path with `query` set."""
        own = self.own_query() | query
        return self.location + (f"?{urlencode(own)}" if own else "")

    @property
    def location(self) -> str:
        return self.path

    def own_query(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True, kw_only=True)
class FleetPage(Page):
    """All endpoints, or one page of them. `counts`, `down` (how many cannot be watched) and `any_simulated` are over
    all of them; None: taken from `rows`.

    `page` and `pages` number the pages from 1. `promise`: what false alarms there may be. `base_url`: where this
    service is reached, for the curl examples.
    """

    rows: tuple[EndpointRow, ...] = ()
    alerts: tuple[AlertRow, ...] = ()
    map: MapView = field(default_factory=MapView)
    counts: Mapping[Verdict | None, int] | None = None
    down: int | None = None
    any_simulated: bool | None = None
    page: int = 1
    pages: int = 1
    budget: tuple[Allowance, ...] = ()
    promise: str = ""
    base_url: str = "http://127.0.0.1:8321"
    offline_since: datetime | None = None

    @property
    def ordered(self) -> Sequence[EndpointRow]:
        return sorted(self.rows, key=urgency)

    @property
    def tally(self) -> Sequence[tuple[Verdict | None, int]]:
        """(verdict, how many) for those that occur, worst first."""
        counts = Counter(row.verdict for row in self.rows) if self.counts is None else self.counts
        return [(verdict, counts[verdict]) for verdict in WORST_FIRST if counts.get(verdict)]

    @property
    def unwatched(self) -> int:
        return sum(row.down is not None for row in self.rows) if self.down is None else self.down

    @property
    def demonstration(self) -> bool:
        return any(row.simulated for row in self.rows) if self.any_simulated is None else self.any_simulated

    def own_query(self) -> dict[str, str]:
        return {"page": str(self.page)} if self.page > 1 else {}


@dataclass(frozen=True, kw_only=True)
class SlotView:
    """What became of one slot of a schedule, or of `count` in a row from `due` to `until`."""

    plan: str
    due: datetime
    until: datetime
    count: int
    state: str
    reason: str | None = None
    late_s: float | None = None
    run_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class EndpointPage(Page):
    """One endpoint. `measurements`: the newest of each cell; `reference`: the same cells of what it is compared with,
    whose name is `reference_name`."""

    row: EndpointRow
    registration: Registration
    histories: tuple[History, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    reference: Mapping[Cell, float] = field(default_factory=dict)
    reference_name: str = ""
    runs: tuple[RunRow, ...] = ()
    alerts: tuple[AlertRow, ...] = ()
    baseline: BaselineView | None = None
    instrument: InstrumentView = field(default_factory=InstrumentView)
    budget: tuple[Allowance, ...] = ()
    base_url: str = "http://127.0.0.1:8321"
    slots: tuple[SlotView, ...] = ()
    next_probe: datetime | None = None

    @property
    def location(self) -> str:
        return self.row.path


@dataclass(frozen=True, kw_only=True)
class ReasonsView:
    """Why a run ended, what it is called, what it led to, and why its verdict changed. `causes`: (kind, sentence);
    `items`: (item, before, now)."""

    persona: str | None = None
    event: str | None = None
    early: str | None = None
    spared: int = 0
    next: str | None = None
    next_run: str | None = None
    refused: str | None = None
    causes: tuple[tuple[str, str], ...] = ()
    items: tuple[tuple[str, float, float], ...] = ()
    compared: int = 0


@dataclass(frozen=True, kw_only=True)
class RunPage(Page):
    """One run. `invalid`: how many answers had no score, by reason. `removed`: what retention has taken of it."""

    run: RunRow
    endpoint: str
    model: str = ""
    simulated: bool = False
    because: str = ""
    usage: Usage = field(default_factory=Usage)
    problem: Trouble | None = None
    judge_problem: Trouble | None = None
    comparison: Comparison | None = None
    measurements: tuple[Measurement, ...] = ()
    reference: Mapping[Cell, float] = field(default_factory=dict)
    reference_name: str = ""
    invalid: Mapping[str, int] = field(default_factory=dict)
    removed: str = ""
    instrument: InstrumentView = field(default_factory=InstrumentView)
    reasons: ReasonsView = field(default_factory=ReasonsView)

    @property
    def location(self) -> str:
        return run_path(self.run.id)

    @property
    def arms(self) -> tuple[ArmView, ...]:
        found = self.comparison.arms if self.comparison is not None else {}
        at = self.run.finished_at
        return tuple(ArmView(arm=arm, figures=found.get(arm), measured_at=at, plan=self.run.plan) for arm in Arm)


@dataclass(frozen=True, kw_only=True)
class RunbookPage(Page):
    """What to do about one alert: `text` is Markdown of ours."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class ErrorPage(Page):
    """Something could not be shown. `remedy` says what the reader can do."""

    live: bool = False
    status: int
    title: str
    detail: str = ""
    remedy: str = ""
