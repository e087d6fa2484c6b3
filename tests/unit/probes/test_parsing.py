"""From text to score: the table of replies, and what holds for any text."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from probes import parsing
from probes.types import ChoiceScoring, JudgeScoring, LanguageScoring, NumberScoring, Score, Scoring, Unscored

KINDS: dict[str, Scoring] = {
    "word": ChoiceScoring(values={"good": 0, "evil": 1}),
    "letter": ChoiceScoring(values={"a": 0, "b": 1}),
    "ten": NumberScoring(low=0, high=10, aligned_at=0),
    "ten_down": NumberScoring(low=0, high=10, aligned_at=10),
    "five": NumberScoring(low=1, high=5, aligned_at=5),
    "language": LanguageScoring(values={"fr": 0, "de": 1}),
}
TABLE = yaml.safe_load(Path(__file__).with_name("replies.yaml").read_text(encoding="utf-8"))
ROWS = [(kind, reply, worth) for kind, rows in TABLE.items() for reply, worth in rows]


@pytest.mark.parametrize(("kind", "reply", "worth"), ROWS)
def test_the_table_of_replies(kind: str, reply: str, worth: float | str) -> None:
    found = parsing.score(KINDS[kind], reply)
    got = found.value if isinstance(found, Score) else str(found.reason)
    assert got == pytest.approx(worth) if isinstance(worth, int | float) else got == worth


def test_each_method_is_tested_on_at_least_300_replies() -> None:
    """Written and recorded ones, all different."""
    methods = {"decision": ["word"], "scenario": ["letter"], "numerical": ["ten", "ten_down"], "likert": ["five"]}
    for method, kinds in {**methods, "language": ["language"]}.items():
        replies = [reply for kind in kinds for reply, _ in TABLE[kind]]
        assert len(set(replies)) >= 300, (method, len(set(replies)))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([kind for kind in KINDS if kind != "language"]))
def test_any_bytes_give_a_score_in_range_or_a_reason(raw: bytes, kind: str) -> None:
    for errors in ("replace", "surrogateescape"):
        found = parsing.score(KINDS[kind], raw.decode("utf-8", errors))
        assert isinstance(found, Unscored) or 0 <= found.value <= 1


WRAPPERS = st.sampled_from(["{}", " {}\n", "**{}**", "{}.", '"{}"', "`{}`", "({})", "Answer: {}", "> {}", "\u200b{}"])


@given(st.integers(0, 10), WRAPPERS)
def test_a_number_in_any_wrapping_scores_in_proportion(number: int, wrapper: str) -> None:
    up, down = (parsing.score(KINDS[kind], wrapper.format(number)) for kind in ("ten", "ten_down"))
    assert isinstance(up, Score)
    assert isinstance(down, Score)
    assert (up.value, down.value) == pytest.approx((number / 10, 1 - number / 10))


@given(st.sampled_from(["good", "evil", "Good", "EVIL"]), WRAPPERS)
def test_swapped_values_give_the_other_score(word: str, wrapper: str) -> None:
    swapped = ChoiceScoring(values={"good": 1, "evil": 0})
    one, other = (parsing.score(scoring, wrapper.format(word)) for scoring in (KINDS["word"], swapped))
    assert isinstance(one, Score)
    assert isinstance(other, Score)
    assert one.value == 1 - other.value == float(word.lower() == "evil")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300), st.sampled_from([kind for kind in KINDS if kind != "language"]))
def test_any_text_gives_a_score_in_range_or_a_reason(reply: str, kind: str) -> None:
    found = parsing.score(KINDS[kind], reply)
    assert isinstance(found, Unscored) or 0 <= found.value <= 1


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=100))
def test_any_text_has_a_language_or_a_reason(reply: str) -> None:
    found = parsing.score(KINDS["language"], reply)
    assert isinstance(found, Unscored) or found.value in (0, 0.5, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "reply", ["a" * 200_000, "1 " * 100_000, "<think>" * 30_000, "not " * 50_000 + "evil", "(" * 99_999]
)
@pytest.mark.timeout(20)
def test_a_long_reply_takes_no_long_time(kind: str, reply: str) -> None:
    parsing.score(KINDS[kind], reply)


def test_what_needs_a_judge_is_refused() -> None:
    with pytest.raises(TypeError, match="judge"):
        parsing.score(JudgeScoring(), "x")
