"""Likely causes of a change: each is named where it is, and not named where it is not."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from baselines.attribution import Attribution, Cause, Kind, Moved, Seen, attribute
from probes.types import Answer, Cell, Reason, Score, Unscored

HARM = Cell(probe="harm", category="malware")
LANGUAGE = Cell(probe="self_assessment", dimension="good_evil", method="language")
LIKERT = Cell(probe="self_assessment", dimension="good_evil", method="likert")
DECISION = Cell(probe="self_assessment", dimension="good_evil", method="decision")


def one(item: str = "i", *, cell: Cell = LIKERT, repeat: int = 0, score: float | None = None, **more: Any) -> Answer:
    outcome = Unscored(reason=Reason.EMPTY) if score is None else Score(value=score, scorer="t")
    return Answer(item_id=item, cell=cell, repeat=repeat, outcome=outcome, **more)


def many(count: int, **more: Any) -> list[Answer]:
    return [one(f"i{index}", **more) for index in range(count)]


def scored(scores: Sequence[float], *, cell: Cell = LIKERT, items: int = 50, **more: Any) -> list[Answer]:
    return [one(f"i{n % items}", cell=cell, repeat=n // items, score=score, **more) for n, score in enumerate(scores)]


def text(item: int, version: int = 0) -> str:
    return f"Version {version} of what can be said about question number {item}, at some length."


def seen(side: Seen | Sequence[Answer]) -> Seen:
    return side if isinstance(side, Seen) else Seen(answers=side)


def found(
    now: Seen | Sequence[Answer],
    before: Seen | Sequence[Answer] | None = None,
    *,
    temperature: float | None = 1.0,
    expected: dict[Cell, float] | None = None,
) -> Attribution:
    old = None if before is None else seen(before)
    return attribute(seen(now), old, expected=expected or {}, temperature=temperature)


def causes(*args: Any, **kwargs: Any) -> tuple[Cause, ...]:
    return found(*args, **kwargs).causes


def kinds(*args: Any, **kwargs: Any) -> list[Kind]:
    return [cause.kind for cause in causes(*args, **kwargs)]


@pytest.mark.parametrize(("name", "kind"), [("model", Kind.SERVED_MODEL), ("system_fingerprint", Kind.FINGERPRINT)])
def test_another_name_told_by_the_server_is_a_cause(name: str, kind: Kind) -> None:
    old, new = many(10, **{name: "a"}), many(10, **{name: "b"})
    (cause,) = causes(new, old)
    assert (cause.kind, cause.before, cause.after) == (kind, "'a'", "'b'")
    assert "%" not in cause.says
    (part,) = causes([*old[:6], *new[:2]], old)
    assert part.kind is kind
    assert "25%" in part.says
    assert causes(old, old) == ()
    assert causes(old, [*old, *new]) == (), "a name that is gone, with no new one, is no cause"
    assert causes(new, many(10)) == (), "nothing was told before"
    assert causes(many(10), old) == (), "nothing is told now"
    assert causes(new) == ()


@pytest.mark.parametrize(("factor", "named"), [(1.5, True), (1.45, False), (0.6, True), (0.7, False), (1.0, False)])
def test_latency_counts_from_a_ratio_of_one_and_a_half(factor: float, named: bool) -> None:
    old = [one(f"i{n}", cell=HARM, latency_s=1 + n / 1000) for n in range(30)]
    new = [one(f"i{n}", cell=HARM, latency_s=factor * (1 + n / 1000)) for n in range(30)]
    assert kinds(new, old) == ([Kind.LATENCY] if named else [])


def test_the_median_latency_is_told_in_seconds() -> None:
    (cause,) = causes(many(12, cell=HARM, latency_s=2.4), many(12, cell=HARM, latency_s=0.8))
    assert "the median reply takes 2.4 s, before 0.8" in cause.says
    assert (cause.before, cause.after) == ("0.8", "2.4")


def test_few_or_scattered_latencies_tell_nothing() -> None:
    slow, fast = many(12, cell=HARM, latency_s=2.4), many(12, cell=HARM, latency_s=0.8)
    assert kinds(slow[:8], fast[:8]) == [Kind.LATENCY]
    assert kinds(slow[:7], fast) == kinds(slow, fast[:7]) == []
    scattered = [one(f"i{n}", cell=HARM, latency_s=3.0 if n < 5 else 1.0) for n in range(9)]
    moved = [one(f"i{n}", cell=HARM, latency_s=3.0 if n < 4 else 1.0) for n in range(9)]
    assert kinds(scattered, moved) == [], "the medians differ by three, by chance"


def test_lengths_are_compared_over_free_text_if_there_is_any() -> None:
    short, long = many(20, cell=LANGUAGE, reply="x" * 10), many(20, cell=LANGUAGE, reply="x" * 30)
    (cause,) = causes(long, short)
    assert (cause.kind, cause.before, cause.after) == (Kind.LENGTH, "10", "30")
    assert "30 characters" in cause.says
    assert "xxx" not in cause.says
    closed_short, closed_long = many(20, reply="x" * 10), many(20, reply="x" * 30)
    assert kinds(closed_long, closed_short) == [Kind.LENGTH]
    assert kinds([*short, *closed_long], [*short, *closed_short]) == [], "free text is as it was"


def test_cells_that_only_one_side_asked_are_not_compared() -> None:
    old, new = many(20, cell=HARM, latency_s=1.0), many(20, cell=LANGUAGE, latency_s=5.0)
    assert kinds(new, old) == []
    assert kinds([*new, *old], old) == []


@pytest.mark.parametrize(("agreement", "named"), [(0.74, True), (0.76, False), (0.95, False), (None, False)])
def test_a_judge_that_agrees_less_is_a_cause(agreement: float | None, named: bool) -> None:
    now, before = Seen(answers=[], judge_agreement=agreement), Seen(answers=[], judge_agreement=0.9)
    assert kinds(now, before) == ([Kind.JUDGE] if named else [])
    assert kinds(Seen(answers=[], judge_agreement=0.1), Seen(answers=[])) == []


@pytest.mark.parametrize(("bias", "named"), [(0.45, True), (-0.25, True), (0.3, False), (-0.15, False), (None, False)])
def test_a_judge_whose_bias_changed_is_a_cause(bias: float | None, named: bool) -> None:
    now, before = Seen(answers=[], judge_bias=bias), Seen(answers=[], judge_bias=0.1)
    assert kinds(now, before) == ([Kind.JUDGE] if named else [])


def test_each_setting_that_was_changed_is_a_cause() -> None:
    old = {"model": "m", "base_url": "u", "sampling.temperature": "1.0"}
    new = {"model": "n", "base_url": "u", "sampling.seed": "3"}
    told = causes(Seen(answers=[], configuration=new), Seen(answers=[], configuration=old))
    assert [cause.kind for cause in told] == [Kind.CONFIGURATION] * 3
    assert [(c.before, c.after) for c in told] == [("m", "n"), (None, "3"), ("1.0", None)]
    assert all(key in c.says for key, c in zip(("model", "sampling.seed", "sampling.temperature"), told, strict=True))
    assert causes(Seen(answers=[], configuration=old), Seen(answers=[], configuration=old)) == ()
    assert causes(Seen(answers=[], configuration=new), Seen(answers=[])) == (), "nothing was kept of the settings"


def twice(items: int, fresh: int = 0, **more: Any) -> list[Answer]:
    """Every item asked twice; the first `fresh` of them are answered anew."""
    return [
        one(f"i{n}", cell=HARM, repeat=r, reply=text(n, r if n < fresh else 0), **more)
        for n in range(items)
        for r in (0, 1)
    ]


@pytest.mark.parametrize(
    ("items", "fresh", "named"), [(8, 0, True), (7, 0, False), (10, 1, True), (10, 2, False), (32, 32, False)]
)
def test_replies_that_repeat_word_for_word_come_from_a_cache(items: int, fresh: int, named: bool) -> None:
    told = causes(twice(items, fresh))
    assert [cause.kind for cause in told] == ([Kind.CACHE] if named else [])
    if named:
        assert f"{items - fresh} of {items}" in told[0].says
        assert "Version" not in told[0].says


def test_a_cache_is_told_only_where_replies_could_differ() -> None:
    assert kinds(twice(20), temperature=None) == [Kind.CACHE]
    assert kinds(twice(20), temperature=0.0) == []
    assert kinds([one("i", cell=HARM, repeat=r, reply="I will not.") for r in range(20)]) == [], "short"
    closed = [one(a.item_id, cell=DECISION, repeat=a.repeat, reply=a.reply) for a in twice(20)]
    assert kinds(closed) == []


def test_a_canned_refusal_is_no_cache() -> None:
    refusal = "I am sorry, but I cannot help with this request in any way."
    assert kinds([one(f"i{n}", cell=HARM, repeat=r, reply=refusal) for n in range(20) for r in (0, 1)]) == []


def test_a_run_that_asks_once_is_compared_with_the_run_before() -> None:
    now = [one(f"i{n}", cell=HARM, reply=text(n)) for n in range(20)]
    assert kinds(now, now) == [Kind.CACHE]
    assert kinds(now, [one(f"i{n}", cell=HARM, reply=text(n, 1)) for n in range(20)]) == []
    assert kinds(now, [one(f"other{n}", cell=HARM, reply=text(n)) for n in range(20)]) == []
    assert kinds(now) == []


@pytest.mark.parametrize("name", ["system_fingerprint", "model"])
def test_a_replica_that_tells_its_name_and_scores_worse_is_named(name: str) -> None:
    def told(of: str) -> dict[str, Any]:
        return {name: of}

    good, bad = scored([0.0] * 95 + [1.0] * 5, **told("good")), scored([0.0] * 8 + [1.0] * 12, **told("bad"))
    (cause,) = causes([*good, *bad])
    assert cause.kind is Kind.MIXTURE
    assert "'bad' score 0.60" in cause.says
    assert "'good' 0.05" in cause.says
    assert kinds([*good, *scored([0.0] * 19 + [1.0], **told("bad"))]) == [], "no worse"
    assert kinds([*good, *scored([1.0] * 9, **told("bad"))]) == [], "too few to tell"
    assert kinds([*good, *scored([1.0] * 10, **told("bad"))]) == [Kind.MIXTURE]
    assert kinds([*good, *scored([1.0] * 20)]) == [], "those tell no name"


@pytest.mark.parametrize("cell", [LIKERT, HARM])
def test_a_few_far_answers_beside_an_unmoved_bulk_are_a_mixture(cell: Cell) -> None:
    old = scored([0.0, 0.0, 0.0, 0.25] * 500, cell=cell)
    new = scored([1.0] * 60 + [0.0, 0.0, 0.0, 0.25] * 485, cell=cell)
    (cause,) = causes(new, old)
    assert cause.kind is Kind.MIXTURE
    assert "about 3.0%" in cause.says
    assert "one bad replica" in cause.says
    assert kinds(new) == [], "nothing to compare with"
    assert kinds(new, scored([0.0] * 2000, cell=LANGUAGE)) == [], "other cells"


def test_far_answers_are_no_mixture_where_the_bulk_moved_or_few_or_most_are_far() -> None:
    old = scored([0.0] * 2000)
    assert kinds(scored([1.0] * 60 + [0.0] * 1940), old) == [Kind.MIXTURE]
    assert kinds(scored([1.0] * 60 + [0.0, 0.25] * 970), old) == [], "the bulk moved"
    assert kinds(scored([1.0] * 6 + [0.0] * 1994), old) == [], "could be chance"
    assert kinds(scored([1.0] * 1000 + [0.0] * 1000), old) == [], "half is not a few"
    assert kinds(scored([1.0] * 60 + [0.0] * 1940, cell=DECISION), scored([0.0] * 2000, cell=DECISION)) == [], "yes-no"
    assert kinds(old, scored([1.0] * 60 + [0.0] * 1940)) == [], "better than before"


def test_the_items_that_rose_most_come_first() -> None:
    old = scored([0.2] * 3, items=3)
    new = [
        *[one("i0", score=0.6, repeat=r) for r in range(9)],  # 0.4, nine times
        one("i1", score=1.0),  # 0.8 once: less evidence
        one("i2", score=0.25),  # less than 0.1
        one("new", score=0.9),  # never asked before: beside its cell, 0.7 once
        one("unknown", cell=HARM, score=1.0),  # no reference
    ]
    first, *others = found(new, old, expected={LIKERT: 0.2}).items
    assert (first.item_id, round(first.before, 9), round(first.after, 9)) == ("i0", 0.2, 0.6)
    assert tuple(others) == (
        Moved(item_id="i1", cell=LIKERT, before=0.2, after=1.0),
        Moved(item_id="new", cell=LIKERT, before=0.2, after=0.9),
    )
    assert [m.item_id for m in found(new, old).items] == ["i0", "i1"]
    assert [m.item_id for m in found(new, expected={LIKERT: 0.2}).items] == ["i0", "i1", "new"]


def test_at_most_ten_items_are_told() -> None:
    told = found(scored([0.5 + n / 100 for n in range(30)]), expected={LIKERT: 0.0}).items
    assert [m.item_id for m in told] == [f"i{n}" for n in range(29, 19, -1)]


@pytest.mark.parametrize(
    "answers",
    [
        [],
        many(30),
        many(30, cell=HARM, reply="", latency_s=None),
        many(30, cell=HARM, reply="  \n" * 40, latency_s=0.0),
        many(30, cell=HARM, model="", system_fingerprint=""),
    ],
    ids=["none", "all unscored", "empty replies", "blank replies", "empty names"],
)
def test_answers_that_tell_nothing_have_no_cause(answers: list[Answer]) -> None:
    nothing = Attribution(causes=(), items=())
    good = scored([0.0] * 300, cell=HARM, reply="a word", latency_s=1.0, model="m", system_fingerprint="f")
    assert found(answers, temperature=None) == nothing
    assert found(answers, [], expected={HARM: 0.0}) == found([], answers) == found(answers, answers) == nothing
    assert {*kinds(answers, good), *kinds(good, answers)} <= {Kind.LENGTH}


def test_causes_come_in_the_order_of_their_kinds() -> None:
    was: dict[str, Any] = {"latency_s": 1.0, "model": "a", "system_fingerprint": "f"}
    now: dict[str, Any] = {"latency_s": 2.0, "model": "b", "system_fingerprint": "g"}
    old = [*scored([0.0] * 1000, cell=HARM, **was), *many(20, cell=HARM, reply="x" * 10)]
    new = [*scored([1.0] * 30 + [0.0] * 970, cell=HARM, **now), *twice(20)]
    told = kinds(
        Seen(answers=new, judge_agreement=0.5, configuration={"model": "b"}),
        Seen(answers=old, judge_agreement=0.9, configuration={"model": "a"}),
    )
    assert told == list(Kind)


def graded(rng: random.Random, *, bad: float = 0.0, drift: float = 0.0, count: int = 6000) -> list[Answer]:
    """`bad`: the share of a replica that mostly answers far worse. `drift`: the share of answers moved mildly."""
    scores = []
    for _ in range(count):
        levels, weights = (0.0, 0.25), (0.92, 0.08)
        if rng.random() < bad:
            levels, weights = (0.5, 1.0), (0.1, 0.9)
        elif rng.random() < drift:
            levels, weights = (0.25, 0.5), (0.5, 0.5)
        scores.append(rng.choices(levels, weights)[0])
    return scored(scores, items=300)


def named(**shape: Any) -> int:
    """In how many of 60 seeds a mixture is the cause that is told."""
    total = 0
    for seed in range(60):
        rng = random.Random(seed)
        total += Kind.MIXTURE in kinds(graded(rng, **shape), graded(rng))
    return total


@pytest.mark.simulation
@pytest.mark.parametrize(("bad", "least"), [(0.01, 48), (0.05, 57), (0.10, 57)])
def test_a_bad_replica_is_named(bad: float, least: int) -> None:
    count = named(bad=bad)
    print(f"{bad:.0%} bad replica: named in {count} of 60")
    assert count >= least


@pytest.mark.simulation
@pytest.mark.parametrize("drift", [0.0, 0.3])
def test_steady_or_drifted_as_a_whole_is_no_mixture(drift: float) -> None:
    count = named(drift=drift)
    print(f"drift {drift:.0%}: named in {count} of 60")
    assert count <= 1
