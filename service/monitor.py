"""One run from claim to verdict: ask, store every answer as it arrives, then measure and conclude."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from baselines import early
from probes import registry
from probes.plans import banks_hash
from probes.runner import EndpointFailed, Limits, Runner
from probes.types import Answer, Ask, CallError, Capabilities, Client, Plan, Problem, Reason, Sampling
from service import grounds
from service.clients import Clients, capabilities_of, learn
from service.conclude import Conclusion
from service.early_end import EarlyEnd
from service.false_alarms import FalseAlarms
from service.judge_control import Checked
from service.judging import JudgeUnavailable, Judging
from service.log import logger
from service.outcome import Outcome
from service.questions import questions
from service.settings import Settings
from service.storage import runs as run_store
from service.storage.engine import Database
from service.storage.runs import LostLeaseError
from service.storage.schema import EndpointRow, RunRow
from service.uninterrupted import uninterrupted
from service.writer import AnswerWriter, RunCancelledError

log = logger()


REASONING_TOKENS = 4096
"""What a model that thinks before it answers may say, unless its registration says otherwise."""


class Monitor:
    """Carries out runs. Everything it needs is given: no globals, no configuration read."""

    def __init__(
        self,
        *,
        database: Database,
        settings: Settings,
        plans: Mapping[str, Plan],
        clients: Clients,
        judging: Judging | JudgeUnavailable,
        conclusion: Conclusion,
        false_alarms: FalseAlarms,
        changed: Callable[[], None],
    ) -> None:
        self._database = database
        self._settings = settings
        self._plans = plans
        self._clients = clients
        self._judging = judging
        self._conclusion = conclusion
        self._false_alarms = false_alarms
        self._changed = changed

    async def execute(self, run: RunRow) -> None:
        """Carry out a claimed run. Never raises but for cancellation, which puts the run back in the queue."""
        try:
            outcome = await self._ask_all(run)
            await uninterrupted(self._conclusion.write(run, outcome))
        except LostLeaseError:
            log.warning("run taken over by another worker", action="run_lost", run=run.id)
        except asyncio.CancelledError:
            await uninterrupted(self._release(run))
            raise
        except Exception:  # a fault of ours must end this run visibly, and no other
            log.exception("run failed inside selfwatch", action="run_internal_error", run=run.id)
            await uninterrupted(self._conclusion.fail_internally(run))
        self._changed()

    async def _release(self, run: RunRow) -> None:
        async with self._database.write() as session:
            await run_store.release(session, run)

    async def _so_far(self, run: RunRow) -> tuple[EndpointRow, list[Answer], int]:
        """The endpoint, the answers there are already, and the tokens it has cost today."""
        async with self._database.read() as session:
            endpoint = await session.get_one(EndpointRow, run.endpoint_id)
            done = await run_store.answers_of(session, [run.id])
            return endpoint, done, await run_store.tokens_today(session, endpoint.id, datetime.now(UTC))

    async def _ask_all(self, run: RunRow) -> Outcome:
        endpoint, done, spent = await uninterrupted(self._so_far(run))
        plan = self._plans.get(run.plan)
        if plan is None or banks_hash(plan, registry.probe) != run.banks_hash:
            return Outcome(problem=_stale_plan(run.plan, known=plan is not None))
        asks = _open(self._askable(questions(plan, seed=run.seed, focus=run.focus)), done)
        log.info(
            "run started", action="run_started", run=run.id, endpoint=endpoint.name, plan=run.plan, to_ask=len(asks)
        )
        try:
            client = self._clients.of(endpoint)
            capabilities = await self._capabilities(endpoint) if asks else Capabilities()
        except CallError as error:
            return Outcome(problem=error.problem)
        budget = Budget(limit=endpoint.limits.get("tokens_per_day"), spent=spent)
        runner = self._runner(client, capabilities, endpoint, plan, budget)
        writer = AnswerWriter(self._database, run, self._changed)
        problem: Problem | None = None
        judged = any(answer.score is not None and _needs_judge(answer.cell.probe) for answer in done)
        checked: Checked | None = None
        ending = await self._early_end(run, endpoint, plan, done)
        cancelled = lost = False
        try:
            async with (
                self._judge_checked(plan) as check,
                writer.open() as keep,
                aclosing(runner.answers(asks)) as answers,
            ):
                try:
                    async for answer in answers:
                        keep(answer)
                        budget.spend(answer)
                        await ending.see(answer, then=runner.enough)
                        judged = judged or (answer.score is not None and _needs_judge(answer.cell.probe))
                except EndpointFailed as error:
                    problem = error.problem
                if check is not None and judged:  # while the writer keeps the lease
                    checked = await check
        except* RunCancelledError:
            cancelled = True
        except* LostLeaseError:
            lost = True
        if lost:
            raise LostLeaseError(run.id)
        if cancelled:
            return Outcome(cancelled=True)
        judge_problem = await self._judge_problem(runner, checked)
        return Outcome(
            problem=problem or runner.problem, judge_problem=judge_problem, judge_check=checked, early=ending.ended
        )

    async def _early_end(self, run: RunRow, endpoint: EndpointRow, plan: Plan, done: Sequence[Answer]) -> EarlyEnd:
        if run.complete or run.focus is not None or not early.looks(run.total):
            return EarlyEnd(None, plan, done, total=run.total)
        async with self._database.read() as session:
            found = await grounds.read(session, run, endpoint, plan, self._false_alarms)
        return EarlyEnd(found, plan, done, total=run.total)

    async def _judge_problem(self, runner: Runner, checked: Checked | None) -> Problem | None:
        """Why the judge's grades are missing or of no use, if so. Those of this run are put away."""
        if isinstance(self._judging, JudgeUnavailable):
            return self._judging.problem
        await self._judging.grades.flush()
        return runner.judge_problem or (checked.problem if checked else None)

    @asynccontextmanager
    async def _judge_checked(self, plan: Plan) -> AsyncIterator["asyncio.Task[Checked] | None"]:
        """The check of the judge, under way while a run that needs it is asked; it ends with the run."""
        if isinstance(self._judging, JudgeUnavailable) or not any(_needs_judge(s.probe) for s in plan.selections):
            yield None
            return
        task = asyncio.create_task(self._judging.control.check(), name="judge-check")
        try:
            yield task
        finally:
            task.cancel()

    async def _capabilities(self, endpoint: EndpointRow) -> Capabilities:
        """What the endpoint's server can do: found out before its first run. A server that cannot be asked has none."""
        known = capabilities_of(endpoint)
        if known is not None:
            return known
        try:
            found = await learn(self._database, self._clients, endpoint, self._settings.call_deadline_s)
        except CallError:
            return Capabilities()  # the run meets the same problem, and names it
        return found.capabilities

    def _askable(self, asks: tuple[Ask, ...]) -> list[Ask]:
        """Without a judge, questions that need one are not asked: nobody should pay for answers that cannot count."""
        if isinstance(self._judging, JudgeUnavailable):
            return [ask for ask in asks if not _needs_judge(ask.item.probe)]
        return list(asks)

    def _runner(
        self, client: Client, capabilities: Capabilities, endpoint: EndpointRow, plan: Plan, budget: "Budget"
    ) -> Runner:
        chosen = endpoint.sampling
        judging = self._judging if isinstance(self._judging, Judging) else None
        sampling = Sampling(
            temperature=plan.temperature if chosen.get("temperature") is None else chosen["temperature"],
            max_tokens=plan.max_tokens if chosen.get("max_tokens") is None else chosen["max_tokens"],
            extra=chosen.get("extra") or {},
        )
        if capabilities.reasoning and chosen.get("max_tokens") is None:
            sampling = replace(sampling, max_tokens=max(plan.max_tokens, REASONING_TOKENS))
        limits = Limits(
            concurrency=endpoint.limits.get("concurrency", 8),
            requests_per_minute=endpoint.limits.get("requests_per_minute"),
            call_deadline_s=self._settings.call_deadline_s,
            run_deadline_s=self._settings.run_deadline_s,
            retry_base_s=self._settings.retry_base_s,
        )
        return Runner(
            client=client,
            judge=judging.judge if judging else None,
            second_judge=judging.second if judging else None,
            capabilities=capabilities,
            sampling=sampling,
            limits=limits,
            score_of=lambda item, reply: registry.probe(item.probe).score(item, reply),
            before_call=budget.check,
        )


