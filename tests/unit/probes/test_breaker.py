"""The circuit breaker: opens after failures in a row, lets one call try after a rest, rests longer each time."""

from probes.breaker import AFTER, MAX_REST_S, REST_S, Breaker
from probes.types import Problem, Reason


def problem(reason: Reason = Reason.SERVER_ERROR) -> Problem:
    return Problem(reason=reason, detail="seen", remedy="do this")


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(AFTER):
        breaker.failed(problem(), now)
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker()
    for _ in range(AFTER - 1):
        breaker.failed(problem(), 0.0)
    assert breaker.refuses(0.0) is None
    breaker.succeeded()
    for _ in range(AFTER - 1):
        breaker.failed(problem(), 0.0)
    assert breaker.refuses(0.0) is None
    breaker.failed(problem(), 0.0)
    assert breaker.refuses(0.0) == problem()


def test_what_will_not_pass_opens_it_at_once() -> None:
    breaker = Breaker()
    breaker.failed(problem(Reason.UNAUTHORIZED), 0.0)
    assert breaker.refuses(1.0) == problem(Reason.UNAUTHORIZED)


def test_after_a_rest_one_call_may_try() -> None:
    breaker = opened()
    assert breaker.refuses(REST_S - 1) is not None
    assert breaker.refuses(REST_S) is None
    assert breaker.refuses(REST_S) is not None, "the second is refused while the first tries"
    breaker.succeeded()
    assert breaker.refuses(REST_S) is None
    assert breaker.problem is None


def test_rests_double_up_to_a_bound() -> None:
    breaker, now, rests = opened(), 0.0, []
    for _ in range(8):
        began = now
        while breaker.refuses(now) is not None:
            now += 1.0
        rests.append(now - began)
        breaker.failed(problem(), now)
    assert rests[:4] == [REST_S, 2 * REST_S, 4 * REST_S, 8 * REST_S]
    assert rests[-1] == MAX_REST_S


def test_one_reply_that_the_judge_cannot_take_does_not_open_it() -> None:
    """Else what a watched model says could put the judge out of action for everyone."""
    breaker = Breaker()
    for reason in (Reason.BAD_REQUEST, Reason.NOT_OPENAI_COMPATIBLE):
        breaker.failed(problem(reason), 0.0)
    assert breaker.refuses(0.0) is None
    for _ in range(AFTER):
        breaker.failed(problem(Reason.BAD_REQUEST), 0.0)
    assert breaker.refuses(0.0) is not None, "each and every one of them is another matter"
