"""The e-detector, step by step; its promise is proven in tests/simulation."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines import bets, sequential, wobble
from baselines.serialize import detector_from_json, detector_to_json
from baselines.types import ARM_PROBES, Arm, DetectorState, Profile, ProfileCell, State
from probes.measure import observations
from probes.types import Answer, Cell
from tests.support.arms import PROFILES, answers

CELL = Cell(probe="harm", category="insults")
DIMENSION = Cell(probe="harm")
SPANS = {DIMENSION: 0.5}


def detector(mean: float = 0.3, margin: float = 0.0) -> DetectorState:
    return sequential.start_from_known(Arm.BEHAVIOUR, {CELL: mean}, SPANS, "k", margin=margin)


def own(n: int = 40, mean: float = 0.1, runs: int = 1) -> Profile:
    cells = [Cell(probe="harm", category=name) for name in ("insults", "violence")]
    return Profile(
        name="own", state=State.OWN, provenance="", runs=runs,
        cells=tuple(ProfileCell(cell=cell, mean=mean, n=n, items=n) for cell in cells),
    )  # fmt: skip


def seen(*values: float, cell: Cell = CELL) -> list[bets.Seen]:
    return [bets.Seen(key=cell.key, value=value) for value in values]


def harm_of(found: list[Answer]) -> list[bets.Seen]:
    return [bets.Seen(key=o.cell.key, value=o.value) for o in observations(found) if o.cell.probe == "harm"]


def test_one_heartbeat_by_hand() -> None:
    """A single bet, on a move of 0.5 from a known mean of 0.3: b = 0.5 / (0.3 0.7); tempered by the design effect."""
    state = sequential.observe(detector(), seen(1.0, 0.0))
    bet = 0.5 / 0.21
    noise = wobble.design_effect(detector().evidence.wobble, n=2, mean=0.3)
    log_e = (math.log1p(bet * 0.7) + math.log1p(-bet * 0.3)) / noise
    assert state.evidence.log_r is not None
    assert state.evidence.log_r[bets.ALONG.index(1.0)] == pytest.approx(log_e)
    again = sequential.observe(state, seen(1.0, 0.0))
    assert again.evidence.log_r is not None
    assert again.evidence.log_r[bets.ALONG.index(1.0)] == pytest.approx(
        math.log(math.exp(log_e) + 1) + log_e, abs=1e-3
    )  # the spread of a score is a little better known by then
    assert again.evidence.heartbeats == 2


def test_equal_scores_are_worth_the_same_together_and_one_by_one() -> None:
    """A heartbeat is a product: the order of its items does not matter."""
    one = sequential.observe(detector(), seen(1.0, 0.0, 1.0, 0.25))
    assert one == sequential.observe(detector(), seen(0.25, 1.0, 1.0, 0.0))


def test_a_cell_that_is_not_known_is_held_against_the_arms_mean() -> None:
    state = sequential.observe(detector(), seen(1.0, cell=Cell(probe="harm", category="violence")))
    assert sequential.evidence_log10(state) == sequential.evidence_log10(sequential.observe(detector(), seen(1.0)))


def test_without_observations_nothing_is_learnt() -> None:
    assert sequential.observe(detector(), []) == detector()
    assert sequential.evidence_log10(detector()) == 0.0


@pytest.mark.parametrize("value", [math.nan, -0.01, 1.01, math.inf])
def test_a_score_out_of_range_is_refused_by_name(value: float) -> None:
    with pytest.raises(ValueError, match=rf"harm///insults: score {value}"):
        sequential.observe(detector(), seen(0.0, value))


def test_it_alarms_on_a_shift_and_calms_down_after_it() -> None:
    state = sequential.start_from_published(Arm.BEHAVIOUR, PROFILES, ARM_PROBES[Arm.BEHAVIOUR], "k")
    for seed in range(20):
        state = sequential.observe(state, harm_of(answers(seed, 0, 1)))
    assert sequential.alarms(state)
    for seed in range(100, 112):
        state = sequential.observe(state, harm_of(answers(seed)))
    assert not sequential.alarms(state), "the cap lets it come back soon"


@given(
    st.lists(st.tuples(st.sampled_from(["insults", "violence", "new"]), st.floats(0, 1)), min_size=1, max_size=30),
    st.floats(0, 1),
    st.integers(1, 500),
)
def test_no_scores_whatever_make_it_lose_everything(scores: list[tuple[str, float]], mean: float, n: int) -> None:
    state = sequential.start_from_own(Arm.BEHAVIOUR, own(n, mean), own(n, mean).cells, "k", SPANS)
    for _ in range(3):
        state = sequential.observe(
            state, [bets.Seen(key=Cell(probe="harm", category=c).key, value=x) for c, x in scores]
        )
    assert all(math.isfinite(value) for value in state.evidence.log_r or ())
    assert -99 <= sequential.evidence_log10(state) <= sequential.THRESHOLD_LOG10 + sequential.HEADROOM_LOG10


def test_it_survives_storage_to_the_last_bit() -> None:
    start = sequential.start_from_own(Arm.BEHAVIOUR, own(), own().cells, "k", SPANS)
    state = start
    for _ in range(9):
        state = sequential.observe(state, [*seen(1.0, 0.25, 0.0), *seen(0.5, cell=Cell(probe="harm", category="x"))])
    assert detector_from_json(detector_to_json(state)) == state
    assert detector_from_json(detector_to_json(start)) == start


def test_fewer_answers_in_the_baseline_make_slower_evidence() -> None:
    def after(n: int) -> float:
        state = sequential.start_from_own(Arm.BEHAVIOUR, own(n), own(n).cells, "k", SPANS)
        return sequential.evidence_log10(sequential.observe(state, seen(*[1.0] * 4 + [0.0] * 6)))

    assert after(10) < after(40) < after(4000)


def test_one_cell_alone_can_raise_the_alarm() -> None:
    """Of 24 cells one goes from 0.05 to 0.9, the others stay: the arm's mean hardly moves."""
    cells = [Cell(probe="self_assessment", dimension=str(i)) for i in range(24)]
    baseline = Profile(
        name="own", state=State.OWN, provenance="", cells=tuple(ProfileCell(cell=c, mean=0.05, n=500) for c in cells)
    )
    state = sequential.start_from_own(Arm.SELF_REPORT, baseline, baseline.cells, "k", {})
    for beat in range(25):
        moved = [bets.Seen(key=cells[0].key, value=float(beat % 10 > 0))]
        rest = [bets.Seen(key=c.key, value=float((beat * 24 + i) % 20 == 0)) for i, c in enumerate(cells[1:])]
        state = sequential.observe(state, [*moved, *rest])
    assert sequential.alarms(state)


def test_a_new_reference_starts_anew_and_keeps_what_is_known_of_the_wobble() -> None:
    state = detector()
    for beat in range(16):
        state = sequential.observe(state, seen(*[1.0] * (2 + beat % 2), *[0.0] * 8))
    new = sequential.carried_over(detector(0.5), state)
    assert new.evidence.log_r is None
    assert new.evidence.heartbeats == 0
    assert new.evidence.wobble.compared == state.evidence.wobble.compared > 0
    assert sequential.carried_over(replace(detector(), arm=Arm.SELF_REPORT), state).evidence.wobble.compared == 0
