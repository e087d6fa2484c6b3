"""Asking again, within bounds."""

import random

import pytest

from probes.retry import Retry, attempt
from probes.types import PERMANENT, CallError, Problem, Reason


def error(reason: Reason, retry_after_s: float | None = None) -> CallError:
    return CallError(Problem(reason=reason, detail="d", remedy="r"), retry_after_s=retry_after_s)


async def made(failures: int, reason: Reason = Reason.SERVER_ERROR) -> tuple[int, object]:
    left = failures

    async def call(_made: int) -> str:
        nonlocal left
        left -= 1
        if left >= 0:
            raise error(reason)
        return "ok"

    done = await attempt(call, Retry(attempts=3, base_s=0), random.Random(1))
    return done.attempts, done.value if done.value is not None else done.error


async def test_what_passes_is_tried_again() -> None:
    assert await made(0) == (1, "ok")
    assert await made(2) == (3, "ok")


async def test_it_gives_up_after_its_attempts() -> None:
    attempts, last = await made(9)
    assert attempts == 3
    assert isinstance(last, CallError)


@pytest.mark.parametrize("reason", sorted(PERMANENT))
async def test_what_will_not_pass_is_tried_once(reason: Reason) -> None:
    assert (await made(9, reason))[0] == 1


def test_waits_double_are_spread_and_bounded() -> None:
    retry, rng = Retry(base_s=1.0), random.Random(1)
    waits = [[retry.wait_s(n, error(Reason.TIMEOUT), rng) for _ in range(500)] for n in (1, 2, 3)]
    for n, found in enumerate(waits):
        assert 0.5 * 2**n <= min(found) < 0.6 * 2**n
        assert 1.4 * 2**n < max(found) <= 1.5 * 2**n
    assert retry.wait_s(20, error(Reason.TIMEOUT), rng) == 120
    assert retry.wait_s(1, error(Reason.RATE_LIMITED, 30), rng) == 30
    assert retry.wait_s(1, error(Reason.RATE_LIMITED, 9999), rng) == 120
