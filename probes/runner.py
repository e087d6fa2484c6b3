"""One plan against one client: concurrency, rate, deadlines, retries counted, and an end when asking is pointless."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, replace

from probes.judge import Judge
from probes.retry import Retry, attempt
from probes.types import (
    PERMANENT,
    Answer,
    Ask,
    CallError,
    Client,
    Item,
    Problem,
    Reason,
    Reply,
    Sampling,
    Score,
    Unscored,
)

GIVE_UP_AFTER = 5
"""So many failures in a row, with no success in between, and the other side is down."""


class EndpointFailed(Exception):  # noqa: N818 (reads as the event it is)
    """The endpoint is down or refuses for good; the rest was not asked."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.reason}: {problem.detail}")
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How hard one endpoint may be asked. Deadlines in seconds; a call's counts each attempt."""

    concurrency: int = 8
    requests_per_minute: int | None = None
    call_deadline_s: float = 60.0
    run_deadline_s: float = 7200.0
    max_attempts: int = 3
    retry_base_s: float = 1.0


class Pace:
    """Lets calls through evenly spaced, at most `per_minute`; without a limit, at once."""

    def __init__(self, per_minute: int | None) -> None:
        self._gap_s = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        if not self._gap_s:
            return
        now = time.monotonic()
        at = max(now, self._next)
        self._next = at + self._gap_s
        await asyncio.sleep(at - now)


class Runner:
    """Asks once. After `answers()` is exhausted, `problem` and `judge_problem` say what went wrong, if anything."""

    def __init__(
        self,
        *,
        client: Client,
        judge: Judge | None,
        sampling: Sampling,
        limits: Limits,
        score_of: Callable[[Item, str], Score | Unscored],
        before_call: Callable[[], None] = lambda: None,
        rng: random.Random | None = None,
    ) -> None:
        self._client = client
        self._judge = judge
        self._sampling = sampling
        self._limits = limits
        self._score_of = score_of
        self._before_call = before_call
        self._rng = rng or random.Random()
        self._retry = Retry(attempts=limits.max_attempts, base_s=limits.retry_base_s)
        self._pace = Pace(limits.requests_per_minute)
        self._failures = 0
        self._answered = False
        self._judge_failures = 0
        self._fatal: Problem | None = None
        self.problem: Problem | None = None
        self.judge_problem: Problem | None = None

    async def answers(self, asks: Iterable[Ask]) -> AsyncGenerator[Answer, None]:
        """Each answer as soon as it is complete, in no order. Raises EndpointFailed after the last of them.

        Past the run's deadline what is unanswered is dropped, and `problem` says so.
        """
        todo = iter(list(asks))
        done: asyncio.Queue[Answer | None] = asyncio.Queue()
        ended = asyncio.Event()

        async def worker() -> None:
            for ask in todo:
                if self._fatal is not None:
                    return
                answer = await self._answer(ask)
                # what was refused before it was sent is no answer: it stays unasked
                if not (self._fatal is not None and answer.attempts == 0):
                    done.put_nowait(answer)

        async def all_workers() -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(self._limits.concurrency):
                        group.create_task(worker())
            finally:
                ended.set()
                done.put_nowait(None)

        deadline = asyncio.get_running_loop().time() + self._limits.run_deadline_s
        asking = asyncio.create_task(all_workers())
        try:
            while (answer := await _next(done, deadline)) is not None:
                yield answer
            if not ended.is_set():
                self.problem = _overdue(self._limits.run_deadline_s)
        finally:
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking
        if self._fatal is not None:
            self.problem = self._fatal
            raise EndpointFailed(self._fatal)

    async def _answer(self, ask: Ask) -> Answer:
        blank = Answer(
            item_id=ask.item.id,
            cell=ask.item.cell,
            repeat=ask.repeat,
            outcome=Unscored(reason=Reason.EMPTY),
            attempts=0,
        )
        done = await attempt(lambda: self._call(ask), self._retry, self._rng)
        if done.value is None:
            problem = done.error.problem if done.error else Problem(reason=Reason.UNREACHABLE, detail="", remedy="")
            self._note_failure(problem)
            sent = done.attempts if problem.reason is not Reason.BUDGET_EXHAUSTED else done.attempts - 1
            return replace(blank, attempts=sent, outcome=Unscored(reason=problem.reason, detail=problem.detail))
        self._failures, self._answered = 0, True
        reply = done.value
        answer = replace(
            blank,
            reply=reply.text or reply.refusal or "",
            attempts=done.attempts,
            latency_s=reply.latency_s,
            model=reply.model,
            system_fingerprint=reply.system_fingerprint,
            prompt_tokens=reply.prompt_tokens or 0,
            completion_tokens=reply.completion_tokens or 0,
        )
        return await self._scored(ask.item, reply, answer)

    async def _call(self, ask: Ask) -> Reply:
        self._before_call()
        await self._pace.turn()
        return await self._client.ask(
            ask.item.messages, sampling=self._sampling, deadline_s=self._limits.call_deadline_s
        )

    async def _scored(self, item: Item, reply: Reply, answer: Answer) -> Answer:
        judged = item.scoring.kind == "judge"
        if not reply.text.strip():
            # a refusal that the server names as such is a reply to judge, but no choice, number or language
            if not reply.refusal:
                return replace(answer, outcome=Unscored(reason=Reason.EMPTY))
            if not judged:
                return replace(answer, outcome=Unscored(reason=Reason.REFUSED, detail="refused by the server"))
        if not judged:
            return replace(answer, outcome=self._score_of(item, reply.text))
        return await self._judged(item, reply.text or reply.refusal or "", answer)

    async def _judged(self, item: Item, text: str, answer: Answer) -> Answer:
        if self._judge is None or self._judge_failures >= GIVE_UP_AFTER:
            detail = "the judge is down" if self._judge else "no judge is configured"
            return replace(answer, outcome=Unscored(reason=Reason.JUDGE_DOWN, detail=detail))
        result = await self._judge.score(item, text)
        if result.problem is not None:
            self._judge_failures += GIVE_UP_AFTER if result.problem.reason in PERMANENT else 1
            if self._judge_failures >= GIVE_UP_AFTER:
                self.judge_problem = result.problem
        else:
            self._judge_failures = 0 if self._judge_failures < GIVE_UP_AFTER else self._judge_failures
        return replace(
            answer,
            outcome=result.outcome,
            judge_attempts=result.attempts,
            judge_prompt_tokens=result.prompt_tokens,
            judge_completion_tokens=result.completion_tokens,
        )

    def _note_failure(self, problem: Problem) -> None:
        """A problem that will not pass ends the run; so do failures in a row with no answer in between."""
        self._failures += 1
        patience = 2 * GIVE_UP_AFTER if self._answered else GIVE_UP_AFTER
        if problem.reason in PERMANENT or self._failures >= patience:
            self._fatal = self._fatal or problem


async def _next(done: "asyncio.Queue[Answer | None]", deadline: float) -> Answer | None:
    """The next answer; None when there are no more, or the deadline (loop time) has passed."""
    try:
        async with asyncio.timeout_at(deadline):
            return await done.get()
    except TimeoutError:
        return None


def _overdue(deadline_s: float) -> Problem:
    return Problem(
        reason=Reason.TIMEOUT,
        detail=f"the run took longer than {deadline_s:g} s",
        remedy="ask fewer questions, raise limits.concurrency, or raise SELFWATCH_RUN_DEADLINE_S",
    )


__all__ = ["CallError", "EndpointFailed", "Limits", "Runner"]
