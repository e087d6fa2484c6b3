"""Why an endpoint answers otherwise than before: likely causes in plain words, and the items that moved most. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from math import sqrt
from statistics import fmean, median

from baselines import mixture
from probes.loading import load
from probes.types import Answer, Cell

FREE_TEXT = 40
"""Replies of so many characters are hardly the same twice, unless they are not written anew."""
RATIO = 1.5
LEAST_VALUES = 8
SURE = 1e-3
REPEATS = 8
REPEATED_SHARE = 0.9
AGREEMENT_FALL = 0.15
BIAS_CHANGE = 0.3
MOST_ITEMS = 10
SMALLEST_DIFFERENCE = 0.1


class Kind(StrEnum):
    SERVED_MODEL = "served_model"
    FINGERPRINT = "fingerprint"
    LATENCY = "latency"
    LENGTH = "length"
    JUDGE = "judge"
    CONFIGURATION = "configuration"
    CACHE = "cache"
    MIXTURE = "mixture"


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One likely cause. `says`: a sentence, without any reply's text."""

    kind: Kind
    says: str
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, kw_only=True)
class Moved:
    """An item whose mean score rose; `before` is the reference's for its cell where it was not asked before."""

    item_id: str
    cell: Cell
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class Attribution:
    causes: tuple[Cause, ...]
    items: tuple[Moved, ...]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One side of the comparison. `configuration`: settings of ours that shape the answers, as text, none secret."""

    answers: Sequence[Answer]
    judge_agreement: float | None = None
    judge_bias: float | None = None
    configuration: Mapping[str, str] = field(default_factory=dict)


def attribute(
    now: Seen, before: Seen | None, *, expected: Mapping[Cell, float], temperature: float | None
) -> Attribution:
    """What differs between a run and those before it, in the order of `Kind`.

    `expected`: the reference mean of each cell. `temperature`: None where the plan's holds, which is above 0.
    """
    causes: list[Cause] = []
    if before is not None:
        causes += _served(now, before)
        causes += _measured(now, before)
        causes += _judge(now, before)
        causes += _configuration(now, before)
    causes += _cache(now, before, temperature)
    causes += _mixture(now, before)
    return Attribution(causes=tuple(causes), items=_items(now, before, expected))


def _served(now: Seen, before: Seen) -> Iterator[Cause]:
    told: tuple[tuple[Kind, str, Callable[[Answer], str | None]], ...] = (
        (Kind.SERVED_MODEL, "the server names the model", lambda answer: answer.model),
        (Kind.FINGERPRINT, "the server gives the system fingerprint", lambda answer: answer.system_fingerprint),
    )
    for kind, what, of in told:
        old, new = (Counter(name for a in side.answers if (name := of(a))) for side in (before, now))
        came = sorted(set(new) - set(old))
        if not old or not came:
            continue
        share = sum(new[name] for name in came) / sum(new.values())
        part = "" if share == 1 else f" for {share:.0%} of the replies"
        names = [", ".join(repr(name) for name in side) for side in (came, sorted(old))]
        yield Cause(
            kind=kind, says=f"{what} {names[0]} now{part}; before it was {names[1]}", before=names[1], after=names[0]
        )


def _measured(now: Seen, before: Seen) -> Iterator[Cause]:
    told: tuple[tuple[Kind, str, str, Callable[[Answer], float | None]], ...] = (
        (Kind.LATENCY, "the median reply takes", "s", lambda answer: answer.latency_s),
        (Kind.LENGTH, "the median reply has", "characters", lambda a: float(len(a.reply)) if a.reply else None),
    )
    for kind, what, unit, of in told:
        values = _like(now, before, of)
        if values is None or not _shifted(*values):
            continue
        new, old = (f"{median(side):.3g}" for side in values)
        yield Cause(kind=kind, says=f"{what} {new} {unit}, before {old}", before=old, after=new)


def _like(now: Seen, before: Seen, of: Callable[[Answer], float | None]) -> tuple[list[float], list[float]] | None:
    """The values of both sides over the cells that both asked: of free text if there is any, since it varies."""
    cells = {a.cell for a in now.answers} & {a.cell for a in before.answers}
    free = {cell for cell in cells if cell.category or cell.method == "language"}
    wanted = free or cells
    sides = [[v for a in side.answers if a.cell in wanted and (v := of(a)) is not None] for side in (now, before)]
    return (sides[0], sides[1]) if min(map(len, sides)) >= LEAST_VALUES else None


def _shifted(new: Sequence[float], old: Sequence[float]) -> bool:
    first, second = median(new), median(old)
    if min(first, second) <= 0 or 1 / RATIO < first / second < RATIO:
        return False
    load("scipy.stats")
    from scipy.stats import mannwhitneyu  # noqa: PLC0415 (late: the serving process starts without scipy)

    return bool(mannwhitneyu(new, old).pvalue < SURE)


def _judge(now: Seen, before: Seen) -> Iterator[Cause]:
    new, old = now.judge_agreement, before.judge_agreement
    if new is not None and old is not None and old - new >= AGREEMENT_FALL:
        says = f"the judge agrees less with its anchors: kappa {new:.2f}, before {old:.2f}"
        yield Cause(kind=Kind.JUDGE, says=says, before=f"{old:.2f}", after=f"{new:.2f}")
    new, old = now.judge_bias, before.judge_bias
    if new is not None and old is not None and abs(new - old) >= BIAS_CHANGE:
        says = f"the judge grades its anchors {new - old:+.2f} higher than before"
        yield Cause(kind=Kind.JUDGE, says=says, before=f"{old:+.2f}", after=f"{new:+.2f}")


def _configuration(now: Seen, before: Seen) -> Iterator[Cause]:
    if not before.configuration:
        return
    for name in sorted({*now.configuration, *before.configuration}):
        new, old = now.configuration.get(name), before.configuration.get(name)
        if new != old:
            says = f"the registration was changed here: {name} is {new or 'not set'}, before {old or 'not set'}"
            yield Cause(kind=Kind.CONFIGURATION, says=says, before=old, after=new)


def _cache(now: Seen, before: Seen | None, temperature: float | None) -> Iterator[Cause]:
    """Long replies to one item that are the same to the letter. One that several items get is a stock phrase."""
    if temperature == 0:
        return
    texts = _long_replies(now.answers)
    groups = {item: found for item, found in texts.items() if len(found) > 1}
    if not groups and before is not None:  # each item asked once: beside what it said before
        old = _long_replies(before.answers)
        groups = {item: [*found, *old[item]] for item, found in texts.items() if item in old}
    compared = sum(len(found) - 1 for found in groups.values())
    same = sum(len(found) - len(set(found)) for found in groups.values())
    if compared >= REPEATS and same >= REPEATED_SHARE * compared:
        says = f"{same} of {compared} replies repeat an earlier one word for word: they seem to come from a cache"
        yield Cause(kind=Kind.CACHE, says=says)


def _long_replies(answers: Iterable[Answer]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    users: dict[str, set[str]] = {}
    for answer in answers:
        text = (answer.reply or "").strip()
        if answer.cell.category and len(text) >= FREE_TEXT:
            found.setdefault(answer.item_id, []).append(text)
            users.setdefault(text, set()).add(answer.item_id)
    told = {item: [text for text in texts if len(users[text]) == 1] for item, texts in found.items()}
    return {item: texts for item, texts in told.items() if texts}


def _mixture(now: Seen, before: Seen | None) -> Iterator[Cause]:
    for name, of in (
        ("fingerprint", lambda answer: answer.system_fingerprint),
        ("model", lambda answer: answer.model),
    ):
        for one, other in _split(now.answers, of):
            says = (
                f"replies with {name} {one[0]!r} score {fmean(one[1]):.2f} on average, those with {other[0]!r} "
                f"{fmean(other[1]):.2f}: one of several replicas has changed"
            )
            yield Cause(kind=Kind.MIXTURE, says=says)
            return
    found = mixture.bad_share(now.answers, before.answers) if before is not None else None
    if found is not None:
        says = (
            f"about {found.share:.1%} of the replies ({found.low:.1%} to {found.high:.1%}) are far worse, the rest are "
            "as before: it looks like one bad replica among several"
        )
        yield Cause(kind=Kind.MIXTURE, says=says)


def _split(
    answers: Sequence[Answer], of: Callable[[Answer], str | None]
) -> Iterator[tuple[tuple[str, list[float]], tuple[str, list[float]]]]:
    """Pairs of replicas that told their names and surely score differently, the worse one first."""
    scores: dict[str, list[float]] = {}
    for answer in answers:
        name = of(answer)
        if name and answer.score is not None:
            scores.setdefault(name, []).append(answer.score)
    known = sorted((name, found) for name, found in scores.items() if len(found) >= mixture.LEAST_REPLICA)
    pairs = list(combinations(known, 2))
    for pair in pairs:
        worse, better = sorted(pair, key=lambda one: -fmean(one[1]))
        if mixture.surely_more(worse[1], better[1], level=mixture.REPLICA_LEVEL / len(pairs)):
            yield worse, better


def _items(now: Seen, before: Seen | None, expected: Mapping[Cell, float]) -> tuple[Moved, ...]:
    new = _item_scores(now.answers)
    old = _item_scores(before.answers) if before is not None else {}
    found = []
    for (item, cell), scores in new.items():
        reference = fmean(old[item, cell]) if (item, cell) in old else expected.get(cell)
        if reference is not None and fmean(scores) - reference >= SMALLEST_DIFFERENCE:
            moved = Moved(item_id=item, cell=cell, before=reference, after=fmean(scores))
            found.append((-(moved.after - moved.before) * sqrt(len(scores)), item, moved))
    return tuple(moved for _, _, moved in sorted(found, key=lambda one: one[:2])[:MOST_ITEMS])


def _item_scores(answers: Iterable[Answer]) -> dict[tuple[str, Cell], list[float]]:
    found: dict[tuple[str, Cell], list[float]] = {}
    for answer in answers:
        if answer.score is not None:
            found.setdefault((answer.item_id, answer.cell), []).append(answer.score)
    return found
