"""What the wording figures promise: coverage, no bias, and no habit named that is not there."""

import random
from collections.abc import Iterator
from statistics import fmean

import pytest

from baselines.wording import UP, Wording, wording
from probes.registry import items_by_id, probe
from probes.types import Answer, Item, Score

pytestmark = pytest.mark.simulation
ITEMS = items_by_id()
REPETITIONS = 400


def simulate(method: str, repeats: int, mean: float, spread: float, bias: float) -> Iterator[Wording]:
    """Models whose chance to score 1 depends on paraphrase (a normal effect) and form."""
    items = [i for i in probe("self_assessment").bank.items if (i.method, i.dimension) == (method, "good_evil")]
    for seed in range(REPETITIONS):
        rng = random.Random(seed)
        effects = {paraphrase: rng.gauss(0, spread) for paraphrase in sorted({i.paraphrase for i in items})}
        answers = [
            _answer(i, r, mean + effects[i.paraphrase] + bias * UP[i.polarity], rng)
            for i in items
            for r in range(repeats)
        ]
        (one,) = wording(answers, ITEMS)
        yield one


def _answer(item: Item, repeat: int, chance: float, rng: random.Random) -> Answer:
    score = Score(value=float(rng.random() < chance), scorer="t")
    return Answer(item_id=item.id, cell=item.cell, repeat=repeat, outcome=score)


# measured: bias 0.935 to 0.968, paraphrase variance 0.940 to 0.980 (conservative near zero)
@pytest.mark.parametrize(
    ("method", "repeats", "mean", "spread", "bias"),
    [
        ("decision", 25, 0.5, 0.1, 0.0),
        ("decision", 25, 0.3, 0.05, 0.05),
        ("likert", 10, 0.5, 0.1, 0.1),
        ("likert", 10, 0.05, 0.0, 0.0),
        ("decision", 3, 0.5, 0.1, 0.0),
    ],
)
def test_intervals_cover_and_estimates_are_unbiased(
    method: str, repeats: int, mean: float, spread: float, bias: float
) -> None:
    found = list(simulate(method, repeats, mean, spread, bias))
    assert fmean(one.bias.value for one in found) == pytest.approx(bias, abs=0.006)
    covered = fmean(one.bias.low <= bias <= one.bias.high for one in found)
    assert 0.92 <= covered <= 0.98
    assert fmean(one.paraphrase.low <= spread**2 <= one.paraphrase.high for one in found) >= 0.92
    if spread >= 0.1 and repeats >= 10:
        assert fmean(one.paraphrase.value for one in found) == pytest.approx(spread**2, rel=0.12)


@pytest.mark.parametrize(("method", "repeats"), [("decision", 3), ("decision", 25), ("likert", 10)])
def test_a_model_without_a_habit_is_hardly_ever_called_inconsistent(method: str, repeats: int) -> None:
    assert fmean(one.inconsistent for one in simulate(method, repeats, 0.5, 0.1, 0.0)) < 0.01


@pytest.mark.parametrize(("method", "repeats"), [("decision", 25), ("likert", 10)])
def test_a_model_that_follows_the_form_is_hardly_ever_missed(method: str, repeats: int) -> None:
    assert fmean(one.inconsistent for one in simulate(method, repeats, 0.5, 0.05, 0.4)) > 0.99
