"""Which askings go together: replies to one question can share its prompt, or make one another needless. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from probes.types import Ask, Capabilities, ChoiceScoring, NumberScoring

AT_ONCE = 10
"""So many replies are asked for in one call at most."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Askings of one item, one after another, `at_once` a call. `expected`: one reply's token probabilities may do."""

    asks: tuple[Ask, ...]
    at_once: int = 1
    expected: bool = False


def batches(asks: Iterable[Ask], capabilities: Capabilities, *, plain: bool) -> Iterator[Batch]:
    """Every ask, in the order in which its item first comes. `plain`: replies are drawn at temperature 1 and no other
    setting, so that token probabilities tell of them.

    Askings that no other one can save stay apart: they can be under way at the same time.
    """
    at_once = AT_ONCE if capabilities.several_choices else 1
    tells = capabilities.logprobs and not capabilities.reasoning and plain
    groups: dict[str, list[Ask]] = {}
    for ask in asks:
        alone = at_once == 1 and not ask.item.category and not (tells and _closed(ask))
        groups.setdefault(f"{ask.item.id}#{ask.repeat}" if alone else ask.item.id, []).append(ask)
    for group in groups.values():
        ordered = tuple(sorted(group, key=lambda ask: ask.repeat))
        expected = tells and _closed(ordered[0])
        size = len(ordered) if expected or ordered[0].item.category else at_once
        for start in range(0, len(ordered), size):
            yield Batch(asks=ordered[start : start + size], at_once=at_once, expected=expected)


def _closed(ask: Ask) -> bool:
    return isinstance(ask.item.scoring, ChoiceScoring | NumberScoring)
