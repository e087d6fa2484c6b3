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
    History,
    InstrumentView,
    Registration,
    RunRow,
)
from service.ui.views.base import Page


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

    template = "endpoint"
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
    def title(self) -> str:
        return self.row.name

    @property
    def location(self) -> str:
        return self.row.path
