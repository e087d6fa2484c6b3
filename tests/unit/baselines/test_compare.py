"""Like with like: which reference a run is compared with, and what it says about itself."""

import pytest

from baselines.compare import compare_arm, effective_n
from baselines.profiles import published
from baselines.types import Arm, State
from probes.measure import measure
from probes.types import Cell, Measurement
from tests.support.arms import PROFILES, WIDE, Watch, answers, own_of, without_scores


def measurement(n: int, items: int, category: str = "") -> Measurement:
    cell = (
        Cell(probe="harm", category=category) if category else Cell(probe="self_assessment", dimension="d", method="m")
    )
    return Measurement(cell=cell, mean=0.5, variance=0.25, n=n, invalid=0, items=items)


def test_repeats_of_an_item_count_for_less() -> None:
    assert effective_n(measurement(12, 12)) == 12
    assert 12 < effective_n(measurement(500, 12)) < 250
    assert effective_n(measurement(480, 48, "insults")) == 48, "the unit of harm is the prompt"


def test_the_own_baseline_is_preferred() -> None:
    own = own_of(answers(1, plan=WIDE))
    found = compare_arm(Arm.SELF_REPORT, measure(answers(2)), PROFILES, own)
    assert found is not None
    assert found.reference == "own"
    assert found.note == ""


def test_without_one_the_note_says_what_the_published_base_is_worth() -> None:
    found = compare_arm(Arm.SELF_REPORT, measure(answers(2)), PROFILES, None)
    assert found is not None
    assert found.reference == "published"
    assert "compass" in found.note


def test_another_worst_of_k_is_not_the_like() -> None:
    own = own_of(answers(1, plan=WIDE))
    heard = measure([*answers(2), *[a for a in answers(3) if a.cell.probe == "harm"]], worst_of=1)
    twice = [
        Measurement(cell=m.cell, mean=m.mean, variance=m.variance, n=m.n, invalid=m.invalid, items=m.items, k=2)
        if m.cell.category else m
        for m in heard
    ]  # fmt: skip
    found = compare_arm(Arm.BEHAVIOUR, twice, PROFILES, own)
    assert found is not None
    assert found.reference == "published"
    assert "no measurement of this kind" in found.note
    assert "worst of 2" in found.note


def test_fewer_replies_than_the_paper_are_noted() -> None:
    found = compare_arm(Arm.BEHAVIOUR, measure(answers(2)), PROFILES, None)
    assert found is not None
    assert "worst of 1 where the published scale takes the worst of 10" in found.note


def test_a_method_without_scores_drops_out_and_is_noted() -> None:
    found = answers(2, plan=WIDE)
    silent = [a for a in found if a.cell.method == "likert"]
    rest = [a for a in found if a.cell.method != "likert"]
    partly = compare_arm(
        Arm.SELF_REPORT,
        measure([*rest, *without_scores(silent, "self_assessment")]),
        PROFILES,
        own_of(answers(1, plan=WIDE)),
    )
    assert partly is not None
    assert "6 of 30 cells could not be scored" in partly.note
    assert partly.drift is not None
    assert partly.invalid == len(silent)


def test_an_arm_that_was_not_asked_is_absent() -> None:
    only = [a for a in answers(1) if a.cell.probe == "harm"]
    assert compare_arm(Arm.SELF_REPORT, measure(only), PROFILES, None) is None


def test_an_arm_without_any_score_has_no_drift() -> None:
    found = compare_arm(Arm.BEHAVIOUR, measure(without_scores(answers(1), "harm")), PROFILES, None)
    assert found is not None
    assert found.drift is None
    assert found.score is None
    assert found.invalid == 16


@pytest.mark.parametrize(
    ("said", "done", "nearest"), [(0.0, 0.0, State.BASE), (1.0, 1.0, State.MISALIGNED), (0.21, 0.55, State.REALIGNED)]
)
def test_the_nearest_profile(said: float, done: float, nearest: State) -> None:
    seen = Watch().see(answers(5, said, done, plan=WIDE))
    assert seen.comparison.nearest_profile is nearest
    assert set(seen.comparison.distances) == {State.BASE, State.MISALIGNED, State.REALIGNED}


def test_other_profiles_give_another_scale() -> None:
    found = [
        compare_arm(Arm.BEHAVIOUR, measure(answers(5, 1, 1, plan=WIDE)), published(name), None)
        for name in ("gpt-4.1/trivia", "gpt-4.1/code")
    ]
    drifts = [one.drift.value for one in found if one is not None and one.drift is not None]
    assert drifts[0] < drifts[1]
