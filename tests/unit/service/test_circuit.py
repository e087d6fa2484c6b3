"""When an endpoint is down, and how gently it is asked until it is back."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.rules import RULES
from probes.types import Problem, Reason
from service.circuit import CLOSED, LONGEST_WAIT_S, OPEN_AFTER, Circuit, blames, wait
from tests.support.clock import START as NOW


def problem(reason: Reason) -> Problem:
    return Problem(reason=reason, detail="d", remedy="r")


def opened() -> Circuit:
    circuit = CLOSED
    for _ in range(OPEN_AFTER):
        circuit = circuit.failed(NOW, random.Random(1))
    return circuit


def test_one_failed_run_is_a_hiccup_and_a_second_opens_the_circuit() -> None:
    once = CLOSED.failed(NOW, random.Random(1))
    assert (once.failures, once.open) == (1, False)
    twice = once.failed(NOW, random.Random(1))
    assert twice.next_probe is not None
    assert timedelta(seconds=30) <= twice.next_probe - NOW <= timedelta(seconds=45)


def test_the_alert_that_an_endpoint_is_down_can_fire_before_its_runs_are_skipped() -> None:
    (rule,) = (rule for rule in RULES if rule.name == "EndpointDown")
    assert rule.for_runs <= OPEN_AFTER


def test_a_failed_run_of_an_endpoint_that_is_down_leaves_its_probe_where_it_is() -> None:
    circuit = opened()
    again = circuit.failed(NOW + timedelta(seconds=10), random.Random(2))
    assert again == Circuit(failures=circuit.failures + 1, probes=0, next_probe=circuit.next_probe)


@given(probes=st.integers(0, 10_000), seed=st.integers())
def test_waits_grow_from_half_a_minute_to_a_quarter_of_an_hour_and_are_spread(probes: int, seed: int) -> None:
    found = wait(probes, random.Random(seed)).total_seconds()
    assert 30 <= found <= 900
    assert found <= 45 * 2.0 ** min(probes, 20)
    if probes >= 5:
        assert found >= 600


def test_many_endpoints_that_went_down_together_are_not_probed_together() -> None:
    waits = {round(wait(3, random.Random(seed)).total_seconds()) for seed in range(50)}
    assert len(waits) > 25


def test_a_probe_is_due_at_its_time_and_after_a_clock_was_set_back() -> None:
    circuit = opened().probed(NOW, random.Random(3))
    assert circuit.next_probe is not None
    assert not circuit.due(NOW)
    assert circuit.due(circuit.next_probe)
    assert circuit.due(NOW - timedelta(seconds=LONGEST_WAIT_S + 1)), "no wait is that long"
    assert not CLOSED.due(NOW)


BLAMED = [Reason.UNREACHABLE, Reason.UNAUTHORIZED, Reason.UNKNOWN_MODEL, Reason.QUOTA_EXHAUSTED, Reason.SERVER_ERROR,
          Reason.EMPTY, Reason.RATE_LIMITED, Reason.NOT_OPENAI_COMPATIBLE, Reason.OUTBOUND_DENIED]  # fmt: skip


@pytest.mark.parametrize("reason", BLAMED)
def test_endpoint_problems_speak_against_it(reason: Reason) -> None:
    assert blames(problem(reason), asked=True, scored=False) is True


@pytest.mark.parametrize("reason", [Reason.BUDGET_EXHAUSTED, Reason.OFFLINE, Reason.FILTERED, Reason.JUDGE_DOWN])
def test_our_own_problems_do_not(reason: Reason) -> None:
    assert blames(problem(reason), asked=True, scored=False) is None


def test_a_slow_run_and_a_changed_plan_tell_nothing_and_a_good_run_clears() -> None:
    assert blames(problem(Reason.TIMEOUT), asked=True, scored=True) is None
    assert blames(problem(Reason.TIMEOUT), asked=True, scored=False) is True
    assert blames(problem(Reason.BAD_REQUEST), asked=False, scored=False) is None
    assert blames(problem(Reason.BAD_REQUEST), asked=True, scored=False) is True
    assert blames(None, asked=True, scored=True) is False
