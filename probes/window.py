"""How many calls at once a server is asked: from what it did to the calls before. Pure.

Additive increase, multiplicative decrease (Chiu and Jain, 1989), after a slow start as in TCP (RFC 5681, section 3.1):
the number doubles each round until the first sign of trouble, and grows by one a round after that.
"""

START = 8
"""Calls at once before anything is known of a server."""
CUT = 0.5
HOLDS = 2.0
SLACK_S = 0.05
"""Latency holds while its running mean stays within HOLDS times the best one seen, and SLACK_S."""
SMOOTHING = 0.125
"""Weight of the newest latency in the running mean, as in RFC 6298."""
FORGETTING = 1.001
"""The best mean seen fades by so much a call: a server may become slower for good."""


class Window:
    """`size`: calls that may be under way at once, from 1 to `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = float(min(most, START))
        self._slow_start = True
        self._recent_s: float | None = None
        self._best_s = float("inf")
        self._cut_at = float("-inf")

    @property
    def size(self) -> int:
        return int(self._size)

    @property
    def most(self) -> int:
        return self._most

    def limit(self, most: int) -> None:
        """Change the upper bound."""
        self._most = most
        self._size = min(self._size, float(most))

    def succeeded(self, latency_s: float, *, busy: int) -> None:
        """A call was answered while `busy` were under way. What was not made use of does not grow."""
        recent = latency_s if self._recent_s is None else self._recent_s + SMOOTHING * (latency_s - self._recent_s)
        self._recent_s = recent
        self._best_s = min(self._best_s * FORGETTING, recent)
        if busy < self.size:
            return
        if recent > HOLDS * self._best_s + SLACK_S:
            self._slow_start = False
            return
        self._size = min(self._size + (1.0 if self._slow_start else 1.0 / self._size), float(self._most))

    def congested(self, *, began: float, now: float) -> None:
        """A call that began at `began` met an overload (any clock). Calls of one round cut the size once."""
        self._slow_start = False
        if began < self._cut_at:
            return
        self._size = max(1.0, self._size * CUT)
        self._cut_at = now
