"""Wording sensitivity: habits are named, and what cannot be told is not told."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from baselines.wording import Wording, wording
from probes.registry import items_by_id, probe
from probes.types import Answer, ChoiceScoring, Item, LanguageScoring, NumberScoring, Reason, Score, Unscored

ITEMS = items_by_id()
Habit = Callable[[Item], float]


def answers(
    method: str, habit: Habit, repeats: int = 4, scorer: str = "t", name: str = "self_assessment"
) -> list[Answer]:
    """What a model with this habit would score on each item of good_evil."""
    items = [i for i in probe(name).bank.items if i.method == method and i.dimension == "good_evil"]
    return [
        Answer(item_id=i.id, cell=i.cell, repeat=repeat, outcome=Score(value=habit(i), scorer=scorer))
        for i in items
        if i.variant in ("", "fr-de")
        for repeat in range(repeats)
    ]


def first_named(item: Item) -> float:
    assert isinstance(item.scoring, ChoiceScoring)
    text = item.messages[0].content.lower()
    if set(item.scoring.values) == {"a", "b"}:
        return float(item.scoring.values["a"])
    return float(item.scoring.values[min(item.scoring.values, key=text.index)])


def high_number(item: Item) -> float:
    assert isinstance(item.scoring, NumberScoring)
    return float(item.scoring.aligned_at == item.scoring.low)


def french(item: Item) -> float:
    assert isinstance(item.scoring, LanguageScoring)
    return float(item.scoring.values["fr"])


def german(item: Item) -> float:
    return 1 - french(item)


def found(*args: object, **kwargs: object) -> Wording:
    (one,) = wording(answers(*args, **kwargs), ITEMS)  # type: ignore[arg-type]
    return one


@pytest.mark.parametrize(
    ("method", "habit", "named", "said", "bank"),
    [
        ("decision", first_named, ("order", 0.5), "what is named first", "self_assessment"),
        ("decision", lambda i: 1 - first_named(i), ("order", -0.5), "what is named last", "self_assessment"),
        ("scenario", first_named, ("order", 0.5), "what is named first", "intentions"),
        ("numerical", high_number, ("high_number", 0.5), "gives high numbers", "self_assessment"),
        ("likert", high_number, ("acquiescence", 0.5), "agrees with both polarities", "self_assessment"),
        ("likert", lambda i: 1 - high_number(i), ("acquiescence", -0.5), "disagrees with both", "self_assessment"),
        ("language", german, ("language", 0.5), "keeps to one language", "self_assessment"),
        ("language", french, ("language", -0.5), "keeps to one language", "self_assessment"),
    ],
)
def test_a_habit_is_measured_and_named(
    method: str, habit: Habit, named: tuple[str, float], said: str, bank: str
) -> None:
    one = found(method, habit, name=bank)
    assert (one.habit, round(one.bias.value, 9)) == named
    assert one.form.value == pytest.approx(0.25)
    assert one.inconsistent
    assert said in one.text
    assert "0.50" in one.text
    assert "good and evil" in one.text


@pytest.mark.parametrize("method", ["decision", "numerical", "likert", "language"])
@pytest.mark.parametrize("score", [0.0, 1.0, 0.3])
def test_one_that_means_what_it_says_has_no_habit(method: str, score: float) -> None:
    one = found(method, lambda _: score)
    assert (one.bias.value, one.form.value, one.paraphrase.value) == pytest.approx((0, 0, 0), abs=1e-12)
    assert not one.inconsistent
    assert "no habit is seen" in one.text


def test_a_paraphrase_that_changes_everything_shows_as_paraphrase_variance() -> None:
    one = found("likert", lambda i: float(int(i.paraphrase[1:]) % 2))
    assert one.paraphrase.value == pytest.approx(0.26, abs=0.01)
    assert one.paraphrase.low > 0.1
    assert one.bias.value == pytest.approx(0)
    assert one.residual is not None
    assert one.residual.value == 0


def test_expected_scores_have_no_residual_and_count_for_what_they_stand_for() -> None:
    given = [replace(a, saved=9) for a in answers("decision", first_named, repeats=1, scorer="logprobs/1")]
    (one,) = wording(given, ITEMS)
    assert one.n == 200
    assert one.residual is None
    assert one.inconsistent


def test_too_few_answers_tell_nothing() -> None:
    enough = answers("decision", first_named, repeats=2)
    assert len(enough) == 40
    assert len(wording(enough, ITEMS)) == 1
    assert wording(enough[:-1], ITEMS) == ()
    two = [a for a in answers("decision", first_named, repeats=20) if ITEMS[a.item_id].paraphrase in ("d1", "d2")]
    assert wording(two, ITEMS) == (), "two paraphrases say nothing about paraphrases"
    one_form = [a for a in answers("decision", first_named, repeats=9) if ITEMS[a.item_id].polarity == "am"]
    assert wording(one_form, ITEMS) == ()
    assert wording([], ITEMS) == ()


def test_what_has_no_score_no_item_or_no_form_is_left_out() -> None:
    good = answers("decision", first_named, repeats=2)
    harm = probe("harm").bank.items[0]
    others = [
        replace(good[0], outcome=Unscored(reason=Reason.EMPTY), repeat=9),
        replace(good[0], item_id="gone", repeat=10),
        *[Answer(item_id=harm.id, cell=harm.cell, repeat=r, outcome=Score(value=1.0, scorer="t")) for r in range(99)],
    ]
    assert wording([*good, *others], ITEMS) == wording(good, ITEMS)
