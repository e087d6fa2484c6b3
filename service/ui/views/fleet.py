"""What the fleet page shows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from baselines.types import Verdict
from service.ui.fleet_filter import Filter
from service.ui.parts import WORST_FIRST, AlertRow, Allowance, EndpointRow, MapView, urgency
from service.ui.views.base import LIVE, Page


@dataclass(frozen=True, kw_only=True)
class FleetPage(Page):
    """All endpoints, or one page of them. `counts`, `down` (how many cannot be watched) and `any_simulated` are over
    all of them; None: taken from `rows`.

    `rows` are those that `filter` shows, in its order; `matching`: how many there are of them on all `pages`;
    `registered`: how many endpoints there are at all; `labels`: those to choose from, as `key=value`. `page` and
    `pages` number the pages from 1. `promise`: what false alarms there may be. `base_url`: where this service is
    reached, for the curl examples.
    """

    template = "fleet"
    styles = ("css/fleet.css",)
    filter: Filter = field(default_factory=Filter)
    matching: int | None = None
    registered: int | None = None
    labels: tuple[str, ...] = ()
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
        return sorted(self.rows, key=urgency) if self.filter.sort == "worst" else self.rows

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

    @property
    def count(self) -> int:
        """Of the endpoints that the filter shows."""
        return len(self.rows) if self.matching is None else self.matching

    @property
    def total(self) -> int:
        return self.count if self.registered is None else self.registered

    def own_query(self) -> dict[str, str]:
        return self.filter.turned_to(self.page).query()

    def link(self, to: Filter) -> str:
        """This page with another filter; one that stands still goes on to do so."""
        query = to.query() | ({} if self.live else {LIVE: "0"})
        return self.location + (f"?{urlencode(query)}" if query else "")

    @property
    def cleared(self) -> str:
        """Everything, in the same order."""
        return self.link(Filter(sort=self.filter.sort))
