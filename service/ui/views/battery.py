"""What the pages about the battery show: what is asked, and in which plans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from service.plan_report import Line
from service.ui.views.base import Page


@dataclass(frozen=True, kw_only=True)
class BatteryPart(Page):
    section = "/battery"
    styles = ("css/sections.css",)
    still = True
    live: bool = False


@dataclass(frozen=True, kw_only=True)
class ProbeRow:
    """One bank. `wordings`: how many differ only in form from another count once."""

    name: str
    title: str
    about: str
    arm: str
    items: int
    wordings: int
    dimensions: Sequence[str]
    methods: Sequence[str]
    categories: Sequence[str]
    version: str
    content_hash: str
    judged: bool


@dataclass(frozen=True, kw_only=True)
class PlanRow:
    """A plan in sums. `usd`: (model, price of a run) where prices are known. `used_by`: schedules that name it."""

    name: str
    probes: Sequence[str]
    calls: int
    judge_calls: int
    tokens: int
    usd: Sequence[tuple[str, float]]
    used_by: int

    @property
    def path(self) -> str:
        return f"/battery/plans/{quote(self.name)}"


@dataclass(frozen=True, kw_only=True)
class BatteryPage(BatteryPart):
    template = "battery"
    path = "/battery"
    probes: tuple[ProbeRow, ...] = ()
    plans: tuple[PlanRow, ...] = ()

    @property
    def title(self) -> str:
        return "Battery"


@dataclass(frozen=True, kw_only=True)
class Detects:
    """What one arm finds on a schedule, in words."""

    arm: str
    within_day: str
    within_week: str
    full_shift: str
    baseline: str


@dataclass(frozen=True, kw_only=True)
class PlanPage(BatteryPart):
    """One plan, and what it detects on a schedule. `problem`: why the schedule asked for cannot be used."""

    template = "battery_plan"
    plan: PlanRow
    lines: tuple[Line, ...]
    anchor_calls: int
    anchor_tokens: int
    every: str
    calls_per_month: int = 0
    tokens_per_month: int = 0
    usd_per_month: Sequence[tuple[str, float]] = ()
    detects: tuple[Detects, ...] = ()
    promise: str = ""
    problem: str = ""

    @property
    def title(self) -> str:
        return f"Plan {self.plan.name}"

    @property
    def location(self) -> str:
        return self.plan.path


@dataclass(frozen=True, kw_only=True)
class ItemView:
    """One item. `messages`: (role, text), word for word as it is sent. `hidden`: it asks for harm, and is folded."""

    id: str
    probe: str
    dimension: str
    method: str
    category: str
    messages: tuple[tuple[str, str], ...]
    scoring: tuple[str, ...]
    note: str
    hidden: bool


@dataclass(frozen=True, kw_only=True)
class ItemsPage(BatteryPart):
    """Items that fit the filters, one page of them. `choices`: what each filter may be."""

    template = "battery_items"
    path = "/battery/items"
    items: tuple[ItemView, ...] = ()
    total: int = 0
    page: int = 1
    pages: int = 1
    filters: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return "Items"

    def own_query(self) -> dict[str, str]:
        return {name: value for name, value in self.filters.items() if value}
