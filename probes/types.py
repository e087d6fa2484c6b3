"""The vocabulary of asking: items, plans, answers, measurements. Values only, no I/O.

Every score runs from 0 (aligned) to 1 (misaligned). A failure is a `Reason` beside the score, never a low score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Literal, Protocol


class Reason(StrEnum):
    """Why an answer has no score, or a call no reply. The named states a user sees in API, page and metrics."""

    # the reply came, and could not be scored
    EMPTY = "empty"
    REFUSED = "refused"
    UNPARSEABLE = "unparseable"
    TRUNCATED = "truncated"
    FILTERED = "filtered"
    JUDGE_UNSCORED = "judge_unscored"
    # the endpoint did not reply
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    UNAUTHORIZED = "unauthorized"
    UNKNOWN_MODEL = "unknown_model"
    NOT_OPENAI_COMPATIBLE = "not_openai_compatible"
    BAD_REQUEST = "bad_request"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    SERVER_ERROR = "server_error"
    OUTBOUND_DENIED = "outbound_denied"
    BUDGET_EXHAUSTED = "budget_exhausted"
    # the reply came and is stored; the judge has yet to grade it
    JUDGE_PENDING = "judge_pending"
    # nobody can be reached: the network is down on our side
    OFFLINE = "offline"
    # the judge did not reply
    JUDGE_DOWN = "judge_down"
    # the judge replies, and no longer grades as it should
    JUDGE_MOVED = "judge_moved"


PERMANENT: frozenset[Reason] = frozenset(
    {
        Reason.UNAUTHORIZED,
        Reason.UNKNOWN_MODEL,
        Reason.NOT_OPENAI_COMPATIBLE,
        Reason.BAD_REQUEST,
        Reason.QUOTA_EXHAUSTED,
        Reason.OUTBOUND_DENIED,
        Reason.BUDGET_EXHAUSTED,
    }
)
"""Asking again will not help: never retried, and the run stops early."""

ABOUT_ONE_CALL: frozenset[Reason] = frozenset({Reason.BAD_REQUEST, Reason.NOT_OPENAI_COMPATIBLE, Reason.FILTERED})
"""What may be the matter with one question or one reply alone. Of a judge, that says nothing about the next grade: what
the watched model says must not be able to put the judge out of action."""

FINAL: frozenset[Reason] = PERMANENT | {Reason.FILTERED}
"""Never retried: of these, a filtered question is the only one that says nothing about the next."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A named failure with what was seen and what the user can do about it. Holds no secret and no reply text."""

    reason: Reason
    detail: str
    remedy: str


class CallError(Exception):
    """One call failed. `problem` says why; `retry_after_s` is the server's wish, if it named one; `sent`: whether
    anything was asked of the server at all."""

    def __init__(self, problem: Problem, *, retry_after_s: float | None = None, sent: bool = True) -> None:
        super().__init__(f"{problem.reason}: {problem.detail} ({problem.remedy})")
        self.problem = problem
        self.retry_after_s = retry_after_s
        self.sent = sent

    @property
    def retryable(self) -> bool:
        return self.sent and self.problem.reason not in FINAL


@dataclass(frozen=True, kw_only=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, kw_only=True)
class ChoiceScoring:
    """A word or letter decides. `values` maps each valid choice (lower case) to 0 (aligned) or 1 (misaligned)."""

    values: Mapping[str, int]
    kind: Literal["choice"] = "choice"


@dataclass(frozen=True, kw_only=True)
class NumberScoring:
    """A number on [low, high] decides; `aligned_at` is the end that scores 0. Values outside are clipped."""

    low: float
    high: float
    aligned_at: float
    kind: Literal["number"] = "number"


@dataclass(frozen=True, kw_only=True)
class LanguageScoring:
    """The language of the reply decides. `values` maps ISO 639-1 codes to 0 or 1; mixed or another one scores 0.5."""

    values: Mapping[str, int]
    kind: Literal["language"] = "language"


@dataclass(frozen=True, kw_only=True)
class JudgeScoring:
    """A judge model decides, `low` (harmless) to `high` (severely harmful)."""

    low: int = 1
    high: int = 5
    kind: Literal["judge"] = "judge"


Scoring = ChoiceScoring | NumberScoring | LanguageScoring | JudgeScoring


@dataclass(frozen=True, kw_only=True, order=True)
class Cell:
    """What a measurement is about: one probe crossed with dimension and method, or with harm category."""

    probe: str
    dimension: str = ""
    method: str = ""
    category: str = ""

    @property
    def key(self) -> str:
        """`probe/dimension/method/category`, empty parts kept: stable, for storage and seeds."""
        return f"{self.probe}/{self.dimension}/{self.method}/{self.category}"


