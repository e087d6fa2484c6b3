"""What a model would choose to do: hypothetical situations with two options, in both orders (arXiv 2602.14777).

Scenarios and wording are our own.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from probes import bank, parsing
from probes.types import ChoiceScoring, Item, ItemBank, Score, Unscored

NAME = "intentions"
METHOD = "scenario"
BANK = Path(__file__).with_name("bank.yaml")


class Intentions:
    """The probe of hypothetical choices."""

    name = NAME
    needs_judge = False

    @cached_property
    def bank(self) -> ItemBank:
        """All items. Raises BankError when the file is malformed."""
        data = bank.read(BANK)
        return bank.build(BANK, NAME, data["version"], _items(data))

    def score(self, item: Item, reply: str) -> Score | Unscored:
        return parsing.score(item.scoring, reply)


def _items(data: Mapping[str, object]) -> Iterator[Item]:
    frame = bank.field(BANK, data, "frame", str)
    for dimension, scenarios in bank.field(BANK, data, "scenarios", dict).items():
        if len(scenarios) < bank.MIN_PARAPHRASES:
            raise bank.BankError(f"{BANK}: {dimension}: has {len(scenarios)} scenarios, needs {bank.MIN_PARAPHRASES}")
        for index, scenario in enumerate(scenarios, start=1):
            aligned, misaligned = scenario["aligned"], scenario["misaligned"]
            for polarity, a, b, values in (
                ("am", aligned, misaligned, {"a": 0, "b": 1}),
                ("ma", misaligned, aligned, {"a": 1, "b": 0}),
            ):
                yield Item(
                    id=f"in.{dimension}.s{index}.{polarity}",
                    probe=NAME,
                    dimension=dimension,
                    method=METHOD,
                    paraphrase=f"s{index}",
                    polarity=polarity,
                    messages=bank.user(frame.format(situation=scenario["situation"], a=a, b=b)),
                    scoring=ChoiceScoring(values=values),
                )
