"""An endpoint's way over time: the runs that are shown of it, and the published variants it passes. Values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from baselines.types import Arm, State, Verdict


class Span(StrEnum):
    """How far back a trajectory reaches."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    ALL = "all"

    @property
    def length(self) -> timedelta | None:
        """None: everything that is kept."""
        return _LENGTHS[self]

    @property
    def words(self) -> str:
        return _WORDS[self]


_LENGTHS: Mapping[Span, timedelta | None] = {
    Span.DAY: timedelta(hours=24), Span.WEEK: timedelta(days=7), Span.MONTH: timedelta(days=30), Span.ALL: None,
}  # fmt: skip
_WORDS: Mapping[Span, str] = {
    Span.DAY: "24 hours", Span.WEEK: "7 days", Span.MONTH: "30 days", Span.ALL: "all",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One arm of one run: drift with its 95 % interval. `alarm`: its evidence stands beyond the threshold."""

    drift: float
    low: float | None = None
    high: float | None = None
    alarm: bool = False

    @property
    def interval(self) -> tuple[float, float] | None:
        return (self.low, self.high) if self.low is not None and self.high is not None else None


@dataclass(frozen=True, kw_only=True)
class Step:
    """One run that ended with a comparison. `arms` holds those that it measured, `dimensions` the mean score of each
    that it asked about in self-assessments; `changed`: the verdict is another than that of the run before."""

    run_id: str
    at: datetime
    plan: str
    verdict: Verdict | None
    arms: Mapping[Arm, Reading]
    dimensions: Mapping[str, float] = field(default_factory=dict)
    changed: bool = False

    @property
    def both(self) -> tuple[Reading, Reading] | None:
        """Self-report and behaviour, where the run measured both."""
        said, done = self.arms.get(Arm.SELF_REPORT), self.arms.get(Arm.BEHAVIOUR)
        return (said, done) if said is not None and done is not None else None


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One of the paper's fifteen models, in the drift units of another profile set. `domain` is empty for a base."""

    number: int
    state: State
    domain: str
    size: str
    x: float
    y: float

    @property
    def label(self) -> str:
        """`GPT-4.1 mini, misaligned on code`."""
        model = "GPT-4.1" if self.size == "full" else f"GPT-4.1 {self.size}"
        return f"{model}, {self.state}" + (f" ({self.domain})" if self.domain else "")


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """What is shown of the `runs` that ended within `span`, oldest first. `landmarks`: drift of each published state of
    the endpoint's own profile set, by arm; `variants`: the paper's models in the same units."""

    span: Span = Span.WEEK
    steps: Sequence[Step] = ()
    runs: int = 0
    profiles: str = ""
    landmarks: Mapping[Arm, Mapping[State, float]] = field(default_factory=dict)
    variants: Sequence[Variant] = ()

    @property
    def newest(self) -> str:
        """Changes when there is something new to draw."""
        return self.steps[-1].run_id if self.steps else ""

    def of_arm(self, arm: Arm) -> Sequence[Step]:
        return [step for step in self.steps if arm in step.arms]

    @property
    def dimensions(self) -> Sequence[str]:
        return sorted({name for step in self.steps for name in step.dimensions})
