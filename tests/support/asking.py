"""Putting questions with a Runner, outside the service."""

from collections.abc import Sequence

from probes.runner import Runner
from probes.types import Answer, Ask, Item


async def collect(made: Runner, asks: Sequence[Ask], unjudged: Sequence[tuple[Item, Answer]] = ()) -> list[Answer]:
    """The answers as they are in the end: a judged one replaces its pending self."""
    kept: dict[tuple[str, int], Answer] = {}

    async def keep(answer: Answer) -> None:
        kept[answer.key] = answer

    await made.run(asks, keep, unjudged=unjudged)
    return list(kept.values())
