"""What the page about the budget shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from service.ui.parts import Allowance, endpoint_path
from service.ui.views.base import Page


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the schedules as they are will take in a day and in 30 days, estimated from the text; `usd` is None where a
    price is missing."""

    tokens_day: int = 0
    tokens_month: int = 0
    usd_day: float | None = None
    usd_month: float | None = None


@dataclass(frozen=True, kw_only=True)
class EndpointSpending:
    """One endpoint. `share`: of what all have spent this month, in USD where prices are known, else in tokens."""

    name: str
    model: str
    paused: bool
    priced: bool
    allowances: tuple[Allowance, ...]
    expected: Expected
    share: float

    @property
    def path(self) -> str:
        return endpoint_path(self.name)

    def of(self, unit: str, period: str) -> Allowance:
        return next(one for one in self.allowances if (one.unit, one.period) == (unit, period))

    @property
    def over(self) -> bool:
        return any(one.limit is not None and one.spent >= one.limit for one in self.allowances)


@dataclass(frozen=True, kw_only=True)
class PriceRow:
    """USD for a million tokens, None where the price is not known. `role`: watched, judge, or not in use."""

    model: str
    role: str
    prompt: float | None
    completion: float | None


@dataclass(frozen=True, kw_only=True)
class BudgetPage(Page):
    """`rows`: by share, one page of `total` endpoints."""

    template = "budget"
    section = "/budget"
    path = "/budget"
    styles = ("css/sections.css",)
    overall: tuple[Allowance, ...]
    resets: Mapping[str, datetime]
    expected: Expected
    rows: tuple[EndpointSpending, ...] = ()
    total: int = 0
    page: int = 1
    pages: int = 1
    prices: Sequence[PriceRow] = ()

    @property
    def title(self) -> str:
        return "Budget"

    def own_query(self) -> dict[str, str]:
        return {"page": str(self.page)} if self.page > 1 else {}
