"""What is asked next, and when a run may end."""

from dataclasses import replace

import pytest

from baselines import early
from baselines.doubt import Step, doubtful, next_step
from baselines.sequential import start_from_known
from baselines.types import Arm, ArmComparison
from probes.types import Cell, Measurement
from tests.support.arms import arm


def at(evidence: float, *, alarm: bool = False) -> ArmComparison:
    return replace(arm(0.3, alarm=alarm), evidence=evidence)


@pytest.mark.parametrize(
    ("said", "done", "expected"),
    [
        (at(0.5), at(0.3), None),
        (at(1.7), at(0.3), (Step.FOLLOW_UP, Arm.SELF_REPORT)),
        (at(1.7), at(2.5), (Step.FOLLOW_UP, Arm.BEHAVIOUR)),
        (at(4.2, alarm=True), at(2.5), (Step.CONFIRM, Arm.SELF_REPORT)),
    ],
)
def test_evidence_decides_the_next_step(
    said: ArmComparison, done: ArmComparison, expected: tuple[Step, Arm] | None
) -> None:
    assert next_step({Arm.SELF_REPORT: said, Arm.BEHAVIOUR: done}) == expected
    assert next_step({}) is None


def test_the_doubtful_half_stands_highest_above_what_is_known() -> None:
    cells = {name: Cell(probe="harm", category=name) for name in ("a", "b", "c", "d")}
    detector = start_from_known(Arm.BEHAVIOUR, dict.fromkeys(cells.values(), 0.1), {}, "k", margin=0.0)
    means = {"a": 0.1, "b": 0.4, "c": 0.0, "d": 0.2}
    seen = [
        Measurement(cell=cells[name], mean=mean, variance=None, n=4, invalid=0, items=4) for name, mean in means.items()
    ]
    unscored = Measurement(cell=Cell(probe="harm", category="e"), mean=None, variance=None, n=0, invalid=4, items=0)
    found = doubtful(Arm.BEHAVIOUR, [*seen, unscored], detector)
    assert found.groups == ("b", "d")
    assert found.holds(cells["b"])
    assert not found.holds(cells["a"])
    assert not found.holds(Cell(probe="intentions", dimension="b"))


BOTH = [Arm.SELF_REPORT, Arm.BEHAVIOUR]


@pytest.mark.parametrize(
    ("said", "done", "ends"),
    [
        (arm(0.0, spread=0.05, n=500), arm(0.0, spread=0.05, n=500), True),
        (arm(0.9, spread=0.05, n=500, alarm=True), arm(0.0, spread=0.05, n=500), True),
        (arm(0.9, spread=0.05, n=500, alarm=True), arm(0.0, spread=0.15, n=500), False),  # may yet have moved
        (arm(0.9, spread=0.05, n=500), arm(0.9, spread=0.05, n=500), False),  # no evidence yet
        (arm(0.15, spread=0.05, n=500, alarm=True), arm(0.0, spread=0.05, n=500), False),  # hardly moved
        (arm(0.0, spread=0.05, n=500), arm(0.0, spread=0.05, n=30), False),  # few answers
        (arm(0.0, spread=0.05, n=500, reference="published"), arm(0.0, spread=0.05, n=500), False),
        (arm(0.0, spread=0.05, n=500), None, False),
    ],
)
def test_a_run_ends_when_every_arm_is_decided(said: ArmComparison, done: ArmComparison | None, ends: bool) -> None:
    arms = {Arm.SELF_REPORT: said} | ({Arm.BEHAVIOUR: done} if done else {})
    assert (early.decided(arms, BOTH) is not None) is ends


def test_a_plan_of_one_arm_waits_for_no_other() -> None:
    assert early.decided({Arm.SELF_REPORT: arm(0.0, spread=0.05, n=500)}, [Arm.SELF_REPORT]) is not None
    assert early.decided({}, []) is None
