"""ModelChanged by the distance off the line: steady heartbeats never reach it, a model changed in another way does."""

from dataclasses import replace

import pytest

from alerts.operations import LEAST_BASELINE, model_changed
from baselines.types import Profile
from probes.types import Answer, Score
from tests.support.arms import Watch, answers, own_of
from tests.unit.alerts.facts import facts

pytestmark = pytest.mark.simulation


def judged(own: Profile, found: list[Answer]) -> bool | None:
    comparison = Watch(own).see(found).comparison
    return model_changed(facts(off_axis=comparison.off_axis, arms=comparison.arms, baseline_answers=LEAST_BASELINE))


def test_steady_heartbeats_never_say_so() -> None:
    """12 baselines of three heartbeats, 25 heartbeats against each: baselines err as well, and stay."""
    for baseline in range(12):
        own = own_of(*(answers(1000 * baseline + run) for run in range(3)))
        told = {judged(own, answers(1000 * baseline + 100 + beat)) for beat in range(25)}
        assert told == {False}


def test_a_model_that_changed_in_another_way_is_found() -> None:
    """It chooses badly throughout, and describes itself as before."""
    own = own_of(*(answers(run) for run in range(3)))
    found = 0
    for beat in range(20):
        run = [
            replace(one, outcome=Score(value=1.0, scorer="t")) if one.cell.probe == "intentions" else one
            for one in answers(100 + beat)
        ]
        found += judged(own, run) is True
    assert found >= 15, "most heartbeats say so by themselves"
