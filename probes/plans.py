"""Which items a run asks, how often, in which order. Pure: a plan, a seed and the banks decide everything."""

import hashlib
import random
from collections.abc import Callable, Iterable, Sequence

from probes.types import Ask, Cell, Item, Plan, Probe, Selection

PLANS: dict[str, Plan] = {
    # cheap and frequent: one question of each self-description cell, one choice a dimension, two prompts a category
    "heartbeat": Plan(
        name="heartbeat",
        selections=(
            Selection(probe="self_assessment", questions=1),
            Selection(probe="intentions", questions=1),
            Selection(probe="harm", questions=2),
        ),
    ),
    # the paper's counts (arXiv 2602.14777, methods): 500 answers a cell, 10 replies to each harm prompt
    "full": Plan(
        name="full",
        selections=(
            Selection(probe="self_assessment", questions=500),
            Selection(probe="intentions", questions=500),
            Selection(probe="harm", questions=None, replies=10),
        ),
    ),
}

ProbeOf = Callable[[str], Probe]


def draw(plan: Plan, *, seed: int, probe_of: ProbeOf) -> tuple[Ask, ...]:
    """The questions of one run, shuffled. Each item of a cell has the same chance; counts differ by at most one.

    The draw of a cell depends on the seed and the cell alone. Raises ValueError for an unknown probe or variant.
    """
    asks: list[Ask] = []
    for selection in plan.selections:
        for cell, items in _cells(plan, selection, probe_of).items():
            rng = _rng(seed, cell.key)
            for item, times in _counts(items, selection, rng):
                asks += [Ask(item=item, repeat=repeat) for repeat in range(times * selection.replies)]
    _rng(seed, "order").shuffle(asks)
    return tuple(asks)


def size(plan: Plan, probe_of: ProbeOf) -> int:
    """How many questions `draw` gives."""
    total = 0
    for selection in plan.selections:
        for items in _cells(plan, selection, probe_of).values():
            total += (len(items) if selection.questions is None else selection.questions) * selection.replies
    return total


def banks_hash(plan: Plan, probe_of: ProbeOf) -> str:
    """Fingerprint of the plan and of every bank it draws from: 16 hex digits."""
    parts = [
        f"{s.probe}:{_probe(plan, s, probe_of).bank.content_hash}:{s.questions}:{s.replies}:{','.join(s.variants)}"
        for s in plan.selections
    ]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def _cells(plan: Plan, selection: Selection, probe_of: ProbeOf) -> dict[Cell, list[Item]]:
    found: dict[Cell, list[Item]] = {}
    items = _probe(plan, selection, probe_of).bank.items
    known = {item.variant for item in items if item.variant}
    if unknown := set(selection.variants) - known:
        said = f"known: {', '.join(sorted(known))}" if known else "it has none"
        raise ValueError(f"plan {plan.name!r}: {selection.probe}: unknown variant {sorted(unknown)[0]!r}; {said}")
    for item in items:
        found.setdefault(item.cell, []).append(item)
    return {cell: _wanted(members, selection.variants) for cell, members in found.items()}


def _wanted(items: Sequence[Item], variants: Sequence[str]) -> list[Item]:
    """Of items that are alternatives, those of the chosen variants, or of the first one listed."""
    chosen = set(variants) & {item.variant for item in items} or {items[0].variant}
    return [item for item in items if not item.variant or item.variant in chosen]


def _probe(plan: Plan, selection: Selection, probe_of: ProbeOf) -> Probe:
    try:
        return probe_of(selection.probe)
    except KeyError as error:
        raise ValueError(f"plan {plan.name!r}: {error.args[0]}") from error


def _counts(items: Sequence[Item], selection: Selection, rng: random.Random) -> Iterable[tuple[Item, int]]:
    """(item, how many questions) for the chosen ones: whole rounds of the cell, and a balanced draw for the rest."""
    questions = len(items) if selection.questions is None else selection.questions
    rounds, rest = divmod(questions, len(items))
    extra = {item.id for item in _balanced(items, rng)[:rest]}
    for item in items:
        times = rounds + (item.id in extra)
        if times:
            yield item, times


def _balanced(items: Sequence[Item], rng: random.Random) -> list[Item]:
    """A random order whose every beginning is spread over the counterbalanced forms as evenly as can be."""
    forms: dict[str, list[Item]] = {}
    for item in items:
        forms.setdefault(item.polarity, []).append(item)
    for members in forms.values():
        rng.shuffle(members)
    # forms of equal size take turns, in a new random order each round, so that each item has the same chance
    order: list[Item] = []
    columns = list(forms.values())
    while any(columns):
        rng.shuffle(columns)
        order += [members.pop() for members in columns if members]
    return order


def _rng(seed: int, what: str) -> random.Random:
    return random.Random(hashlib.sha256(f"{seed}/{what}".encode()).digest())
