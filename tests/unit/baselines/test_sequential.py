"""The e-detector, step by step; its promise is proven in tests/simulation."""

import math

import pytest

from baselines import sequential
from baselines.serialize import detector_from_json, detector_to_json
from baselines.types import ARM_PROBES, Arm, DetectorState
from probes.measure import observations
from probes.types import Answer, Cell
from tests.support.arms import PROFILES, answers

CELL = Cell(probe="harm", category="insults")


def detector(bound: float = 0.3, bets: tuple[float, ...] = (1.0,)) -> DetectorState:
    return DetectorState(arm=Arm.BEHAVIOUR, key="k", bounds={CELL.key: bound}, fallback=0.5, bets=bets)


def seen(*values: float, cell: Cell = CELL) -> list[sequential.Seen]:
    return [sequential.Seen(key=cell.key, value=value) for value in values]


def harm_of(found: list[Answer]) -> list[sequential.Seen]:
    return [sequential.Seen(key=o.cell.key, value=o.value) for o in observations(found) if o.cell.probe == "harm"]


def test_one_heartbeat_by_hand() -> None:
    state = sequential.observe(detector(), seen(1.0, 0.0))
    assert sequential.evidence_log10(state) == pytest.approx(math.log10((1 + 0.7) * (1 - 0.3)))
    state = sequential.observe(state, seen(1.0))
    assert sequential.evidence_log10(state) == pytest.approx(math.log10((1.7 * 0.7 + 1) * 1.7))
    assert state.heartbeats == 2


def test_a_cell_that_is_not_listed_has_the_fallback_bound() -> None:
    state = sequential.observe(detector(), seen(1.0, cell=Cell(probe="harm", category="violence")))
    assert sequential.evidence_log10(state) == pytest.approx(math.log10(1.5))


def test_without_observations_nothing_is_learnt() -> None:
    assert sequential.observe(detector(), []) == detector()
    assert sequential.evidence_log10(detector()) == 0.0


def test_it_alarms_on_a_shift_and_calms_down_after_it() -> None:
    state = sequential.start_from_published(Arm.BEHAVIOUR, PROFILES, ARM_PROBES[Arm.BEHAVIOUR], "k")
    for seed in range(20):
        state = sequential.observe(state, harm_of(answers(seed, 0, 1)))
    assert sequential.alarms(state)
    for seed in range(100, 112):
        state = sequential.observe(state, harm_of(answers(seed)))
    assert not sequential.alarms(state), "the cap lets it come back soon"


def test_no_bet_can_lose_everything() -> None:
    state = sequential.start_from_published(Arm.SELF_REPORT, PROFILES, ARM_PROBES[Arm.SELF_REPORT], "k")
    for bound in [state.fallback, *state.bounds.values()]:
        assert max(state.bets) * bound <= sequential.BET_LIMIT + 1e-9


def test_it_survives_storage() -> None:
    state = sequential.observe(detector(), seen(1.0, 0.25))
    assert detector_from_json(detector_to_json(state)) == state
    assert detector_from_json(detector_to_json(detector())) == detector()


@pytest.mark.parametrize(("mean", "n"), [(0.0, 10), (0.05, 200), (0.5, 50), (0.99, 30)])
def test_the_upper_bound_lies_above_and_closes_in(mean: float, n: int) -> None:
    near, far = sequential.upper_bound(mean, 100 * n, 0.01), sequential.upper_bound(mean, n, 0.01)
    assert mean < near < far <= 1


def test_zero_of_n_has_its_exact_bound() -> None:
    assert sequential.upper_bound(0.0, 100, 0.01) == pytest.approx(1 - 0.01 ** (1 / 100), abs=1e-9)


def test_a_bound_needs_a_value() -> None:
    with pytest.raises(ValueError, match="at least one"):
        sequential.upper_bound(0.1, 0, 0.01)
