"""What the fleet page shows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from baselines.types import Verdict
from service.ui.parts import WORST_FIRST, AlertRow, Allowance, EndpointRow, MapView, urgency
from service.ui.views.base import Page


@dataclass(frozen=True, kw_only=True)
class FleetPage(Page):
    """All endpoints, or one page of them. `counts`, `down` (how many cannot be watched) and `any_simulated` are over
    all of them; None: taken from `rows`.

    `page` and `pages` number the pages from 1. `promise`: what false alarms there may be. `base_url`: where this
    service is reached, for the curl examples.
    """

    template = "fleet"
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