class Budget:
    """Tokens an endpoint may still cost today (UTC)."""

    def __init__(self, *, limit: int | None, spent: int) -> None:
        self._limit = limit
        self._spent = spent

    def spend(self, answer: Answer) -> None:
        self._spent += answer.prompt_tokens + answer.completion_tokens

    def check(self) -> None:
        """Raises CallError(BUDGET_EXHAUSTED) once the day's tokens are used up."""
        if self._limit is not None and self._spent >= self._limit:
            detail = f"{self._spent} of {self._limit} tokens are used today"
            remedy = "raise limits.tokens_per_day, or wait for midnight UTC"
            raise CallError(Problem(reason=Reason.BUDGET_EXHAUSTED, detail=detail, remedy=remedy), sent=False)


def _open(asks: Sequence[Ask], done: Sequence[Answer]) -> list[Ask]:
    """What is left to ask: neither answered, nor made needless by an answer to the same item."""
    answered = {answer.key for answer in done}
    settled = {answer.item_id for answer in done if answer.saved}
    return [ask for ask in asks if ask.key not in answered and ask.item.id not in settled]


def _needs_judge(probe: str) -> bool:
    return registry.probe(probe).needs_judge


def _stale_plan(name: str, *, known: bool) -> Problem:
    detail = (
        f"the item banks of plan {name!r} have changed since this run was queued"
        if known
        else f"the plan {name!r} is not defined any more"
    )
    remedy = "start a new run" if known else "define the plan in the config file, or drop the schedule"
    return Problem(reason=Reason.BAD_REQUEST, detail=detail, remedy=remedy)
