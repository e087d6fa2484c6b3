"""The forms that start or change something of an endpoint. They do not refresh themselves: nothing entered is lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from baselines.types import Verdict
from service.ui.parts import BaselineView, endpoint_path
from service.ui.views.base import Page


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why something was not done, and what to do. `run_id`: the run to look at."""

    status: int
    heading: str
    detail: str
    remedy: str = ""
    run_id: str | None = None


def refused(why: str, *, heading: str, status: int = 422) -> Refusal:
    """Our errors say what is wrong and, after a semicolon, what to do about it."""
    what, _, remedy = why.partition("; ")
    return Refusal(status=status, heading=heading, detail=_sentence(what), remedy=_sentence(remedy))


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if not words or words.endswith((".", "?")) else ".")


@dataclass(frozen=True, kw_only=True)
class FormPage(Page):
    """A form about the endpoint called `name`."""

    styles = ("css/endpoint.css",)
    live: bool = False
    name: str
    simulated: bool = False
    refusal: Refusal | None = None

    @property
    def endpoint(self) -> str:
        return endpoint_path(self.name)


@dataclass(frozen=True, kw_only=True)
class PlanChoice:
    """A plan and what a run of it may take now. `usd` is None without a price; `basis`: measured, mixed or plan;
    `refused`: why the budget does not allow it."""

    plan: str
    questions: int
    calls: int
    tokens: int
    usd: float | None
    basis: str
    refused: Refusal | None = None


@dataclass(frozen=True, kw_only=True)
class StartRunPage(FormPage):
    """`key` makes a form that is sent twice start one run. `active`: the id of a run that goes on."""

    template = "start_run"
    plans: Sequence[PlanChoice] = ()
    chosen: str = "heartbeat"
    key: str = ""
    active: str | None = None
    paused: bool = False

    @property
    def title(self) -> str:
        return f"Run {self.name} now"

    @property
    def location(self) -> str:
        return f"{self.endpoint}/run"


@dataclass(frozen=True, kw_only=True)
class BaselineChoice:
    """A run that could be part of a baseline; `gone`: its answers were removed, so it cannot."""

    run_id: str
    plan: str
    ended_at: datetime
    verdict: Verdict | None
    answered: int
    said: float | None
    done: float | None
    in_force: bool = False
    chosen: bool = False
    gone: bool = False


@dataclass(frozen=True, kw_only=True)
class BaselinePage(FormPage):
    """Runs to choose from; with `confirm` those that were chosen, before anything changes."""

    template = "pin_baseline"
    runs: Sequence[BaselineChoice] = ()
    current: BaselineView | None = None
    profiles: str = ""
    confirm: bool = False

    @property
    def title(self) -> str:
        return f"Baseline of {self.name}"

    @property
    def location(self) -> str:
        return f"{self.endpoint}/baseline"

    @property
    def chosen(self) -> Sequence[BaselineChoice]:
        return [run for run in self.runs if run.chosen]


@dataclass(frozen=True, kw_only=True)
class DrillView:
    """One drill of this endpoint. `reached` of `stages` stages."""

    persona: str
    state: str
    started_at: datetime
    reached: int
    stages: int
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class DrillPage(FormPage):
    """`personas`: (name, the rule whose alert is sent, what it plays). `notifiers` receive what is sent."""

    template = "drill"
    personas: Sequence[tuple[str, str, str]] = ()
    chosen: str = "misaligned"
    notifiers: Sequence[str] = ()
    recent: Sequence[DrillView] = ()

    @property
    def title(self) -> str:
        return f"Fire drill for {self.name}"

    @property
    def location(self) -> str:
        return f"{self.endpoint}/drill"