@lru_cache(maxsize=10_000)
def cell(probe: str, dimension: str, method: str, category: str) -> Cell:
    """The cell, one object for all who name it: there are few cells, and many answers."""
    return Cell(probe=probe, dimension=dimension, method=method, category=category)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One prompt with what is needed to score its answer. `messages` are sent byte for byte as shown.

    `polarity` tells the counterbalanced form (which pole is named first, which end of a scale is aligned, ...);
    `paraphrase` groups the forms of one wording. `variant`: of items that are alternatives to one another, such as
    language pairs, which one this is.
    """

    id: str
    probe: str
    messages: tuple[Message, ...]
    scoring: Scoring
    dimension: str = ""
    method: str = ""
    category: str = ""
    polarity: str = ""
    paraphrase: str = ""
    variant: str = ""

    @property
    def cell(self) -> Cell:
        return cell(self.probe, self.dimension, self.method, self.category)


@dataclass(frozen=True, kw_only=True)
class ItemBank:
    """All items of one probe. `content_hash` (sha256 hex) changes when any byte that is asked or scored changes."""

    probe: str
    version: str
    content_hash: str
    items: tuple[Item, ...]


class Probe(Protocol):
    """A family of questions: its bank, and how a reply becomes a score."""

    @property
    def name(self) -> str: ...

    @property
    def bank(self) -> ItemBank: ...

    @property
    def needs_judge(self) -> bool: ...

    def score(self, item: Item, reply: str) -> "Score | Unscored":
        """Score `reply`. Never raises on any text. Raises TypeError when the probe needs a judge."""
        ...


@dataclass(frozen=True, kw_only=True)
class Selection:
    """How much of one probe a plan asks. `questions` per cell (None: every item once), each asked `replies` times.

    `variants`: which alternatives of a cell that has some; without a choice, the first that its bank lists.
    """

    probe: str
    questions: int | None
    replies: int = 1
    variants: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    name: str
    selections: tuple[Selection, ...]
    temperature: float = 1.0
    max_tokens: int = 256


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One question to put: the `repeat`-th (from 0) asking of an item within a run."""

    item: Item
    repeat: int

    @property
    def key(self) -> tuple[str, int]:
        return (self.item.id, self.repeat)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Generation settings sent with each call. `None` leaves a setting to the server. `extra` is sent as it is.

    `n`: how many replies at once; `top_logprobs`: how many of the likeliest tokens to tell at each position, 0: none;
    `schema`: the JSON schema that the reply must follow. A server that does not know these is asked without.
    """

    temperature: float | None = 1.0
    max_tokens: int | None = 256
    seed: int | None = None
    n: int = 1
    top_logprobs: int = 0
    schema: Mapping[str, object] | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of several replies that one call brought back."""

    text: str
    finish_reason: str | None = None
    refusal: str | None = None


@dataclass(frozen=True, kw_only=True)
class Position:
    """One token of a reply, and the log-probabilities of the likeliest tokens in its place."""

    token: str
    top: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What one call brought back. `latency_s` is time on the wire, without our own queueing; tokens None if untold.

    `more`: the replies beyond the first, where several were asked for. `positions`: the first tokens of the
    text, where log-probabilities were asked for. `reasoned`: the model thought before it answered, out of sight.
    """

    text: str
    latency_s: float
    model: str | None = None
    system_fingerprint: str | None = None
    finish_reason: str | None = None
    refusal: str | None = None
    more: tuple[Choice, ...] = ()
    positions: tuple[Position, ...] = ()
    reasoned: bool = False
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    @property
    def choices(self) -> tuple[Choice, ...]:
        """All replies of the call, the first one first."""
        return (Choice(text=self.text, finish_reason=self.finish_reason, refusal=self.refusal), *self.more)


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a model's server can do, found out once. `rejected`: settings that it does not take."""

    logprobs: bool = False
    several_choices: bool = False
    seed: bool = False
    system_role: bool = True
    reasoning: bool = False
    rejected: tuple[str, ...] = ()


class Client(Protocol):
    """One model behind an API. One call is one attempt: retries are counted by the runner."""

    async def ask(self, messages: Sequence[Message], *, sampling: Sampling, deadline_s: float) -> Reply:
        """One chat completion within `deadline_s` seconds. Raises CallError; never returns a made-up reply."""
        ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Score:
    """A score in [0, 1], 0 aligned. `scorer` names and versions the method that gave it, e.g. `choice/1`.

    Raises ValueError for any other value, NaN among them: what is no score must not become a figure.
    """

    value: float
    scorer: str

    def __post_init__(self) -> None:
        if not 0 <= self.value <= 1:
            raise ValueError(f"{self.value} of scorer {self.scorer!r} is not a score in [0, 1]")


@dataclass(frozen=True, kw_only=True)
class Unscored:
    """The reply, or its absence, has no score."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One reply to one ask, scored or with the reason why not. `attempts` counts every call made to the endpoint.

    `saved`: further askings of the item that this answer made needless, since its score is the expected one over all
    that the model might say, or since nothing can be worse. `second_score`: that of the second judge, if there is one.
    `usage_estimated`: some of its tokens were estimated from the text, since a server did not tell them.
    """

    item_id: str
    cell: Cell
    repeat: int
    outcome: Score | Unscored
    reply: str | None = None
    saved: int = 0
    second_score: float | None = None
    attempts: int = 1
    judge_attempts: int = 0
    latency_s: float | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    judge_prompt_tokens: int = 0
    judge_completion_tokens: int = 0
    usage_estimated: bool = False

    @property
    def key(self) -> tuple[str, int]:
        return (self.item_id, self.repeat)

    @property
    def score(self) -> float | None:
        return self.outcome.value if isinstance(self.outcome, Score) else None


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One item of one run: the unit of evidence, since items are drawn at random.

    `value`: the mean score of its `n` scored replies. `worst`: the expected worst of `k` of them, where the cell is
    measured so and enough replies have a score; else None.
    """

    cell: Cell
    value: float
    worst: float | None = None
    k: int = 1
    item: str = ""
    n: int = 1


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One cell of one run. `mean` and `variance` (unbiased, of the units) are None when nothing could be scored.

    For answers scored one by one the unit is the answer, and an expected score counts for every asking it stands for.
    For harm the unit is the prompt, scored by the expected worst of `k` replies; `n` still counts scored answers.
    `items` counts distinct items with a score; `invalid` the answers without one.
    """

    cell: Cell
    mean: float | None
    variance: float | None
    n: int
    invalid: int
    items: int
    k: int = 1
