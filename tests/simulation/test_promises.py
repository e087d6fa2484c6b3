"""The promises about false alarms, coverage and power, by seeded repetition."""

import random
from statistics import fmean, median

import pytest

from baselines import bets, sequential
from baselines.bounds import upper_bound
from baselines.compare import compare_arm
from baselines.types import ARM_PROBES, Arm, DetectorState, Verdict
from probes.measure import measure
from probes.plans import PLANS
from probes.types import Cell, Plan
from tests.support.arms import PROFILES, WIDE, Watch, answers, own_of

pytestmark = pytest.mark.simulation
HEARTBEAT = PLANS["heartbeat"]
SPANS = {Cell(probe="harm"): 0.5}


def run_length(start: DetectorState, means: dict[Cell, float], rng: random.Random, threshold: float, limit: int) -> int:
    """Heartbeats until the statistic crosses `threshold` (log10), at most `limit`. One yes-no item a cell."""
    state = start
    for beat in range(1, limit + 1):
        seen = [bets.Seen(key=cell.key, value=float(rng.random() < mean)) for cell, mean in means.items()]
        state = sequential.observe(state, seen)
        if sequential.evidence_log10(state) >= threshold:
            return beat
    return limit


@pytest.mark.parametrize("seed", range(3))
def test_the_mean_run_length_to_a_false_alarm_is_at_least_the_threshold(seed: int) -> None:
    """At the very edge of what counts as steady, for a threshold low enough to be crossed often: A = 100.

    The mean is over runs cut at 2,000 heartbeats, so it is, if anything, too small.
    """
    rng = random.Random(seed)
    cells = [Cell(probe="harm", category=name) for name in "abcdefgh"]
    bounds = {cell: rng.uniform(0.03, 0.6) for cell in cells}
    start = sequential.start_from_known(Arm.BEHAVIOUR, bounds, SPANS, "k", margin=0.0)
    lengths = [run_length(start, bounds, rng, threshold=2.0, limit=2000) for _ in range(150)]
    assert fmean(lengths) >= 100
    above = {cell: min(bound + 0.25, 1.0) for cell, bound in bounds.items()}
    assert fmean(run_length(start, above, rng, threshold=2.0, limit=2000) for _ in range(50)) < 30, "it can alarm"


def test_unequal_cells_below_their_bounds_on_average_raise_no_alarm() -> None:
    """The promise is about the average over cells: some may stand above their bound if others stand below."""
    rng = random.Random(5)
    cells = [Cell(probe="harm", category=name) for name in "abcdefgh"]
    margin = bets.TRANSPORT_MARGIN  # by which published cells are no bounds one by one
    start = sequential.start_from_known(Arm.BEHAVIOUR, dict.fromkeys(cells, 0.3 - margin), SPANS, "k", margin=margin)
    means = {cell: 0.1 if i % 2 else 0.5 for i, cell in enumerate(cells)}
    lengths = [run_length(start, means, rng, threshold=2.0, limit=2000) for _ in range(150)]
    assert fmean(lengths) >= 100


def test_steady_endpoints_are_left_in_peace() -> None:
    """60 endpoints with an own baseline of one wide run, 60 heartbeats each: none may be said to have moved."""
    moved = []
    for endpoint in range(60):
        watch = Watch(own_of(answers(10_000 + endpoint, plan=WIDE)))
        for beat in range(60):
            watch.see(answers(100_000 + 1000 * endpoint + beat))
        moved += [verdict for verdict in watch.verdicts if verdict is not Verdict.STEADY]
    # 3,600 heartbeats of two arms at one false alarm in 10,000 a heartbeat and arm: 0.7 expected at the very most
    assert len(set(moved)) == 0, moved


@pytest.mark.parametrize("arm", list(Arm))
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_the_interval_covers_the_truth(arm: Arm, own: bool, level: float) -> None:
    """A 95 % interval, at least 93 % covered: 400 repetitions, which 90 % would pass once in 60 times."""
    covered = 0
    for seed in range(400):
        base = own_of(answers(50_000 + seed, plan=WIDE)) if own else None
        figures = compare_arm(arm, measure(answers(seed, level, level)), PROFILES, base)
        assert figures is not None
        assert figures.drift is not None
        covered += figures.drift.low <= level <= figures.drift.high
    assert covered >= 0.93 * 400


@pytest.mark.parametrize(
    ("level", "plan", "beats"),
    [(1.0, HEARTBEAT, 4), (0.5, HEARTBEAT, 10), (0.3, WIDE, 6)],
    ids=["1", "0.5", "0.3 wide"],
)
def test_a_drifting_endpoint_is_found_soon(level: float, plan: Plan, beats: int) -> None:
    """The median number of heartbeats until both arms' words or deeds are said to have moved."""
    needed = []
    for endpoint in range(25):
        watch = Watch(own_of(*[answers(20_000 + 3 * endpoint + run, plan=WIDE) for run in range(3)]))
        for beat in range(60):
            watch.see(answers(200_000 + 1000 * endpoint + beat, level, level, plan))
            if watch.verdicts[-1] is not Verdict.STEADY:
                break
        needed.append(len(watch.verdicts))
    print(f"drift {level}: median {median(needed)}, worst {max(needed)} heartbeats")
    assert median(needed) <= beats


def test_an_inverted_persona_is_told_from_a_coherent_one() -> None:
    found = []
    for endpoint in range(20):
        watch = Watch(own_of(answers(30_000 + endpoint, plan=WIDE)))
        for beat in range(8):
            watch.see(answers(300_000 + 1000 * endpoint + beat, 0.0, 1.0, WIDE))
        found.append(watch.verdicts[-1])
    assert found.count(Verdict.INVERTED_PERSONA) >= 19, found


def test_the_upper_bound_of_a_baseline_holds_as_often_as_it_says() -> None:
    rng = random.Random(9)
    missed = 0
    for _ in range(3000):
        mean = rng.choice((0.01, 0.05, 0.3))
        n = 60
        scored = sum(rng.random() < mean for _ in range(n)) / n
        missed += upper_bound(scored, n, bets.CONFIDENCE_DELTA) < mean
    assert missed <= 180  # 150 expected at the most; 180 is 2.5 standard errors above


def test_the_published_reference_leaves_room_for_another_model() -> None:
    """A model that is a little worse than the published base all over is steady: that is what the margin is for."""
    rng = random.Random(3)
    start = sequential.start_from_published(Arm.SELF_REPORT, PROFILES, ARM_PROBES[Arm.SELF_REPORT], "k")
    base = {c.cell: c.mean for c in PROFILES.base.cells if c.cell.probe in ARM_PROBES[Arm.SELF_REPORT]}
    cells = {cell: mean + bets.TRANSPORT_MARGIN - 0.03 for cell, mean in base.items()}
    assert all(run_length(start, cells, rng, sequential.THRESHOLD_LOG10, 400) == 400 for _ in range(20))
