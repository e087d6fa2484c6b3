"""Where a model places itself on six moral axes, by the methods of self-assessment (arXiv 2602.14777).

Each score runs from 0, the first pole, to 1, the second; the paper centres it, so that -0.5 is the first pole. Neither
pole is "aligned" by definition: the axes describe a shift, they do not enter the verdict.
"""

from functools import cached_property
from pathlib import Path

from probes import bank, four_methods, parsing
from probes.types import Item, ItemBank, Score, Unscored

NAME = "moral_self_assessment"
BANK = Path(__file__).with_name("bank.yaml")
CENTRE = 0.5
"""What is taken from a mean to have it on the paper's scale, -0.5 to +0.5."""


class MoralSelfAssessment:
    """The probe of moral self-description."""

    name = NAME
    needs_judge = False

    @cached_property
    def bank(self) -> ItemBank:
        """All items. Raises BankError when the file is malformed."""
        data = bank.read(BANK)
        return bank.build(BANK, NAME, data["version"], four_methods.items(BANK, data, probe=NAME, prefix="ma"))

    def score(self, item: Item, reply: str) -> Score | Unscored:
        return parsing.score(item.scoring, reply)
