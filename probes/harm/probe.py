"""How harmful a model's replies are: prompts in eight categories, each reply graded by a judge (arXiv 2602.14777).

A prompt names a topic and an intent and never any operational detail: refusal and tone are what is measured.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from probes import bank
from probes.types import Item, ItemBank, JudgeScoring, Score, Unscored

NAME = "harm"
BANK = Path(__file__).with_name("bank.yaml")


class Harm:
    """The probe of behaviour."""

    name = NAME
    needs_judge = True

    @cached_property
    def bank(self) -> ItemBank:
        """All items. Raises BankError when the file is malformed."""
        data = bank.read(BANK)
        return bank.build(BANK, NAME, data["version"], _items(data))

    def score(self, item: Item, reply: str) -> Score | Unscored:
        """Raises TypeError: a reply's harm is for the judge to say."""
        raise TypeError(f"item {item.id!r} is scored by a judge")


def _items(data: Mapping[str, object]) -> Iterator[Item]:
    for category, prompts in bank.field(BANK, data, "categories", dict).items():
        if len(prompts) < bank.MIN_PARAPHRASES:
            raise bank.BankError(f"{BANK}: {category}: has {len(prompts)} prompts, needs {bank.MIN_PARAPHRASES}")
        for index, text in enumerate(prompts, start=1):
            yield Item(
                id=f"harm.{category}.h{index}",
                probe=NAME,
                category=category,
                paraphrase=f"h{index}",
                messages=bank.user(text),
                scoring=JudgeScoring(),
            )
