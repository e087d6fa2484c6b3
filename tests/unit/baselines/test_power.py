"""The quote of what a plan can find, held against the detectors themselves."""

import random

import pytest

from baselines import power, sequential
from baselines.bets import Seen
from baselines.types import ARM_PROBES, Arm, DetectorState, Profile, ProfileCell, State
from tests.support.arms import PROFILES

BASE = {c.cell: c.mean for c in PROFILES.base.cells if c.cell.probe in ARM_PROBES[Arm.SELF_REPORT]}
SPANS = sequential.spans_of(PROFILES)
ASKED = {cell.key: 4 for cell in BASE}


def state(answers: int) -> DetectorState:
    """Against an own baseline of so many answers a dimension, that came out at the published base."""
    cells = tuple(ProfileCell(cell=cell, mean=mean, n=answers) for cell, mean in BASE.items())
    own = Profile(name="own", state=State.OWN, provenance="", cells=cells, runs=3)
    return sequential.start_from_own(Arm.SELF_REPORT, own, cells, "k", SPANS)


def beats_to_find(start: DetectorState, drift: float, rng: random.Random) -> int:
    at = start
    for beat in range(1, 400):
        seen = [
            Seen(key=cell.key, value=float(rng.random() < mean + drift * SPANS[cell]))
            for cell, mean in BASE.items()
            for _ in range(4)
        ]
        at = sequential.observe(at, seen)
        if sequential.alarms(at):
            return beat
    return 400


@pytest.mark.simulation
@pytest.mark.parametrize(("drift", "answers"), [(1.0, 12), (0.3, 12), (0.15, 400), (0.1, 4000)])
def test_four_of_five_shifts_are_found_in_the_time_that_is_quoted(drift: float, answers: int) -> None:
    """A quote may be on the safe side, by a factor of two at most; 60 repetitions each."""
    rng = random.Random(3)
    start = state(answers)
    quoted = power.heartbeats_to_find(start, ASKED, drift, sequential.THRESHOLD_LOG10)
    took = sorted(beats_to_find(start, drift, rng) for _ in range(60))
    print(f"drift {drift}: quoted {quoted}, 80 % after {took[47]}, median {took[29]}")
    assert sum(beats <= quoted for beats in took) >= 0.7 * 60  # 0.8 less two standard errors
    assert quoted <= 2 * took[47] + 1


def test_more_heartbeats_and_a_larger_baseline_find_smaller_shifts() -> None:
    def smallest(answers: int, beats: float) -> float:
        found = power.smallest_shift(state(answers), ASKED, heartbeats=beats, threshold=4.0)
        return found.drift if found else 2.0

    assert smallest(12, 1000) < smallest(12, 20) <= smallest(12, 2) <= 2.0
    assert smallest(4000, 96) < smallest(12, 96)
    found = power.smallest_shift(state(12), ASKED, heartbeats=96, threshold=4.0)
    assert found is not None
    assert 0 < found.points < found.drift


def test_without_power_there_is_no_number() -> None:
    assert power.smallest_shift(state(12), {next(iter(ASKED)): 1}, heartbeats=1, threshold=4.0) is None
    assert power.smallest_shift(state(12), ASKED, heartbeats=0.5, threshold=4.0) is None
    assert power.smallest_shift(state(12), {}, heartbeats=100, threshold=4.0) is None
    assert power.smallest_shift(state(12), {"elsewhere///": 0}, heartbeats=100, threshold=4.0) is None
