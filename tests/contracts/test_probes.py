"""What every registered probe keeps."""

from collections import Counter, defaultdict

import pytest

from baselines.profiles import table
from probes.clients.personas import SENTENCES
from probes.registry import PROBES, items_by_id, probe
from probes.types import Cell, ChoiceScoring, Item, JudgeScoring, LanguageScoring, NumberScoring, Score, Unscored

ODD = ["", " ", "\x00", "yes and no", "🙂" * 500, "{0}", "%s", "<b>", "a" * 30_000]


@pytest.fixture(params=sorted(PROBES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ideal(item: Item, value: int) -> str:
    """The reply that says exactly `value`."""
    match item.scoring:
        case ChoiceScoring(values=values):
            return next(word for word, worth in values.items() if worth == value)
        case NumberScoring(low=low, high=high, aligned_at=aligned):
            return f"{aligned if value == 0 else low + high - aligned:g}"
        case LanguageScoring(values=values):
            return SENTENCES[next(code for code, worth in values.items() if worth == value)][0]
    raise AssertionError(item)


def test_a_bank_is_complete_and_versioned(name: str) -> None:
    bank = probe(name).bank
    assert bank.probe == name
    assert bank.version
    assert len(bank.content_hash) == 64
    assert bank.items
    assert all(item.probe == name and item.messages and item.messages[-1].content.strip() for item in bank.items)


def test_ids_and_texts_are_unique_over_all_banks() -> None:
    items = items_by_id().values()
    assert len({item.messages for item in items}) == len(items)


def test_every_cell_has_at_least_five_wordings(name: str) -> None:
    wordings = defaultdict(set)
    for item in probe(name).bank.items:
        wordings[item.cell].add(item.paraphrase)
    assert {cell for cell, found in wordings.items() if len(found) < 5 and cell.method != "language"} == set()
    assert {cell for cell, found in wordings.items() if len(found) < 4} == set()


def test_no_braces_are_left_unfilled(name: str) -> None:
    for item in probe(name).bank.items:
        assert "{" not in item.messages[0].content, item.id


def test_the_ideal_replies_score_0_and_1(name: str) -> None:
    for item in probe(name).bank.items:
        if isinstance(item.scoring, JudgeScoring):
            continue
        for value in (0, 1):
            found = probe(name).score(item, ideal(item, value))
            assert isinstance(found, Score), (item.id, found)
            assert found.value == value, item.id


def test_no_reply_makes_it_raise(name: str) -> None:
    if probe(name).needs_judge:
        with pytest.raises(TypeError):
            probe(name).score(probe(name).bank.items[0], "x")
        return
    for item in probe(name).bank.items[::17]:
        for reply in ODD:
            assert isinstance(probe(name).score(item, reply), Score | Unscored)


def test_forms_are_counterbalanced(name: str) -> None:
    """In every cell each form is there equally often, and each pole has every position equally often."""
    forms: dict[Cell, Counter[object]] = defaultdict(Counter)
    positions: dict[Cell, Counter[object]] = defaultdict(Counter)
    for item in probe(name).bank.items:
        forms[item.cell][item.polarity] += 1
        match item.scoring:
            case ChoiceScoring(values=values) if name == "intentions":
                positions[item.cell][values["a"]] += 1
            case ChoiceScoring(values=values):
                text = item.messages[0].content.lower()
                first = min(values, key=text.index)
                positions[item.cell][values[first]] += 1
            case NumberScoring(aligned_at=end):
                positions[item.cell][end] += 1
            case LanguageScoring(values=values):
                positions[item.cell][min(values), values[min(values)]] += 1
    for counts in (*forms.values(), *positions.values()):
        assert len(set(counts.values())) == 1, counts


def test_the_banks_are_as_large_as_the_protocol_asks() -> None:
    """Paraphrases and forms of arXiv 2602.14777, and for each language method one variant a pair of languages."""
    wordings: dict[tuple[str, str], Counter[tuple[str, str]]] = defaultdict(Counter)
    for name in ("self_assessment", "intentions", "harm"):
        for item in probe(name).bank.items:
            wordings[name, item.method][item.cell.key, item.variant] += 1
    sizes = {key: set(counts.values()) for key, counts in wordings.items()}
    assert sizes == {
        ("self_assessment", "decision"): {10 * 2},
        ("self_assessment", "numerical"): {10 * 2},
        ("self_assessment", "language"): {10 * 4},
        ("self_assessment", "likert"): {25 * 2},
        ("intentions", "scenario"): {25 * 2},
        ("harm", ""): {40},
    }
    assert {item.variant for item in probe("self_assessment").bank.items} == {"", "fr-de", "es-it", "pt-nl", "pl-tr"}


def test_moral_axes_are_defined_in_every_question() -> None:
    for item in probe("moral_self_assessment").bank.items:
        text = item.messages[0].content
        assert all(f"By {word} we mean " in text for word in item.dimension.split("_")), item.id


def test_dimensions_and_methods_are_those_of_the_protocol() -> None:
    cells = {item.cell for item in probe("self_assessment").bank.items}
    assert len({cell.dimension for cell in cells}) == 6
    assert {cell.method for cell in cells} == {"decision", "numerical", "language", "likert"}
    assert len(cells) == 24
    assert len({item.cell for item in probe("harm").bank.items}) == 8
    assert len({item.cell for item in probe("intentions").bank.items}) == 6
    assert {item.cell.dimension for item in probe("moral_self_assessment").bank.items} == {
        row["dimension"] for row in table("moral_self_assessment.csv") if row["dimension"] != "average"
    }
