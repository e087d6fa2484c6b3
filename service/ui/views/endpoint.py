"""What the page of an endpoint shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from probes.types import Cell, Measurement
from service.ui.parts import (
    AlertRow,
    Allowance,
    BaselineView,
    EndpointRow,
    InstrumentView,
    Progress,
    Registration,
    RunRow,
)
from service.ui.views.base import Page
from service.ui.views.trajectory import Span, Trajectory

DONE: Mapping[str, str] = {
    "started": "The run has been started. Its progress stands above, and its verdict follows at its end.",
    "paused": "Paused: no scheduled run starts, and what was going on is held with its answers until you resume.",
    "resumed": "Resumed: schedules hold again, and what was held goes on.",
    "pinned": "The baseline is set. Evidence starts anew against it, and the next run is compared with it.",
    "drilled": "The fire drill has begun. What arrives at the notifiers is marked as simulated, and is cleared again.",
    "silenced": "Silenced: this endpoint's alerts keep their state, and send nothing until the silence ends.",
    "unsilenced": "The silence is over. What it muted and still fires is sent now.",
}
"""What was done, by the code in the address: nothing of the address itself is shown."""
STARTED, ENDED = "started", "The run has ended. What it found stands above."
DONE_QUERY, SPAN_QUERY = "done", "range"


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
class SilenceView:
    """A silence of this endpoint's alerts, and of no others."""

    id: str
    until: datetime
    who: str


@dataclass(frozen=True, kw_only=True)
class EndpointPage(Page):
    """One endpoint. `measurements`: the newest of each cell; `reference`: the same cells of what it is compared with,
    whose name is `reference_name`. `done`: a key of DONE."""

    template = "endpoint"
    styles = ("uplot/uPlot.min.css", "css/endpoint.css")
    scripts = ("js/endpoint.js", "js/heat.js")
    row: EndpointRow
    registration: Registration
    trajectory: Trajectory = field(default_factory=Trajectory)
    measurements: tuple[Measurement, ...] = ()
    reference: Mapping[Cell, float] = field(default_factory=dict)
    reference_name: str = ""
    runs: tuple[RunRow, ...] = ()
    alerts: tuple[AlertRow, ...] = ()
    silences: tuple[SilenceView, ...] = ()
    baseline: BaselineView | None = None
    instrument: InstrumentView = field(default_factory=InstrumentView)
    budget: tuple[Allowance, ...] = ()
    base_url: str = "http://127.0.0.1:8321"
    slots: tuple[SlotView, ...] = ()
    next_probe: datetime | None = None
    done: str = ""

    @property
    def title(self) -> str:
        return self.row.name

    @property
    def location(self) -> str:
        return self.row.path

    @property
    def notice(self) -> str:
        return ENDED if self.done == STARTED and self.row.running is None else DONE.get(self.done, "")

    @property
    def to_watch(self) -> Progress | None:
        """The run that goes on after one was started here: that one, or the one that confirms what it found."""
        return self.row.running if self.done == STARTED else None

    @property
    def spans(self) -> tuple[Span, ...]:
        return tuple(Span)

    def own_query(self) -> dict[str, str]:
        span = self.trajectory.span
        found = {SPAN_QUERY: str(span)} if span is not Span.WEEK else {}
        return found | ({DONE_QUERY: self.done} if self.notice else {})
