"""When an endpoint counts as down, and how gently it is asked until it is back. Pure."""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from probes.types import Problem, Reason

OPEN_AFTER = 2
"""Failed runs in a row that open the circuit: one is a hiccup. Not more than EndpointDown takes to fire."""
FIRST_WAIT_S = 30.0
LONGEST_WAIT_S = 900.0
SPREAD = 1.5
NOT_ITS_FAULT: frozenset[Reason] = frozenset(
    {Reason.BUDGET_EXHAUSTED, Reason.OFFLINE, Reason.FILTERED, Reason.JUDGE_DOWN, Reason.JUDGE_MOVED}
)


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """`failures`: failed runs in a row. `probes`: failed probes since it opened. Open exactly while `next_probe` is
    set."""

    failures: int = 0
    probes: int = 0
    next_probe: datetime | None = None

    @property
    def open(self) -> bool:
        return self.next_probe is not None

    def failed(self, now: datetime, rng: random.Random) -> "Circuit":
        """After one more failed run. An open circuit keeps its next probe."""
        failures = self.failures + 1
        if self.open or failures < OPEN_AFTER:
            return replace(self, failures=failures)
        return Circuit(failures=failures, next_probe=now + wait(0, rng))

    def probed(self, now: datetime, rng: random.Random) -> "Circuit":
        """After one more failed probe."""
        return replace(self, probes=self.probes + 1, next_probe=now + wait(self.probes + 1, rng))

    def due(self, now: datetime) -> bool:
        """Whether to probe now. A date further away than any wait comes from a clock that has been set back since."""
        if self.next_probe is None:
            return False
        return self.next_probe <= now or self.next_probe > now + timedelta(seconds=LONGEST_WAIT_S)


CLOSED = Circuit()


def wait(probes: int, rng: random.Random) -> timedelta:
    """Until the next probe after `probes` failed ones: 30 s, doubling, spread by half, never over 15 min."""
    base = min(FIRST_WAIT_S * 2.0 ** min(probes, 20), LONGEST_WAIT_S / SPREAD)
    return timedelta(seconds=base * rng.uniform(1.0, SPREAD))


def blames(problem: Problem | None, *, asked: bool, scored: bool) -> bool | None:
    """Whether a run's end speaks against its endpoint: True, False (it answers), or None, when it tells nothing.

    A run that ran out of time with some answers tells of a slow endpoint, not of one that is down; one that was refused
    before it asked anything (a changed plan) tells of us.
    """
    if problem is None:
        return False
    if problem.reason in NOT_ITS_FAULT:
        return None
    if problem.reason is Reason.TIMEOUT and scored:
        return None
    if problem.reason is Reason.BAD_REQUEST and not asked:
        return None
    return True
