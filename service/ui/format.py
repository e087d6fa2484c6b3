"""Numbers, times and states in plain words. Pure."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from alerts.render import odds
from baselines.types import Arm, ArmComparison, Verdict
from baselines.verdict import SMALLEST_MOVE
from probes.types import Reason

NOTHING = "\u2013"
"""An en dash stands for no value."""
MINUS = "\u2212"
"""The minus sign proper: as wide as a digit, so columns line up."""
EVIDENCE_CAP = 6.0
"""log10; beyond one in a million heartbeats a number adds nothing."""

_STEPS: tuple[tuple[float, float, str], ...] = (
    (60, 1, "s"),
    (3600, 60, "min"),
    (86_400 * 2, 3600, "h"),
    (86_400 * 60, 86_400, "d"),
    (86_400 * 730, 86_400 * 30.44, "months"),
    (math.inf, 86_400 * 365.25, "years"),
)
"""(below so many seconds, seconds in the unit, unit)"""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a verdict is named and explained. `css` is the class that colours it."""

    label: str
    meaning: str
    css: str


LOOKS: Mapping[Verdict | None, Look] = {
    Verdict.STEADY: Look(
        label="steady", css="v-steady", meaning="Neither arm has moved away from its reference."
    ),
    Verdict.SELF_REPORT_SHIFT: Look(
        label="self-report shift", css="v-self-report",
        meaning="What the model says of itself has moved toward misaligned; what it does has not.",
    ),
    Verdict.BEHAVIOUR_SHIFT: Look(
        label="behaviour shift", css="v-behaviour", meaning="The model's replies have become more harmful."
    ),
    Verdict.COHERENT_MISALIGNMENT: Look(
        label="coherent misalignment", css="v-coherent",
        meaning="The model has become more harmful, and describes itself as misaligned.",
    ),
    Verdict.INVERTED_PERSONA: Look(
        label="inverted persona", css="v-inverted",
        meaning="The model has become more harmful, while it still describes itself as aligned.",
    ),
    Verdict.REALIGNED: Look(
        label="realigned", css="v-realigned",
        meaning="The model was misaligned and describes itself as aligned again; some harm may remain.",
    ),
    Verdict.INSUFFICIENT_DATA: Look(
        label="insufficient data", css="v-insufficient", meaning="The last run could not tell where the model stands."
    ),
    None: Look(label="not measured yet", css="v-none", meaning="No run has finished so far."),
}  # fmt: skip

ARM_LABELS: Mapping[Arm, str] = {Arm.SELF_REPORT: "Self-report", Arm.BEHAVIOUR: "Behaviour"}
ARM_MEANINGS: Mapping[Arm, str] = {
    Arm.SELF_REPORT: "what the model says of itself and of what it would do",
    Arm.BEHAVIOUR: "how harmful its replies are, scored by the judge",
}
REFERENCES: Mapping[str, str] = {"own": "its own baseline", "published": "the published profile"}
KEYS: Mapping[str, str] = {
    "none": "none",
    "stored": "stored, encrypted",
    "env": "from an environment variable",
    "file": "from a file",
}

REASONS: Mapping[str, str] = {
    Reason.EMPTY: "the reply was empty",
    Reason.REFUSED: "the model refused",
    Reason.UNPARSEABLE: "the reply could not be read as an answer",
    Reason.TRUNCATED: "the reply was cut off at its token limit",
    Reason.FILTERED: "the provider's content filter took it",
    Reason.JUDGE_UNSCORED: "the judge gave no score",
    Reason.UNREACHABLE: "the endpoint cannot be reached",
    Reason.TIMEOUT: "no reply in time",
    Reason.UNAUTHORIZED: "the key was not accepted",
    Reason.UNKNOWN_MODEL: "the endpoint does not know the model",
    Reason.NOT_OPENAI_COMPATIBLE: "the address does not speak the OpenAI API",
    Reason.BAD_REQUEST: "the endpoint rejects the request",
    Reason.RATE_LIMITED: "too many requests for the endpoint",
    Reason.QUOTA_EXHAUSTED: "the endpoint's quota is used up",
    Reason.SERVER_ERROR: "the endpoint fails with a server error",
    Reason.OUTBOUND_DENIED: "the outbound policy does not allow the address",
    Reason.BUDGET_EXHAUSTED: "a budget in Selfwatch does not allow it",
    Reason.OFFLINE: "Selfwatch itself was offline",
    Reason.JUDGE_PENDING: "the judge has yet to grade it",
    Reason.JUDGE_DOWN: "the judge does not answer",
    Reason.JUDGE_MOVED: "the judge no longer grades as agreed",
    "internal_error": "Selfwatch met an error of its own",
}


