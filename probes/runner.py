"""One plan against one client: through the endpoint's gate, with deadlines, retries counted, and an end when asking is
pointless. Every reply is handed over to be kept before its place at the gate is given up, and before it is judged."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from probes.batches import Batch, batches
from probes.capabilities import TOP_LOGPROBS
from probes.gate import Gate, Pacing
from probes.judge import Judge
from probes.retry import Retry, attempt, wants_too_long
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
from probes.usage import usage_of

GRACE_S = 5.0
"""Calls under way may take so long when a run stops: they are paid for."""

Keep = Callable[[Answer], Awaitable[None]]
"""Keeps an answer; returns once it is safe. A judged answer comes twice: pending, and with its grade."""


class EndpointFailed(Exception):  # noqa: N818 (reads as the event it is)
    """The endpoint is down or refuses for good; the rest was not asked."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.reason}: {problem.detail}")
        self.problem = problem


class _Over(Exception):  # noqa: N818 (reads as the event it is)
    """The run ended while a call waited for its turn."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long and how often. Deadlines in seconds; a call's counts each attempt."""

    call_deadline_s: float = 60.0
    run_deadline_s: float = 7200.0
    max_attempts: int = 3
    retry_base_s: float = 1.0


class Runner:
    """Asks once. After `run()`, `problem` and `judge_problem` say what went wrong, if anything.

    `gate`: the way to the endpoint, shared by all who ask it; `tenant`: who asks, where several share a gate.
    """

    def __init__(
        self,
        *,
        client: Client,
        judge: Judge | None,
        sampling: Sampling,
        limits: Limits,
        score_of: Callable[[Item, str], Score | Unscored],
        before_call: Callable[[], None] = lambda: None,
        gate: Gate | None = None,
        tenant: str = "",
        capabilities: Capabilities | None = None,
        second_judge: Judge | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._client = client
        self._scorer = Scorer(judge=judge, second_judge=second_judge, score_of=score_of, tenant=tenant)
        self._capabilities = capabilities or Capabilities()
        self._sampling = sampling
        self._limits = limits
        self._before_call = before_call
        self._gate = gate or Gate(Pacing())
        self._tenant = tenant
        self._most_at_once = self._gate.most + (judge.gate.most if judge else 0)
        self._rng = rng or random.Random()
        self._retry = Retry(attempts=limits.max_attempts, base_s=limits.retry_base_s)
        self._failures = 0
        self._failed_attempts = 0
        self._answered = False
        self._enough = False
        self._stopped = False
        self._fatal: Problem | None = None
        self._work: asyncio.Task[None] | None = None
        self._cut: asyncio.TimerHandle | None = None
        self.problem: Problem | None = None

    @property
    def judge_problem(self) -> Problem | None:
        return self._scorer.judge_problem

    def enough(self) -> None:
        """Begin nothing new: what is under way comes back as answers, and then `run()` ends."""
        self._enough = True

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Begin nothing new, and cut off what is still under way after `grace_s` seconds."""
        self._enough = self._stopped = True
        if self._work is not None and self._cut is None:
            self._cut = asyncio.get_running_loop().call_later(grace_s, self._work.cancel)

    async def run(self, asks: Iterable[Ask], keep: Keep, *, unjudged: Sequence[tuple[Item, Answer]] = ()) -> None:
        """Put every question and `keep` each answer, in no order; grade the `unjudged` answers of an earlier try.

        An answer that makes further askings of its item needless says how many (`saved`). Past the run's deadline what
        is unanswered is dropped, and `problem` says so. Raises EndpointFailed after the last answer, and what `keep`
        raises, grouped.
        """
        loop = asyncio.get_running_loop()
        todo = iter(_chains(batches(asks, self._capabilities, plain=self._plain_sampling()), unjudged))
        self._work = asyncio.create_task(self._all(todo, keep))
        expiry = loop.call_later(self._limits.run_deadline_s, self._expire)
        try:
            await asyncio.wait({self._work})
        finally:
            expiry.cancel()
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work
            if self._cut is not None:
                self._cut.cancel()
        if self._fatal is not None:
            self.problem = self._fatal
            raise EndpointFailed(self._fatal)

    async def _all(self, todo: "Iterable[_Chain]", keep: Keep) -> None:
        chains = iter(todo)

        async def worker() -> None:
            for chain in chains:
                if self._stopped:
                    return
                with contextlib.suppress(_Over):
                    await self._carry_out(chain, keep)

        async with asyncio.TaskGroup() as group:
            for _ in range(self._most_at_once):
                group.create_task(worker())

    def _expire(self) -> None:
        self.problem = _overdue(self._limits.run_deadline_s)
        self.stop()

    @property
    def _over(self) -> bool:
        return self._enough or self._fatal is not None

    async def _carry_out(self, chain: "_Chain", keep: Keep) -> None:
        """The askings of one item: several at a time where the server can, and no more than are needed."""
        left = list(chain.batch.asks)
        if await self._grade(chain.item, chain.unjudged, len(left), keep):
            return
        sampling = self._sampling
        if chain.batch.expected:
            sampling = replace(sampling, top_logprobs=TOP_LOGPROBS)
        while left and not self._over:
            size = 1 if sampling.top_logprobs else min(len(left), chain.batch.at_once)
            now, left = left[:size], left[size:]
            answers = await self._answers(now, replace(sampling, n=size), len(left), keep)
            left = now[len(answers) :] + left  # fewer replies came than were asked for
            pending = [answer for answer in answers if _is_pending(answer)]
            if await self._grade(chain.item, pending, len(left), keep) or any(answer.saved for answer in answers):
                return
            sampling = replace(sampling, top_logprobs=0)

    async def _grade(self, item: Item, answers: Sequence[Answer], left: int, keep: Keep) -> bool:
        """Have the judge grade stored answers of one item. True when no further asking of the item is needed."""
        graded = await asyncio.gather(*(self._scorer.graded(item, answer, left) for answer in answers))
        settled = False
        for answer in graded:
            # the same askings are saved once
            await keep(replace(answer, saved=0) if settled else answer)
            settled = settled or answer.saved > 0
        return settled

    def _plain_sampling(self) -> bool:
        """Whether replies are drawn from the very distribution that log-probabilities tell of."""
        return self._sampling.temperature == 1.0 and not {"top_p", "top_k", "min_p"} & set(self._sampling.extra)

    async def _answers(self, asks: Sequence[Ask], sampling: Sampling, left: int, keep: Keep) -> list[Answer]:
        """One call: as many replies as came, at most one an ask; a failed call is one answer without a score."""
        ask = asks[0]

        async def call(made: int) -> list[Answer]:
            async with self._gate.turn(self._tenant) as turn:
                if self._over:
                    raise _Over
                self._before_call()
                deadline_s = self._limits.call_deadline_s
                try:
                    reply = await turn.call(
                        lambda: self._client.ask(ask.item.messages, sampling=sampling, deadline_s=deadline_s)
                    )
                except CallError as error:
                    self._note_attempt(error.problem)
                    raise
                self._failures = self._failed_attempts = 0
                self._answered = True
                found = self._arrived(asks, reply, made, left)
                await _keep_all(found, keep)  # before anyone else gets the place
                return found

        done = await attempt(call, self._retry, self._rng, go_on=lambda: not self._over)
        if done.value is not None:
            return done.value
        failed = self._failed(ask, done.error, done.attempts)
        # what was refused before it was sent is no answer: it stays unasked
        if failed.attempts > 0:
            await keep(failed)
        return [failed]

    def _arrived(self, asks: Sequence[Ask], reply: Reply, attempts: int, left: int) -> list[Answer]:
        found = []
        answers = list(zip(asks, reply.choices, strict=False))
        for index, (one, choice) in enumerate(answers):
            answer = replace(
                _blank(one),
                reply=choice.text or choice.refusal or "",
                latency_s=reply.latency_s,
                model=reply.model,
                system_fingerprint=reply.system_fingerprint,
            )
            if index == 0:  # a call is counted and paid for once
                usage = usage_of(one.item.messages, reply)
                answer = replace(
                    answer,
                    attempts=attempts,
                    prompt_tokens=usage.prompt,
                    completion_tokens=usage.completion,
                    usage_estimated=usage.estimated,
                )
            arrived = Arrived(answer=answer, choice=choice, positions=reply.positions if index == 0 else ())
            found.append(self._scorer.arrived(one.item, arrived, len(asks) - len(answers) + left))
        return found

    def _failed(self, ask: Ask, error: CallError | None, attempts: int) -> Answer:
        problem = error.problem if error else Problem(reason=Reason.UNREACHABLE, detail="", remedy="")
        self._note_failure(problem, for_good=error is not None and wants_too_long(error))
        outcome = Unscored(reason=problem.reason, detail=problem.detail)
        return replace(_blank(ask), attempts=attempts, outcome=outcome)

    def _note_attempt(self, problem: Problem) -> None:
        """Attempts in a row: many questions may be on their first one when the server goes away. To be asked to slow
        down is not to be away."""
        if problem.reason in (Reason.RATE_LIMITED, Reason.FILTERED):
            return
        self._failed_attempts += 1
        patience = (2 if self._answered else 1) * GIVE_UP_AFTER * self._limits.max_attempts
        if self._failed_attempts >= patience:
            self._fatal = self._fatal or problem

    def _note_failure(self, problem: Problem, *, for_good: bool) -> None:
        """A problem that will not pass ends the run; so do failures in a row with no answer in between."""
        if problem.reason is Reason.FILTERED:  # about this question, not about the endpoint
            return
        self._failures += 1
        patience = 2 * GIVE_UP_AFTER if self._answered else GIVE_UP_AFTER
        if for_good or problem.reason in PERMANENT or self._failures >= patience:
            self._fatal = self._fatal or problem


@dataclass(frozen=True, kw_only=True)
class _Chain:
    """What is done about one item, one thing after another."""

    item: Item
    batch: Batch
    unjudged: tuple[Answer, ...] = ()


def _chains(todo: Iterable[Batch], unjudged: Sequence[tuple[Item, Answer]]) -> list[_Chain]:
    waiting: dict[str, list[Answer]] = {}
    items = {item.id: item for item, _answer in unjudged}
    for item, answer in unjudged:
        waiting.setdefault(item.id, []).append(answer)
    found = [
        _Chain(item=batch.asks[0].item, batch=batch, unjudged=tuple(waiting.pop(batch.asks[0].item.id, ())))
        for batch in todo
    ]
    alone = (_Chain(item=items[name], batch=Batch(asks=()), unjudged=tuple(rest)) for name, rest in waiting.items())
    return [*alone, *found]


async def _keep_all(answers: Sequence[Answer], keep: Keep) -> None:
    if len(answers) == 1:
        await keep(answers[0])
    else:
        await asyncio.gather(*(keep(answer) for answer in answers))


def _blank(ask: Ask) -> Answer:
    outcome = Unscored(reason=Reason.EMPTY)
    return Answer(item_id=ask.item.id, cell=ask.item.cell, repeat=ask.repeat, outcome=outcome, attempts=0)


def _is_pending(answer: Answer) -> bool:
    return isinstance(answer.outcome, Unscored) and answer.outcome.reason is Reason.JUDGE_PENDING


def _overdue(deadline_s: float) -> Problem:
    return Problem(
        reason=Reason.TIMEOUT,
        detail=f"the run took longer than {deadline_s:g} s",
        remedy="ask fewer questions, raise limits.concurrency, or raise SELFWATCH_RUN_DEADLINE_S",
    )


__all__ = ["CallError", "EndpointFailed", "Limits", "Runner"]
