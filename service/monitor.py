"""One run from claim to verdict: ask, store every answer as it arrives, then measure and conclude."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy.exc import OperationalError

from baselines import early
from probes import registry
from probes.plans import banks_hash
from probes.runner import EndpointFailed, Limits, Runner
from probes.types import (
    Answer,
    CallError,
    Capabilities,
    Plan,
    Problem,
    Reason,
)
from service import grounds
from service.asking import STALLED_S, Asking
from service.budgets import Ledger, Meter
from service.clients import Clients, capabilities_of, learn
from service.conclude import Conclusion
from service.early_end import EarlyEnd
from service.false_alarms import FalseAlarms
from service.gates import Gates
from service.judge_control import Checked
from service.judging import JudgeUnavailable, Judging
from service.log import logger
from service.outcome import Outcome
from service.settings import Settings
from service.storage import answers as answer_store
from service.storage import runs as run_store
from service.storage.engine import Database
from service.storage.runs import LostLeaseError
from service.storage.schema import EndpointRow, RunRow
from service.uninterrupted import uninterrupted
from service.work import Work, needs_judge, sampling_of, work_of
from service.writer import AnswerWriter

log = logger()


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
        ledger: Ledger,
        changed: Callable[[], None],
        gates: Gates,
        first_look: Callable[[EndpointRow], Awaitable[None]],
        clock: Callable[[], datetime],
    ) -> None:
        self._first_look = first_look
        self._database = database
        self._settings = settings
        self._plans = plans
        self._clients = clients
        self._judging = judging
        self._conclusion = conclusion
        self._false_alarms = false_alarms
        self._ledger = ledger
        self._changed = changed
        self._gates = gates
        self._clock = clock
        self._asking: dict[str, Asking] = {}
        self._begun: dict[str, float] = {}
        self._draining = False

    def drain(self) -> None:
        """Ask nothing new from now on: this process stops."""
        self._draining = True
        for asking in self._asking.values():
            asking.stop()

    def look(self, run_id: str) -> None:
        """Something was asked of a run, such as to stop: see to it now, if it is ours."""
        if run_id in self._asking:
            self._asking[run_id].writer.look()

    def stalled(self, run_id: str) -> bool:
        """Whether a run has been waiting for its server for long."""
        asking = self._asking.get(run_id)
        moved_at = asking.moved_at if asking else self._begun.get(run_id, time.monotonic())
        return time.monotonic() - moved_at > STALLED_S

    async def execute(self, run: RunRow) -> None:
        """Carry out a claimed run. Never raises but for cancellation, which puts the run back in the queue."""
        self._begun[run.id] = time.monotonic()
        try:
            await self._execute(run)
        except asyncio.CancelledError:
            with contextlib.suppress(OperationalError):  # it is taken up again once its lease has run out
                await uninterrupted(self._release(run))
            raise
        finally:
            del self._begun[run.id]
        self._changed()

    async def _execute(self, run: RunRow) -> None:
        try:
            with self._ledger.open(run) as meter:
                outcome = await self._ask_all(run, meter)
                if outcome is None:
                    await self._database.persistently(lambda: self._release(run))
                else:
                    await self._database.persistently(lambda: self._conclusion.write(run, outcome))
        except* LostLeaseError:
            log.warning("run taken over by another worker", action="run_lost", run=run.id)
        except* OperationalError:  # the database was away at a moment when nothing was at stake: once more, later
            await self._database.persistently(lambda: self._release(run))
        except* Exception:  # a fault of ours must end this run visibly, and no other
            log.exception("run failed inside selfwatch", action="run_internal_error", run=run.id)
            await self._database.persistently(lambda: self._conclusion.fail_internally(run))

    async def _release(self, run: RunRow) -> None:
        async with self._database.write() as session:
            await run_store.release(session, run)

    async def _so_far(self, run: RunRow) -> tuple[EndpointRow, list[Answer]]:
        """The endpoint, and the answers there are already."""
        async with self._database.read() as session:
            endpoint = await session.get_one(EndpointRow, run.endpoint_id)
            return endpoint, await answer_store.answers_of(session, [run.id])

    async def _ask_all(self, run: RunRow, meter: Meter) -> Outcome | None:
        """Ask what is left. None: the run is not over, and goes back to the queue."""
        endpoint, done = await self._database.persistently(lambda: self._so_far(run))
        plan = self._plans.get(run.plan)
        if plan is None or banks_hash(plan, registry.probe) != run.banks_hash:
            return Outcome(problem=_stale_plan(run.plan, known=plan is not None))
        work = await asyncio.to_thread(work_of, run, endpoint, plan, done, judged=isinstance(self._judging, Judging))
        log.info(
            "run started",
            action="run_started",
            run=run.id,
            endpoint=endpoint.name,
            plan=run.plan,
            to_ask=len(work.asks),
        )
        try:
            await self._database.persistently(lambda: meter.admit(endpoint, plan, work.asks))
            await self._first_look(endpoint)
            runner = await self._runner(work, meter)
        except CallError as error:
            return Outcome(problem=error.problem)
        asking = await self._asking_of(work, runner, meter)
        self._asking[run.id] = asking
        if self._draining:
            asking.stop()
        try:
            return await self._carry_out(work, asking, meter)
        finally:
            del self._asking[run.id]

    async def _asking_of(self, work: Work, runner: Runner, meter: Meter) -> Asking:
        gate = self._gates.of(work.endpoint)

        def stop() -> None:
            asking.stop()

        writer = AnswerWriter(
            self._database,
            work.run,
            changed=self._changed,
            stop=stop,
            in_flight=lambda: gate.under_way,
            pending=[answer.key for _item, answer in work.unjudged],
            priced=meter.priced,
            clock=self._clock,
        )
        ending = await self._early_end(work.run, work.endpoint, work.plan, work.done)
        asking = Asking(runner=runner, writer=writer, ending=ending, spend=meter.add_judged)
        asking.judged = any(answer.score is not None and needs_judge(answer.cell.probe) for answer in work.done)
        return asking

    async def _carry_out(self, work: Work, asking: Asking, meter: Meter) -> Outcome | None:
        problem: Problem | None = None
        checked: Checked | None = None
        try:
            async with self._judge_checked(work.plan) as check, asking.writer.open():
                try:
                    await asking.runner.run(work.asks, asking.keep, unjudged=work.unjudged)
                except EndpointFailed as error:
                    problem = error.problem
                if check is not None and asking.judged and not asking.stopped:  # while the writer keeps the lease
                    checked = await check
                    meter.add_check(checked)
        except* LostLeaseError:
            raise LostLeaseError(work.run.id) from None
        if asking.writer.wishes.cancelled:
            return Outcome(cancelled=True)
        if asking.stopped and problem is None:
            return None
        judge_problem = await self._judge_problem(asking.runner, checked)
        return Outcome(
            problem=problem or asking.runner.problem,
            judge_problem=judge_problem,
            judge_check=checked,
            early=asking.ending.ended,
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
        if isinstance(self._judging, JudgeUnavailable) or not any(needs_judge(s.probe) for s in plan.selections):
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

    async def _runner(self, work: Work, meter: Meter) -> Runner:
        """Raises CallError when the endpoint's key cannot be had."""
        client = meter.around(self._clients.of(work.endpoint))
        capabilities = await self._capabilities(work.endpoint) if work.asks else Capabilities()
        judging = self._judging if isinstance(self._judging, Judging) else None
        return Runner(
            client=client,
            judge=judging.judge if judging else None,
            second_judge=judging.second if judging else None,
            capabilities=capabilities,
            sampling=sampling_of(work, reasoning=capabilities.reasoning),
            limits=Limits(
                call_deadline_s=self._settings.call_deadline_s,
                run_deadline_s=self._settings.run_deadline_s,
                retry_base_s=self._settings.retry_base_s,
            ),
            score_of=lambda item, reply: registry.probe(item.probe).score(item, reply),
            before_call=meter.check,
            gate=self._gates.of(work.endpoint),
            tenant=work.run.id,
        )


def _stale_plan(name: str, *, known: bool) -> Problem:
    detail = (
        f"the item banks of plan {name!r} have changed since this run was queued"
        if known
        else f"the plan {name!r} is not defined any more"
    )
    remedy = "start a new run" if known else "define the plan in the config file, or drop the schedule"
    return Problem(reason=Reason.BAD_REQUEST, detail=detail, remedy=remedy)
