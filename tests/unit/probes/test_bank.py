"""Item banks as files: what is wrong is named, and nothing changes unseen."""

from dataclasses import replace
from pathlib import Path

import pytest

from probes import bank, registry
from probes.types import ChoiceScoring, Item

ITEM = Item(id="a", probe="p", messages=bank.user("Say yes or no."), scoring=ChoiceScoring(values={"yes": 0, "no": 1}))


@pytest.mark.parametrize(
    ("text", "said"),
    [("- a", "version"), ("version: 1", "version"), ("version: '1'\n a: [", "cannot be read"), ("", "version")],
)
def test_a_bad_file_is_named_with_its_field(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bank.yaml"
    path.write_text(text)
    with pytest.raises(bank.BankError, match=said) as caught:
        bank.read(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(bank.BankError, match="nowhere"):
        bank.read(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("value", [None, {}, [], "text"])
def test_a_missing_field_is_named(value: object) -> None:
    with pytest.raises(bank.BankError, match="dimensions: must be a non-empty dict"):
        bank.field(Path("bank.yaml"), {"dimensions": value}, "dimensions", dict)


def test_an_id_or_a_text_may_occur_once() -> None:
    with pytest.raises(bank.BankError, match="id 'a' occurs twice"):
        bank.build(Path("b"), "p", "1", [ITEM, replace(ITEM, messages=bank.user("Other"))])
    with pytest.raises(bank.BankError, match="text"):
        bank.build(Path("b"), "p", "1", [ITEM, replace(ITEM, id="b")])


@pytest.mark.parametrize(
    "change",
    [{"id": "b"}, {"messages": bank.user("Say no or yes.")}, {"scoring": ChoiceScoring(values={"yes": 1, "no": 0})}],
)
def test_the_hash_changes_with_all_that_is_asked_or_scored(change: dict[str, object]) -> None:
    assert bank.content_hash([ITEM]) == bank.content_hash([replace(ITEM)])
    assert bank.content_hash([ITEM]) != bank.content_hash([replace(ITEM, **change)])  # type: ignore[arg-type]


def test_an_unknown_probe_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="harm, intentions, moral_self_assessment, self_assessment"):
        registry.probe("astrology")
