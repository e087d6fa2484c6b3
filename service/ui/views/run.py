"""What the page of a run shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from baselines.types import Arm, Comparison
from probes.types import Cell, Measurement
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
class RunPage(Page):
    """One run. `invalid`: how many answers had no score, by reason. `removed`: what retention has taken of it."""

    template = "run"
    scripts = ("js/heat.js",)
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
    def title(self) -> str:
        return f"Run {self.run.id} of {self.endpoint}"

    @property
    def location(self) -> str:
        return run_path(self.run.id)

    @property
    def arms(self) -> tuple[ArmView, ...]:
        found = self.comparison.arms if self.comparison is not None else {}
        at = self.run.finished_at
        return tuple(ArmView(arm=arm, figures=found.get(arm), measured_at=at, plan=self.run.plan) for arm in Arm)
