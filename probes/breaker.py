"""A circuit breaker: what fails again and again is left alone for a while, then tried by one call. Pure."""

from probes.types import ABOUT_ONE_CALL, PERMANENT, Problem

AFTER = 5
"""So many failures in a row open it; one that will not pass opens it at once."""
REST_S = 30.0
MAX_REST_S = 900.0


class Breaker:
    """Closed: calls go through. Open: they are refused with `problem` until the rest is over; then one may try."""

    def __init__(self) -> None:
        self._failures = 0
        self._rest_s = REST_S
        self._open_until: float | None = None
        self.problem: Problem | None = None

    def refuses(self, now: float) -> Problem | None:
        """Why no call may go now, if so. The call that is let through after a rest is the only one for the next."""
        if self._open_until is None:
            return None
        if now < self._open_until:
            return self.problem
        self._rest(now)
        return None

    def reason(self) -> Problem | None:
        """The reason since it opened, until a call succeeds. Changes nothing, unlike `refuses`."""
        return self.problem if self._open_until is not None else None

    def succeeded(self) -> None:
        self._failures, self._rest_s, self._open_until, self.problem = 0, REST_S, None, None

    def failed(self, problem: Problem, now: float) -> None:
        self._failures += 1
        if self._open_until is None and (self._failures >= AFTER or problem.reason in PERMANENT - ABOUT_ONE_CALL):
            self._rest(now)
        self.problem = problem

    def _rest(self, now: float) -> None:
        self._open_until = now + self._rest_s
        self._rest_s = min(2 * self._rest_s, MAX_REST_S)
