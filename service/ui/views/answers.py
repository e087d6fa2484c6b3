"""What the pages of a run's answers show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from probes.types import Cell
from service.storage.answers import Wanted
from service.ui.parts import run_path
from service.ui.views.base import Page


@dataclass(frozen=True, kw_only=True)
class Said:
    """One message of a prompt."""

    role: str
    text: str


@dataclass(frozen=True, kw_only=True)
class AnswerView:
    """One answer. `reply` is what is shown of it, None when there is none, of `length` characters in all; `removed`:
    retention has taken it. `grades`: the judges', worst first to be named; `ungraded`: no judge has seen it to the end.
    """

    item: str
    repeat: int
    cell: Cell
    prompt: tuple[Said, ...] = ()
    reply: str | None = None
    length: int = 0
    removed: bool = False
    score: float | None = None
    scorer: str = ""
    grades: tuple[int, ...] = ()
    harmful: bool = False
    ungraded: bool = False
    reason: str | None = None
    detail: str = ""
    saved: int = 0
    attempts: int = 1
    judge_attempts: int = 0
    latency_s: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model: str = ""
    fingerprint: str = ""
    at: datetime | None = None

    @property
    def cut(self) -> bool:
        return self.reply is not None and len(self.reply) < self.length

    @property
    def query(self) -> str:
        """Names this answer in an address."""
        return urlencode({"item": self.item, "repeat": self.repeat})


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What can be chosen from, with how many answers of each. `reasons`: why there is no score."""

    probes: Mapping[str, int] = field(default_factory=dict)
    dimensions: Mapping[str, int] = field(default_factory=dict)
    methods: Mapping[str, int] = field(default_factory=dict)
    categories: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    harmful: int = 0
    total: int = 0


@dataclass(frozen=True, kw_only=True)
class _AboutRun(Page):
    live: bool = False
    styles = ("css/answers.css",)
    run: str
    endpoint: str
    plan: str = ""
    simulated: bool = False
    removed: str = ""
    """What retention has taken of the run, in a sentence."""
    over: bool = True

    @property
    def location(self) -> str:
        return f"{run_path(self.run)}/answers"

    @property
    def run_location(self) -> str:
        return run_path(self.run)


@dataclass(frozen=True, kw_only=True)
class AnswersPage(_AboutRun):
    """A page of answers. `found`: how many fit `wanted`; `back` and `forth`: the keys that lead to the pages beside it.
    `problem`: what was wrong with the address, and what is shown in place of it."""

    template = "answers"
    wanted: Wanted = field(default_factory=Wanted)
    choices: Choices = field(default_factory=Choices)
    answers: tuple[AnswerView, ...] = ()
    found: int = 0
    back: str | None = None
    forth: str | None = None
    problem: str = ""

    @property
    def title(self) -> str:
        return f"Answers of run {self.run}"

    def own_query(self) -> dict[str, str]:
        return {name: _text(value) for name, value in vars(self.wanted).items() if value not in (None, False, "")} | (
            {"scored": "false"} if self.wanted.scored is False else {}
        )

    @property
    def chosen(self) -> bool:
        return bool(self.own_query())

    def download(self, **how: str) -> str:
        """The API's address of all that was found, as a file."""
        return f"/api/v1{self.location}?{urlencode(how | self.own_query())}"


@dataclass(frozen=True, kw_only=True)
class AnswerPage(_AboutRun):
    """One answer, whole."""

    template = "answer"
    answer: AnswerView

    @property
    def title(self) -> str:
        return f"Answer to {self.answer.item}"


@dataclass(frozen=True, kw_only=True)
class NoTranscriptsPage(_AboutRun):
    """In place of the answers, for a reader without the scope `transcripts`."""

    template = "no_transcripts"

    @property
    def title(self) -> str:
        return f"Answers of run {self.run}"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
