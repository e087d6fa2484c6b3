"""What the page of a run shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from baselines.types import Arm, Comparison, Paired
from probes.types import Cell, Measurement
from service.ui.moved import Moved
from service.ui.parts import ArmView, InstrumentView, RunRow, Trouble, Usage, run_path
from service.ui.views.base import Page


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
class MovedView:
    """What moved, furthest first, against `reference`; `caveat` qualifies it. `paired`: the tests by item."""

    reference: str = ""
    caveat: str = ""
    rows: tuple[Moved, ...] = ()
    paired: tuple[Paired, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Under:
    """A run under way: whether it is held or was asked to stop; answers a second and seconds left, once known."""

    paused: bool = False
    stopping: bool = False
    rate: float | None = None
    eta_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunPage(Page):
    """One run. `invalid`: how many answers had no score, by reason. `removed`: what retention has taken of it.

    `before` and `baseline_run`: runs to compare it with; `file`: what it is called as a download.
    """

    template = "run"
    styles = ("css/run.css",)
    scripts = ("js/run.js", "js/heat.js")
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
    under: Under = field(default_factory=Under)
    moved: MovedView = field(default_factory=MovedView)
    before: str | None = None
    baseline_run: str | None = None
    file: str = "selfwatch-run"

    @property
    def title(self) -> str:
        return f"Run {self.run.id} of {self.endpoint}"

    @property
    def location(self) -> str:
        return run_path(self.run.id)

    @property
    def over(self) -> bool:
        return self.run.state not in ("queued", "running")

    @property
    def arms(self) -> tuple[ArmView, ...]:
        found = self.comparison.arms if self.comparison is not None else {}
        at = self.run.finished_at
        return tuple(ArmView(arm=arm, figures=found.get(arm), measured_at=at, plan=self.run.plan) for arm in Arm)
