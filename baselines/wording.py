"""How much of an answer is the wording: paraphrase, counterbalanced form, or the model itself. Pure.

arXiv 2602.14777 names sensitivity to wording as a limit of self-assessment; here it is measured in every run that asks
enough. A cell's scores are taken apart into the paraphrase (random effect), the form (which word stands first, which
end of the scale is aligned, which word the statement claims, which language means which pole), and the rest. A habit,
such as agreeing with whatever is claimed, shows as a difference between the forms that no content explains.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from probes.loading import load
from probes.types import Answer, Cell, Item

MIN_ANSWERS = 40
"""With fewer scored answers in a cell, nothing is told."""
MIN_PARAPHRASES = 3
MIN_WITHIN = 20
"""So many degrees of freedom within items make a usable estimate of the rest."""
INCONSISTENT_FROM = 0.25
"""A habit that moves the score by this much decides more than the content does: it can be 0.5 at most."""
LEVEL = 0.95

UP = {"ma": +1, "am": -1, "up": +1, "down": -1, "claims-m": +1, "claims-a": -1}
"""For each form, whether the habit named below pushes the score up or down."""
HABITS = {
    "decision": "order",
    "scenario": "order",
    "numerical": "high_number",
    "likert": "acquiescence",
    "language": "language",
}


@dataclass(frozen=True, kw_only=True)
class Component:
    """An estimate with its 95 % interval: a variance in squared score units, or a difference in score units."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Wording:
    """One cell of closed questions. Variances: `paraphrase` (with its interplay with the form), `form`, `residual`.

    `bias`: how far the habit moves the score, from -0.5 to +0.5; 0 is none. `habit`: `order` (for the option named
    first; negative for the last), `high_number`, `acquiescence` (agrees with both polarities), or `language` (for the
    one whose code comes first in the alphabet). `inconsistent`: the bias surely exceeds INCONSISTENT_FROM. `residual`
    is None where scores are expected ones: they do not vary.
    """

    cell: Cell
    n: int
    paraphrases: int
    habit: str
    bias: Component
    form: Component
    paraphrase: Component
    residual: Component | None
    inconsistent: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class _Row:
    """The scores of one paraphrase in the forms of one sign."""

    scores: Sequence[float]

    @property
    def mean(self) -> float:
        return fmean(self.scores)


def wording(answers: Iterable[Answer], items: Mapping[str, Item]) -> tuple[Wording, ...]:
    """Every cell that was asked enough, in both kinds of forms and at least MIN_PARAPHRASES wordings; sorted by cell.

    Answers without a score, to unknown items, or to items without a counterbalanced form are left out.
    """
    cells: dict[Cell, list[Answer]] = {}
    for answer in answers:
        if answer.score is not None and answer.item_id in items and _sign(items[answer.item_id]) is not None:
            cells.setdefault(answer.cell, []).append(answer)
    found = (_cell(cell, cells[cell], items) for cell in sorted(cells))
    return tuple(one for one in found if one is not None)


def _sign(item: Item) -> int | None:
    """Whether the item's form lets the habit of its method push the score up (+1) or down (-1)."""
    if item.method == "language" and "-" in item.polarity:
        aligned = item.polarity.split("-")[0]
        return -1 if aligned == min(item.scoring.values) else +1  # type: ignore[union-attr]
    return UP.get(item.polarity)


def _cell(cell: Cell, answers: Sequence[Answer], items: Mapping[str, Item]) -> Wording | None:
    scores: dict[tuple[str, int], list[float]] = {}
    for answer in answers:
        item = items[answer.item_id]
        key = (item.paraphrase, _sign(item) or 0)
        scores.setdefault(key, []).extend([answer.score or 0.0] * (1 + answer.saved))
    both = sorted({p for p, sign in scores if (p, -sign) in scores})
    n = sum(len(scores[p, sign]) for p in both for sign in (+1, -1))
    if n < MIN_ANSWERS or len(both) < MIN_PARAPHRASES:
        return None
    pairs = [(_Row(scores=scores[p, +1]), _Row(scores=scores[p, -1])) for p in both]
    told = sum(getattr(a.outcome, "scorer", "").startswith("logprobs") for a in answers)
    bias = _bias([(up.mean - down.mean) / 2 for up, down in pairs])
    rest, rest_df = _rest(pairs)
    habit = HABITS.get(cell.method, "order")
    inconsistent = bias.low > INCONSISTENT_FROM or bias.high < -INCONSISTENT_FROM
    return Wording(
        cell=cell,
        n=n,
        paraphrases=len(both),
        habit=habit,
        bias=bias,
        form=_form(bias),
        paraphrase=_paraphrase(pairs, rest, rest_df, expected=told > len(answers) / 2),
        residual=_residual(rest, rest_df) if told <= len(answers) / 2 and rest_df >= MIN_WITHIN else None,
        inconsistent=inconsistent,
        text=_text(cell, habit, bias, inconsistent=inconsistent),
    )


