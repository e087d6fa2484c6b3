"""Asking again, within bounds: the one place that decides how often and how soon."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from probes.types import CallError

T = TypeVar("T")
MAX_WAIT_S = 60.0


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


async def attempt(call: Callable[[], Awaitable[T]], retry: Retry, rng: random.Random) -> Attempted[T]:
    """Call until it succeeds, fails for good, or has failed `retry.attempts` times. Every attempt is counted."""
    made = 0
    while True:
        made += 1
        try:
            return Attempted(attempts=made, value=await call())
        except CallError as error:
            if not error.retryable or made >= retry.attempts:
                return Attempted(attempts=made, error=error)
            await asyncio.sleep(retry.wait_s(made, error, rng))
