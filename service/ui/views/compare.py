"""What the page of two runs side by side shows, and the form that chooses them."""

from dataclasses import dataclass, field

from baselines.types import Arm, ArmComparison, Comparison, Paired
from service.comparing import Items
from service.ui.moved import Moved, strongest_first
from service.ui.parts import RunRow, Usage, run_path
from service.ui.views.base import Page


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two runs."""

    run: RunRow
    endpoint: str
    model: str = ""
    simulated: bool = False
    because: str = ""
    usage: Usage = field(default_factory=Usage)
    comparison: Comparison | None = None
    agreement: float | None = None
    invalid: int = 0

    @property
    def location(self) -> str:
        return run_path(self.run.id)

    def arm(self, arm: Arm) -> ArmComparison | None:
        return self.comparison.arms.get(arm) if self.comparison is not None else None


@dataclass(frozen=True, kw_only=True)
class ComparePage(Page):
    """Two runs, `a` as what was before. `rows`: cell by cell, furthest first; `items`: item by item."""

    template = "compare"
    styles = ("css/run.css", "css/compare.css")
    path = "/compare"
    live: bool = False
    a: Side
    b: Side
    caveats: tuple[str, ...] = ()
    rows: tuple[Moved, ...] = ()
    items: Items = field(default_factory=Items)

    @property
    def title(self) -> str:
        return (
            f"{self.a.endpoint} beside {self.b.endpoint}"
            if self.a.endpoint != self.b.endpoint
            else (f"Two runs of {self.a.endpoint}")
        )

    @property
    def tests(self) -> tuple[Paired, ...]:
        return strongest_first(self.items.tests)

    @property
    def arms(self) -> tuple[Arm, ...]:
        return tuple(Arm)

    def own_query(self) -> dict[str, str]:
        return {"a": self.a.run.id, "b": self.b.run.id}


@dataclass(frozen=True, kw_only=True)
class RunChoice:
    """A run that can be chosen."""

    endpoint: str
    run: RunRow


@dataclass(frozen=True, kw_only=True)
class ChoosePage(Page):
    """Which two runs to compare. `a` and `b`: those chosen already; `problem`: what of the address names no run."""

    template = "compare_choose"
    styles = ("css/compare.css",)
    path = "/compare"
    live: bool = False
    a: str = ""
    b: str = ""
    endpoint: str = ""
    choices: tuple[RunChoice, ...] = ()
    problem: str = ""

    @property
    def title(self) -> str:
        return "Compare two runs"
