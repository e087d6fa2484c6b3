"""The one way to a server, for all who ask it: calls at once, requests and tokens a minute, the server's own wishes.

Who waits is let through in turn: a run with thousands of questions does not hold up one with a few.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain

from probes.breaker import Breaker
from probes.retry import MAX_WAIT_S
from probes.types import CallError, Problem, Reason, Reply
from probes.window import Window

MINUTE_S = 60.0
AT_A_TIME = 8
"""So many are let in before others get their turn of the event loop: calls that go out together come back together, and
a hundred replies in one turn would hold up everything else for 0.1 s."""
TOKEN_BURST_S = 10.0
"""Tokens that were not used may be made up for later, but no more than those of so many seconds."""
OVERLOAD = frozenset({Reason.RATE_LIMITED, Reason.SERVER_ERROR, Reason.TIMEOUT, Reason.UNREACHABLE})
"""What a server that is asked too much says, or does."""


@dataclass(frozen=True, kw_only=True)
class Pacing:
    """`concurrency`: the most calls at once; without the other limits, as fast as the server answers."""

    concurrency: int = 8
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """A look at a gate. `window`: calls that may be under way at once now; `held_s`: until the server wants the next
    one, in seconds."""

    window: int
    most: int
    under_way: int
    waiting: int
    held_s: float


class Turn:
    """One place at the gate: what becomes of its call decides how the next ones go."""

    def __init__(self, gate: "Gate", began: float, charged: float) -> None:
        self._gate = gate
        self._began = began
        self._charged = charged

    async def call(self, put: Callable[[], Awaitable[Reply]]) -> Reply:
        """Put the call. Raises the CallError that it raises."""
        try:
            reply = await put()
        except CallError as error:
            self._gate.failed(error, began=self._began, charged=self._charged)
            raise
        self._gate.succeeded(reply, charged=self._charged)
        return reply


class Gate:
    """Lets calls through to one server. Belongs to one event loop. With a breaker, a server that keeps failing is left
    alone for a while."""

    def __init__(
        self,
        pacing: Pacing | None = None,
        *,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pacing = pacing or Pacing()
        self._breaker = breaker
        self._window = Window(self._pacing.concurrency)
        self._clock = clock
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._under_way = 0
        self._next_request = 0.0
        self._next_token = 0.0
        self._held_until = 0.0
        self._tokens_a_call = 0.0
        self._alarm: asyncio.TimerHandle | None = None

    def pace(self, pacing: Pacing) -> None:
        """Change the limits; what is under way goes on."""
        if pacing != self._pacing:
            self._pacing = pacing
            self._window.limit(pacing.concurrency)
            self._admit()

    @property
    def traffic(self) -> Traffic:
        waiting = sum(not place.done() for queue in self._waiting.values() for place in queue)
        return Traffic(
            window=self._window.size, most=self._window.most, under_way=self._under_way, waiting=waiting,
            held_s=max(self._held_until - self._clock(), 0.0),
        )  # fmt: skip

    @property
    def problem(self) -> Problem | None:
        """Why the server is left alone at the moment, if so."""
        if (refused := self._too_long()) is not None:
            return refused.problem
        return self._breaker.reason() if self._breaker is not None else None

    @property
    def under_way(self) -> int:
        return self._under_way

    @property
    def most(self) -> int:
        return self._window.most

    @asynccontextmanager
    async def turn(self, tenant: str = "") -> AsyncIterator[Turn]:
        """A place, as soon as there is one. Among tenants that wait, each gets one in turn.

        Raises CallError while the server wants to be left alone for longer than anyone should wait, and while the
        breaker is open.
        """
        if (refused := self._too_long()) is not None:
            raise refused
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(place)
        self._admit()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # let in at the very moment
                self._leave()
            raise
        try:
            if self._breaker is not None and (problem := self._breaker.refuses(self._clock())) is not None:
                raise CallError(problem, sent=False)
            yield Turn(self, self._clock(), self._charge())
        finally:
            self._leave()

    async def ask(self, tenant: str, put: Callable[[], Awaitable[Reply]]) -> Reply:
        """One call in its turn. Raises the CallError that it raises."""
        async with self.turn(tenant) as turn:
            return await turn.call(put)

    def succeeded(self, reply: Reply, *, charged: float) -> None:
        # who waits would make use of more: calls that come back together must not each find the window half empty
        self._window.succeeded(reply.latency_s, busy=self._window.size if self._waiting else self._under_way)
        if self._breaker is not None:
            self._breaker.succeeded()
        used = float((reply.prompt_tokens or 0) + (reply.completion_tokens or 0))
        known = self._tokens_a_call
        self._tokens_a_call = used if known == 0 else known + 0.125 * (used - known)
        self._correct(used - charged)

    def failed(self, error: CallError, *, began: float, charged: float) -> None:
        self._correct(-charged)
        if self._breaker is not None and error.problem.reason is not Reason.FILTERED:
            self._breaker.failed(error.problem, self._clock())
        if error.problem.reason in OVERLOAD:
            self._window.congested(began=began, now=self._clock())
        if error.retry_after_s:
            self._held_until = max(self._held_until, self._clock() + error.retry_after_s)
            self._turn_away()

    def _too_long(self) -> CallError | None:
        """Why nobody should wait here, if so."""
        held_s = self._held_until - self._clock()
        if held_s <= MAX_WAIT_S:
            return None
        detail = f"the server asked to be left alone (Retry-After); {held_s:.0f} s of that are left"
        remedy = "wait, or raise the rate limit with the provider"
        problem = Problem(reason=Reason.RATE_LIMITED, detail=detail, remedy=remedy)
        return CallError(problem, retry_after_s=held_s, sent=False)

    def _turn_away(self) -> None:
        """Those who wait already are not kept waiting either, when the server wants to be left alone for long."""
        refused = self._too_long()
        if refused is None:
            return
        waiting, self._waiting = self._waiting, OrderedDict()
        for place in chain.from_iterable(waiting.values()):
            if not place.done():
                place.set_exception(refused)

    def _leave(self) -> None:
        self._under_way -= 1
        self._admit()

    def _admit(self) -> None:
        """Let in whoever may go now; be woken when the next one may."""
        admitted = 0
        while self._under_way < self._window.size and self._waiting:
            if admitted == AT_A_TIME:
                self._wake_in(0.0)
                return
            wait = max(self._held_until, self._next_request, self._next_token) - self._clock()
            if wait > 0:
                self._wake_in(wait)
                return
            place = self._next_in_turn()
            if place is None:
                return
            self._under_way += 1
            admitted += 1
            if self._pacing.requests_per_minute:
                gap = MINUTE_S / self._pacing.requests_per_minute
                self._next_request = max(self._next_request, self._clock()) + gap
            place.set_result(None)

    def _next_in_turn(self) -> "asyncio.Future[None] | None":
        while self._waiting:
            tenant, queue = next(iter(self._waiting.items()))
            del self._waiting[tenant]
            place = queue.popleft()
            if queue:
                self._waiting[tenant] = queue  # behind the others
            if not place.done():  # done: it was cancelled while it waited
                return place
        return None

    def _wake_in(self, seconds: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._admit)

    def _charge(self) -> float:
        """Count the tokens that a call will probably use; `_correct` mends it once they are known."""
        if not self._pacing.tokens_per_minute:
            return 0.0
        self._next_token = max(self._next_token, self._clock() - TOKEN_BURST_S)
        self._correct(self._tokens_a_call)
        return self._tokens_a_call

    def _correct(self, tokens: float) -> None:
        if self._pacing.tokens_per_minute:
            self._next_token += tokens * MINUTE_S / self._pacing.tokens_per_minute
