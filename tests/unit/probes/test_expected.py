"""Expected scores from token probabilities: right, or not told."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.expected import expected
from probes.types import ChoiceScoring, LanguageScoring, NumberScoring, Position, Scoring

WORD = ChoiceScoring(values={"good": 0, "evil": 1})
LONG = ChoiceScoring(values={"honest": 0, "dishonest": 1})
TWINS = ChoiceScoring(values={"harmless": 0, "harmful": 1})
LETTER = ChoiceScoring(values={"a": 1, "b": 0})
TEN = NumberScoring(low=0, high=10, aligned_at=0)
FIVE = NumberScoring(low=1, high=5, aligned_at=5)


def at(token: str, **shares: float) -> Position:
    return Position(token=token, top={name: math.log(share) for name, share in shares.items()})


def numbers(token: str, shares: dict[str, float]) -> Position:
    return Position(token=token, top={name: math.log(share) for name, share in shares.items()})


@pytest.mark.parametrize(
    ("scoring", "positions", "said", "value"),
    [
        (WORD, [at("good", good=0.75, evil=0.25)], 0, 0.25),
        (WORD, [at("Good", Good=0.5, evil=0.2, EVIL=0.1, good=0.15)], 0, 0.3 / 0.95),
        (WORD, [numbers(" evil", {" evil": 0.9, " good": 0.1})], 1, 0.9),
        (WORD, [at("good", good=0.6, Well=0.4)], 0, None),
        (WORD, [at("good", good=1.0)], 1, None),  # the reply went on and said the other
        (LONG, [at("dis", dis=0.3, honest=0.7)], 1, 0.3),
        (LONG, [at("Dish", Dish=0.3, Honest=0.65)], 1, 0.3 / 0.95),
        (LONG, [at("hon", hon=0.95, I=0.05)], 0, 0.0),
        (TWINS, [at("harm", harm=1.0), at("less", less=0.8, ful=0.2)], 0, 0.2),
        (TWINS, [at("harmless", harmless=0.7, harm=0.3)], 0, None),
        (LETTER, [at("B", A=0.1, B=0.9)], 0, 0.1),
        (LETTER, [numbers("(", {"(": 0.9, "B": 0.1}), at("B", B=1.0)], 0, None),
        (TEN, [numbers("3", {"3": 0.5, "7": 0.5})], 0.3, 0.5),
        (TEN, [numbers("1", {"1": 1.0}), numbers("0", {"0": 0.75, "\n": 0.25})], 1.0, 0.75 * 1.0 + 0.25 * 0.1),
        (TEN, [numbers("10", {"10": 0.5, "1": 0.5})], 1.0, 0.55),
        (TEN, [numbers("2", {"2": 0.6, "1": 0.4})], 0.2, None),  # whether 1 or 10 follows is not told
        (FIVE, [numbers("1", {"1": 0.5, "5": 0.5})], 1.0, 0.5),
        (FIVE, [numbers("4", {"4": 0.9, "9": 0.1})], 0.25, 0.25),
        (FIVE, [], 0.25, None),
        (LanguageScoring(values={"fr": 0, "de": 1}), [at("Il", Il=1.0)], 0, None),
    ],
)
def test_the_expected_score_of_one_reply(
    scoring: Scoring, positions: list[Position], said: float, value: float | None
) -> None:
    found = expected(scoring, positions, said)
    assert (found.value if found else None) == (pytest.approx(value) if value is not None else None)
    assert found is None or found.scorer == "logprobs/1"


TOKENS = st.sampled_from(["good", " evil", "1", "10", "0", "go", "", "\n", "A", "é", "harm", "less", "\ud800"])
TOPS = st.dictionaries(TOKENS, st.floats(allow_nan=True, allow_infinity=True), max_size=6)
POSITIONS = st.lists(st.builds(Position, token=TOKENS, top=TOPS), max_size=4)


@given(st.sampled_from([WORD, LONG, TWINS, LETTER, TEN, FIVE]), POSITIONS, st.sampled_from([0.0, 0.1, 0.25, 1.0]))
def test_whatever_a_server_sends_the_score_is_in_range_or_missing(
    scoring: Scoring, positions: list[Position], said: float
) -> None:
    found = expected(scoring, positions, said)
    assert found is None or 0 <= found.value <= 1
