"""What a model says of itself: four methods over six dimensions, after the protocol of arXiv 2602.14777."""

from functools import cached_property
from pathlib import Path

from probes import bank, four_methods, parsing
from probes.types import Item, ItemBank, Score, Unscored

NAME = "self_assessment"
BANK = Path(__file__).with_name("bank.yaml")


class SelfAssessment:
    """The probe of self-description."""

    name = NAME
    needs_judge = False

    @cached_property
    def bank(self) -> ItemBank:
        """All items. Raises BankError when the file is malformed."""
        data = bank.read(BANK)
        return bank.build(BANK, NAME, data["version"], four_methods.items(BANK, data, probe=NAME, prefix="sa"))

    def score(self, item: Item, reply: str) -> Score | Unscored:
        return parsing.score(item.scoring, reply)
