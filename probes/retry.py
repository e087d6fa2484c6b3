"""Asking again, within bounds: the one place that decides how often and how soon."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from probes.types import CallError

T = TypeVar("T")
MAX_WAIT_S = 120.0
"""A server that wants to be left alone for longer is not waited for: the run ends, and a later one asks again."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """`attempts` in all; waits double from `base_s`, each spread by half, unless the server names a longer one."""

    attempts: int = 3
    base_s: float = 1.0

    def wait_s(self, attempt: int, error: CallError, rng: random.Random) -> float:
        """Seconds to wait after the `attempt`-th attempt (from 1) has failed."""
        own = self.base_s * 2.0 ** (attempt - 1) * rng.uniform(0.5, 1.5)
        return min(max(own, error.retry_after_s or 0.0), MAX_WAIT_S)


@dataclass(frozen=True, kw_only=True)
class Attempted(Generic[T]):
    """What came of it. Exactly one of `value` and `error` is set."""

    attempts: int
    value: T | None = None
    error: CallError | None = None


def wants_too_long(error: CallError) -> bool:
    """Whether the server wants to be left alone for longer than anyone should wait."""
    return (error.retry_after_s or 0.0) > MAX_WAIT_S


async def attempt(
    call: Callable[[int], Awaitable[T]], retry: Retry, rng: random.Random, *, go_on: Callable[[], bool] = lambda: True
) -> Attempted[T]:
    """Call until it succeeds, fails for good, has failed `retry.attempts` times, or `go_on` says no. `call` is told
    which attempt it is, from 1. Attempts that were never sent do not count."""
    made = 0
    while True:
        made += 1
        try:
            return Attempted(attempts=made, value=await call(made))
        except CallError as error:
            sent = made if error.sent else made - 1
            if not error.retryable or wants_too_long(error) or made >= retry.attempts or not go_on():
                return Attempted(attempts=sent, error=error)
            await asyncio.sleep(retry.wait_s(made, error, rng))
            if not go_on():
                return Attempted(attempts=sent, error=error)