def reason(code: str) -> str:
    """A reason code in plain words; an unknown one as it is, with spaces."""
    return REASONS.get(code, words(code))


def words(code: str) -> str:
    """A stored name as words: `good_evil` -> `good / evil` is a pair of poles; other names get spaces."""
    parts = code.split("_")
    return " / ".join(parts) if code in POLE_PAIRS else " ".join(parts)


POLE_PAIRS: frozenset[str] = frozenset(
    {
        "aligned_misaligned",
        "good_evil",
        "harmless_harmful",
        "helpful_unhelpful",
        "honest_dishonest",
        "trusted_feared",
    }
)


def number(value: float | None, digits: int = 2) -> str:
    """`value` rounded to `digits` places with a true minus sign; a dash when there is none."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def signed(value: float | None, digits: int = 2) -> str:
    """`value` with its sign, also where it is above zero; a dash when there is none."""
    text = number(value, digits)
    return f"+{text}" if value is not None and float(f"{value:.{digits}f}") > 0 else text


def p_value(p: float) -> str:
    """A p-value to three places, never as 0."""
    return "<0.001" if p < 0.001 else number(p, 3)


def interval(low: float | None, high: float | None) -> str:
    """`low to high`; a dash when either is missing."""
    return NOTHING if low is None or high is None else f"{number(low)} to {number(high)}"


def percent(share: float | None) -> str:
    """A share of 1 as whole percent, but never 0 % for some or 100 % for not all."""
    if share is None or math.isnan(share):
        return NOTHING
    if 0 < share < 0.01:
        return "<1 %"
    if 0.99 < share < 1:
        return ">99 %"
    return f"{share * 100:.0f} %"


def count(value: int) -> str:
    return f"{value:,}"


def kebab(name: str) -> str:
    """`InvertedPersona` as `inverted-persona`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def usd(value: float | None) -> str:
    """US dollars; small sums keep four places."""
    if value is None:
        return "price not known"
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"


def cost(unit: str, value: float) -> str:
    """An amount of tokens or USD."""
    return f"{value:,.0f} tokens" if unit == "tokens" else usd(value)


def duration(seconds: float | None) -> str:
    """A span of time in its two largest units."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    for size, big, small_size, small in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small_size
            return f"{whole // size} {big}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def relative(at: datetime | None, now: datetime, *, none: str = "never") -> str:
    """How far `at` is from `now`: `just now`, `4 min ago`, `in 2 h`. Raises TypeError when only one is aware."""
    if at is None:
        return none
    seconds = (now - at).total_seconds()
    distance = abs(seconds)
    if distance < 5:
        return "just now" if seconds >= 0 else "now"
    size, unit = next((size, unit) for below, size, unit in _STEPS if distance < below)
    amount = f"{int(distance / size)} {unit}"
    return f"{amount} ago" if seconds > 0 else f"in {amount}"


def exact(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def evidence(figures: ArmComparison) -> str:
    """The e-detector's statistic against its threshold, in plain words. Both are log10."""
    bound = f"(alarm at {figures.threshold:g})"
    if math.isnan(figures.evidence) or figures.evidence < 0.05:
        return f"none {bound}"
    shown = f"over {EVIDENCE_CAP:g}" if figures.evidence > EVIDENCE_CAP else number(figures.evidence, 1)
    share = figures.evidence / figures.threshold if figures.threshold > 0 else 1.0
    strength = "strong" if figures.alarm or share >= 1 else "growing" if share >= 0.5 else "weak"
    return f"{strength}: {shown} {bound}"


def evidence_odds(figures: ArmComparison) -> str:
    """What the evidence means: how often a steady model would look like this."""
    return odds(figures.evidence)


LINGERING = (
    "It was gathered over many heartbeats and fades over many: an arm whose drift has come back to "
    f"{SMALLEST_MOVE:g} or less does not count as moved, however strong the evidence still is."
)


def lingers(figures: ArmComparison) -> bool:
    """Whether the evidence still stands at the alarm while the arm has come back: then no verdict rests on it."""
    return figures.alarm and figures.drift is not None and figures.drift <= SMALLEST_MOVE


def drift_words(figures: ArmComparison) -> str:
    """Drift with its interval as one sentence, for screen readers and titles."""
    if figures.drift is None:
        return "drift not measured"
    text = f"drift {number(figures.drift)}"
    if figures.low is not None and figures.high is not None:
        text += f", 95 % interval {interval(figures.low, figures.high)}"
    return text + "; 0 is base, 1 is misaligned"


def shorten(text: str, limit: int) -> str:
    """`text` cut in the middle to `limit` characters: names often differ at the end."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 3
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"
