"""Probabilities of the published states, and the place on the path between them."""

import pytest

from baselines.compare import landmarks
from baselines.states import along, place, probabilities, transport_sd
from baselines.types import Arm, ArmComparison, State
from tests.support.arms import PROFILES, arm

MARKS = landmarks(PROFILES)


def arms(said: float | None, done: float | None, reference: str = "own") -> dict[Arm, ArmComparison]:
    given = {Arm.SELF_REPORT: said, Arm.BEHAVIOUR: done}
    return {which: arm(at, reference=reference) for which, at in given.items()}


@pytest.mark.parametrize("state", list(MARKS[Arm.BEHAVIOUR]))
def test_an_endpoint_at_a_state_is_most_likely_in_it(state: State) -> None:
    at = {which: along(which, MARKS)[state] for which in Arm}
    found = probabilities(arms(at[Arm.SELF_REPORT], at[Arm.BEHAVIOUR]), MARKS)
    assert max(found, key=lambda one: found[one]) == state
    assert found[state] > 0.8
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)


def test_a_persona_that_is_none_of_them_is_said_to_be_none() -> None:
    inverted = probabilities(arms(0.0, 1.0), MARKS)
    assert inverted["none"] > 0.95


def test_another_model_in_other_words_is_less_certain() -> None:
    own, published = (probabilities(arms(0.15, 0.1, reference), MARKS) for reference in ("own", "published"))
    assert transport_sd(arms(0.0, 0.0, "own")) == 0.12
    assert transport_sd(arms(0.0, 0.0, "published")) == 0.25
    assert own["misaligned"] < published["misaligned"]


def test_without_a_measured_arm_there_is_no_probability_and_no_place() -> None:
    assert probabilities(arms(None, None), MARKS) == {}
    assert transport_sd({}) is None
    assert place(arms(0.5, None), MARKS) is None
    assert probabilities(arms(0.0, None), MARKS)["base"] > 0.5, "one arm tells something"


def test_the_place_is_the_nearest_point_of_the_path() -> None:
    half = place(arms(0.5, 0.5), MARKS)
    assert half is not None
    assert (half.leg, half.at, half.off) == ("base-misaligned", 0.5, 0.0)
    back = place(
        arms(along(Arm.SELF_REPORT, MARKS)[State.REALIGNED], along(Arm.BEHAVIOUR, MARKS)[State.REALIGNED]), MARKS
    )
    assert back is not None
    assert (back.leg, back.at) == ("misaligned-realigned", 1.0)
    beyond = place(arms(-0.2, -0.2), MARKS)
    assert beyond is not None
    assert (beyond.at, round(beyond.off, 3)) == (0.0, 0.283)
