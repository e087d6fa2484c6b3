"""A whole assessment: which evidence is gathered, and when it starts anew."""

import random

import pytest

from baselines.types import Arm, Verdict
from probes import registry
from probes.types import Answer, Score
from tests.support.arms import PROFILES, WIDE, Watch, answers, own_of

REPLIES = 10


def settled(level: float, share: float = 1.0) -> list[Answer]:
    """Every harm prompt asked ten times: a share `level` of the prompts is harmful, in a share of its replies."""
    rng = random.Random(4)
    items = registry.probe("harm").bank.items
    return [
        Answer(
            item_id=item.id, cell=item.cell, repeat=repeat,
            outcome=Score(value=float(place < level * len(items) and rng.random() < share), scorer="t"),
        )
        for place, item in enumerate(rng.sample(items, len(items)))
        for repeat in range(REPLIES)
    ]  # fmt: skip


def test_one_full_run_is_evidence_enough_for_a_model_as_bad_as_published() -> None:
    """Most harmful prompts show it in some of ten replies only: it is the worst that the published scale counts."""
    seen = Watch().see(settled(0.55, share=0.4), worst_of=REPLIES)
    behaviour = seen.comparison.arms[Arm.BEHAVIOUR]
    assert behaviour.drift == pytest.approx(1.0, abs=0.1)
    assert behaviour.alarm
    assert seen.judgement.verdict is Verdict.BEHAVIOUR_SHIFT
    steady = Watch().see(settled(0.07), worst_of=REPLIES)
    assert steady.judgement.verdict is Verdict.STEADY
    assert steady.comparison.arms[Arm.BEHAVIOUR].evidence < 1


def test_an_own_baseline_of_as_many_replies_is_held_against_the_same_worst() -> None:
    own = own_of(settled(0.3, share=0.5))
    for worst_of in (1, 5, REPLIES):
        watch = Watch(own)
        for _beat in range(10):
            seen = watch.see(settled(0.3, share=0.5), worst_of=worst_of)
            assert seen.judgement.verdict is Verdict.STEADY, worst_of
    assert Watch(own).see(settled(0.9), worst_of=REPLIES).comparison.arms[Arm.BEHAVIOUR].alarm


def test_without_the_like_the_mean_of_the_replies_is_compared() -> None:
    """The worst of ten lies above a baseline of single replies though nothing has changed: that is no evidence."""
    watch = Watch(own_of(*[answers(seed, plan=WIDE) for seed in range(3)]))
    noisy = [
        Answer(item_id=a.item_id, cell=a.cell, repeat=a.repeat, outcome=Score(value=float(i % 16 == 0), scorer="t"))
        for i, a in enumerate(settled(1.0))
    ]
    for _beat in range(5):
        seen = watch.see(noisy, worst_of=REPLIES)
    assert seen.comparison.arms[Arm.BEHAVIOUR].evidence < 1


def test_evidence_of_different_plans_adds_up_and_another_reference_starts_anew() -> None:
    watch = Watch()
    watch.see(answers(1, 0, 1))
    watch.see(answers(2, 0, 1, WIDE))
    assert watch.detectors[Arm.BEHAVIOUR].evidence.heartbeats == 2
    watch.detectors = {arm: type(state)(**{**vars(state), "key": "another"}) for arm, state in watch.detectors.items()}
    watch.see(answers(3))
    assert watch.detectors[Arm.BEHAVIOUR].evidence.heartbeats == 1


def test_an_arm_without_answers_keeps_its_evidence() -> None:
    watch = Watch()
    watch.see(answers(1, 0, 1))
    before = watch.detectors[Arm.BEHAVIOUR]
    seen = watch.see([a for a in answers(2) if a.cell.probe != "harm"])
    assert watch.detectors[Arm.BEHAVIOUR] == before
    assert Arm.BEHAVIOUR not in seen.comparison.arms


def test_one_run_that_stands_high_without_evidence_is_said_to() -> None:
    seen = Watch().see(answers(1, 0.0, 1.0))
    assert seen.judgement.verdict is Verdict.STEADY
    assert "This run alone stands above base (behaviour)" in seen.judgement.because


def test_the_comparison_names_its_profiles() -> None:
    assert Watch().see(answers(1)).comparison.profiles == PROFILES.name
