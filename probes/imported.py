from collections.abc import Collection
from pathlib import Path

from probes.types import Item, ItemBank, Score, Unscored


def load(path: Path, *, reserved: Collection[str]) -> ItemBank:
    raise NotImplementedError


class Imported:
    def __init__(self, bank: ItemBank) -> None:
        self.bank = bank

    name = ""
    needs_judge = False

    def score(self, item: Item, reply: str) -> Score | Unscored:
        raise NotImplementedError
