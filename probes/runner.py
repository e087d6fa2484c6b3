"""One plan against one client: concurrency, rate, deadlines, retries counted, and an end when asking is pointless."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from probes.batches import Batch, batches
from probes.capabilities import TOP_LOGPROBS
from probes.judge import Judge
from probes.retry import Retry, attempt
from probes.scorer import GIVE_UP_AFTER, Arrived, Scorer
from probes.types import (
    PERMANENT,
    Answer,
    Ask,
    CallError,
    Capabilities,
    Client,
    Item,
    Problem,
    Reason,
    Reply,
    Sampling,
    Score,
    Unscored,
)


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
        capabilities: Capabilities | None = None,
        second_judge: Judge | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._client = client
        self._scorer = Scorer(judge=judge, second_judge=second_judge, score_of=score_of)
        self._capabilities = capabilities or Capabilities()
        self._sampling = sampling
        self._limits = limits
        self._before_call = before_call
        self._rng = rng or random.Random()
        self._retry = Retry(attempts=limits.max_attempts, base_s=limits.retry_base_s)
        self._pace = Pace(limits.requests_per_minute)
        self._failures = 0
        self._answered = False
        self._enough = False
        self._fatal: Problem | None = None
        self.problem: Problem | None = None

    @property
    def judge_problem(self) -> Problem | None:
        return self._scorer.judge_problem

    def enough(self) -> None:
        """Begin nothing new: what is under way comes back as answers, and then `answers()` ends."""
        self._enough = True

    async def answers(self, asks: Iterable[Ask]) -> AsyncGenerator[Answer, None]:
        """Each answer as soon as it is complete, in no order. Raises EndpointFailed after the last of them.

        An answer that makes further askings of its item needless says how many (`saved`). Past the run's deadline what
        is unanswered is dropped, and `problem` says so.
        """
        todo = iter(batches(asks, self._capabilities, plain=self._plain_sampling()))
        done: asyncio.Queue[Answer | None] = asyncio.Queue()
        ended = asyncio.Event()

        async def worker() -> None:
            for batch in todo:
                if self._fatal is not None or self._enough:
                    return
                await self._carry_out(batch, done.put_nowait)

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

    async def _carry_out(self, batch: Batch, keep: Callable[[Answer], None]) -> None:
        """The askings of one item: several at a time where the server can, and no more than are needed."""
        left = list(batch.asks)
        sampling = self._sampling
        if batch.expected:
            sampling = replace(sampling, top_logprobs=TOP_LOGPROBS)
        while left and self._fatal is None:
            size = 1 if sampling.top_logprobs else min(len(left), batch.at_once)
            now, left = left[:size], left[size:]
            answers = await self._answers(now, replace(sampling, n=size))
            left = now[len(answers) :] + left  # fewer replies came than were asked for
            for index, answer in enumerate(answers):
                pending = len(answers) - index - 1 + len(left)
                scored = await self._scorer.settle(now[index].item, answer, pending)
                # what was refused before it was sent is no answer: it stays unasked
                if not (self._fatal is not None and scored.attempts == 0 and scored.reply is None):
                    keep(scored)
                if scored.saved:
                    return
            sampling = replace(sampling, top_logprobs=0)

    def _plain_sampling(self) -> bool:
        """Whether replies are drawn from the very distribution that log-probabilities tell of."""
        return self._sampling.temperature == 1.0 and not {"top_p", "top_k", "min_p"} & set(self._sampling.extra)

    async def _answers(self, asks: Sequence[Ask], sampling: Sampling) -> list[Arrived]:
        """One call: as many replies as came, at most one an ask; a failed call is one answer without a score."""
        ask = asks[0]
        done = await attempt(lambda: self._call(ask, sampling), self._retry, self._rng)
        if done.value is None:
            problem = done.error.problem if done.error else Problem(reason=Reason.UNREACHABLE, detail="", remedy="")
            self._note_failure(problem)
            sent = done.attempts if problem.reason is not Reason.BUDGET_EXHAUSTED else done.attempts - 1
            outcome = Unscored(reason=problem.reason, detail=problem.detail)
            return [Arrived(answer=replace(_blank(ask), attempts=sent, outcome=outcome))]
        self._failures, self._answered = 0, True
        reply = done.value
        found = []
        for index, (one, choice) in enumerate(zip(asks, reply.choices, strict=False)):
            answer = replace(
                _blank(one),
                reply=choice.text or choice.refusal or "",
                latency_s=reply.latency_s,
                model=reply.model,
                system_fingerprint=reply.system_fingerprint,
            )
            if index == 0:  # a call is counted and paid for once
                answer = replace(
                    answer,
                    attempts=done.attempts,
                    prompt_tokens=reply.prompt_tokens or 0,
                    completion_tokens=reply.completion_tokens or 0,
                )
            found.append(Arrived(answer=answer, choice=choice, positions=reply.positions if index == 0 else ()))
        return found

    async def _call(self, ask: Ask, sampling: Sampling) -> Reply:
        self._before_call()
        await self._pace.turn()
        return await self._client.ask(ask.item.messages, sampling=sampling, deadline_s=self._limits.call_deadline_s)

    def _note_failure(self, problem: Problem) -> None:
        """A problem that will not pass ends the run; so do failures in a row with no answer in between."""
        if problem.reason is Reason.FILTERED:  # about this question, not about the endpoint
            return
        self._failures += 1
        patience = 2 * GIVE_UP_AFTER if self._answered else GIVE_UP_AFTER
        if problem.reason in PERMANENT or self._failures >= patience:
            self._fatal = self._fatal or problem


def _blank(ask: Ask) -> Answer:
    outcome = Unscored(reason=Reason.EMPTY)
    return Answer(item_id=ask.item.id, cell=ask.item.cell, repeat=ask.repeat, outcome=outcome, attempts=0)


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