def _bias(differences: Sequence[float]) -> Component:
    """A t interval over paraphrases, which are the clusters."""
    load("scipy.special")
    from scipy.special import stdtrit  # noqa: PLC0415 (late: the serving process starts without scipy)

    value, count = fmean(differences), len(differences)
    half = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * math.sqrt(variance(differences) / count)
    return Component(value=value, low=value - half, high=value + half)


def _form(bias: Component) -> Component:
    """The variance of two forms that stand `bias` above and below their middle."""
    ends = sorted((abs(bias.low), abs(bias.high)))
    low = 0.0 if bias.low <= 0 <= bias.high else ends[0] ** 2
    return Component(value=bias.value**2, low=low, high=ends[1] ** 2)


def _rest(pairs: Sequence[tuple[_Row, _Row]]) -> tuple[float, int]:
    """The pooled variance of answers to the same paraphrase in the same kind of form, and its degrees of freedom."""
    rows = [row.scores for pair in pairs for row in pair]
    df = sum(len(scores) - 1 for scores in rows)
    squares = sum(variance(scores) * (len(scores) - 1) for scores in rows if len(scores) > 1)
    return (squares / df if df else 0.0), df


def _paraphrase(pairs: Sequence[tuple[_Row, _Row]], rest: float, rest_df: int, *, expected: bool) -> Component:
    """Variance between paraphrases beyond what answers explain; interval after Tukey and Williams.

    What answers explain is told by their variance within items; without repeats, or with expected scores, by how the
    two kinds of form of one paraphrase differ.
    """
    load("scipy.special")
    from scipy.special import chdtri, fdtri  # noqa: PLC0415 (late: the serving process starts without scipy)

    count = len(pairs)
    between = variance([(up.mean + down.mean) / 2 for up, down in pairs])
    if expected or rest_df < MIN_WITHIN:
        error, error_df = variance([(up.mean - down.mean) / 2 for up, down in pairs]), count - 1
    else:
        shares = [(1 / len(up.scores) + 1 / len(down.scores)) / 4 for up, down in pairs]
        error, error_df = rest * fmean(shares), rest_df
    tail = (1 - LEVEL) / 2
    # chdtri takes the upper tail, fdtri the lower one
    low = (count - 1) * (between - fdtri(count - 1, error_df, 1 - tail) * error) / chdtri(count - 1, tail)
    high = (count - 1) * (between - fdtri(count - 1, error_df, tail) * error) / chdtri(count - 1, 1 - tail)
    return Component(value=max(0.0, between - error), low=max(0.0, float(low)), high=max(0.0, float(high)))


def _residual(rest: float, df: int) -> Component:
    load("scipy.special")
    from scipy.special import chdtri  # noqa: PLC0415 (late: the serving process starts without scipy)

    tail = (1 - LEVEL) / 2
    return Component(value=rest, low=float(df * rest / chdtri(df, tail)), high=float(df * rest / chdtri(df, 1 - tail)))


LEANS = {
    "order": ("chooses what is named first", "chooses what is named last"),
    "high_number": ("gives high numbers, whichever end is aligned", "gives low numbers, whichever end is aligned"),
    "acquiescence": ("agrees with both polarities", "disagrees with both polarities"),
    "language": ("keeps to one language, whatever it means", "keeps to one language, whatever it means"),
}


def _text(cell: Cell, habit: str, bias: Component, *, inconsistent: bool) -> str:
    """For a person: what the habit does to the score."""
    words = " and ".join(cell.dimension.split("_", 1)) if "_" in cell.dimension else cell.dimension or cell.probe
    figures = f"the form moves the score by {abs(bias.value):.2f} ({_ends(bias)})"
    if bias.low <= 0 <= bias.high:
        return f"{words}: no habit is seen ({figures})"
    lean = LEANS[habit][0 if bias.value > 0 else 1]
    verdict = ", more than the content does" if inconsistent else ""
    return f"{words}: {lean}: {figures}{verdict}"


def _ends(bias: Component) -> str:
    low, high = (
        sorted((abs(bias.low), abs(bias.high))) if bias.low * bias.high > 0 else (0.0, max(-bias.low, bias.high))
    )
    return f"95 % interval {low:.2f} to {high:.2f}"
