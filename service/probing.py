"""Endpoints that are down are asked one tiny question now and then, until they are back."""

import asyncio
import random
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from probes.types import CallError, Message, Problem, Reason, Sampling
from service.circuit import CLOSED, FIRST_WAIT_S, LONGEST_WAIT_S, blames
from service.clients import Clients
from service.connectivity import OFFLINE, Connectivity
from service.log import logger
from service.storage import endpoints as endpoint_store
from service.storage import health as health_store
from service.storage import slots as slot_store
from service.storage.engine import Database
from service.storage.schema import EndpointRow
from service.uninterrupted import uninterrupted

LOOK_S = 1.0
PROBES_AT_ONCE = 8
PROBE_DEADLINE_S = 15.0
QUESTION = (Message(role="user", content="Reply with the word ok."),)
TOKENS = 16
HEARTBEAT = "heartbeat"
"""The plan that is due at once when an endpoint is back."""

log = logger()


async def after_run(
    session: AsyncSession,
    endpoint_id: int,
    problem: Problem | None,
    *,
    asked: bool,
    scored: bool,
    now: datetime,
    rng: random.Random,
) -> None:
    """Health and circuit of an endpoint after a run that ended with `problem`. Of our own limits they do not learn."""
    if problem is not None and problem.reason in (Reason.BUDGET_EXHAUSTED, Reason.OFFLINE):
        return
    await endpoint_store.set_health(session, endpoint_id, problem, now)
    blamed = blames(problem, asked=asked, scored=scored)
    row = await health_store.current(session, endpoint_id)
    if blamed is None or row is None:
        return
    before = health_store.circuit_of(row)
    after = before.failed(now, rng) if blamed else CLOSED
    await health_store.save_circuit(session, endpoint_id, after)
    if after.open != before.open:
        action = "circuit_opened" if after.open else "circuit_closed"
        log.warning("endpoint is down" if after.open else "endpoint is back", action=action, endpoint=row.name)
    if before.open and not after.open:
        await slot_store.catch_up(session, endpoint_id, now)


class Probing:
    """Probes the endpoints whose circuit is open, a bounded number at once, each with its deadline."""

    def __init__(
        self,
        *,
        database: Database,
        clients: Clients,
        connectivity: Connectivity,
        deadline_s: float,
        clock: Callable[[], datetime],
        changed: Callable[[], None],
        rng: random.Random | None = None,
        unrecorded_wait_s: float = FIRST_WAIT_S,
    ) -> None:
        self._unrecorded_wait_s = unrecorded_wait_s
        self._database = database
        self._clients = clients
        self._connectivity = connectivity
        self._deadline_s = min(deadline_s, PROBE_DEADLINE_S)
        self._clock = clock
        self._changed = changed
        self._rng = rng or random.Random()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.create_task(self._run(), name="probing")

    async def stop(self) -> None:
        tasks = [*self._tasks.values(), *([self._loop] if self._loop else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("circuits cannot be read", action="probing_failed")
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Start the probes that are due, as far as there is room."""
        room = PROBES_AT_ONCE - len(self._tasks)
        if room <= 0:
            return
        for endpoint in await uninterrupted(self._due(list(self._tasks), room)):
            task = asyncio.create_task(self._probe(endpoint), name=f"probe-{endpoint.name}")
            self._tasks[endpoint.id] = task
            task.add_done_callback(partial(self._done, endpoint.id))

    def _done(self, endpoint_id: int, _task: asyncio.Task[None]) -> None:
        self._tasks.pop(endpoint_id, None)

    async def _due(self, busy: Collection[int], room: int) -> list[EndpointRow]:
        now = self._clock()
        # further away than any wait: the clock has been set back since
        due = or_(EndpointRow.next_probe <= now, EndpointRow.next_probe > now + timedelta(seconds=LONGEST_WAIT_S))
        query = select(EndpointRow).where(due, EndpointRow.paused.is_(False), EndpointRow.id.not_in(busy))
        async with self._database.read() as session:
            rows = await session.scalars(query.order_by(EndpointRow.next_probe))
            return [row for row in rows if not self._connectivity.concerns(row.base_url)][:room]

    async def _probe(self, endpoint: EndpointRow) -> None:
        try:
            problem = await self.ask(endpoint)
            if problem is None:
                await uninterrupted(self._back(endpoint, {HEARTBEAT}))
            else:
                await uninterrupted(self._still_down(endpoint, problem))
        except Exception:
            log.exception("probe cannot be recorded", action="probing_failed", endpoint=endpoint.name)
            await asyncio.sleep(self._unrecorded_wait_s)  # nothing says when the next is due: stay gentle

    async def first_look(self, endpoint: EndpointRow) -> None:
        """Before a run: an endpoint that is down, or that we could not reach while offline, is asked one tiny question.
        Raises CallError with the reason, to end the run with, when it does not answer."""
        row = await self._database.persistently(lambda: self._now(endpoint.id))
        if row is None or not (row.next_probe is not None or self._connectivity.concerns(row.base_url)):
            return
        problem = await self.ask(row)
        if problem is not None:
            raise CallError(OFFLINE if self._connectivity.concerns(row.base_url) else problem)
        await self._database.persistently(lambda: self._back(row, set()))

    async def _now(self, endpoint_id: int) -> EndpointRow | None:
        async with self._database.read() as session:
            return await health_store.current(session, endpoint_id)

    async def ask(self, endpoint: EndpointRow) -> Problem | None:
        """Why the endpoint does not answer one tiny question; None if it does. Tells connectivity what was seen."""
        problem = None
        sampling = Sampling(temperature=None, max_tokens=TOKENS, extra=endpoint.sampling.get("extra") or {})
        try:
            async with asyncio.timeout(self._deadline_s + 1):
                client = self._clients.of(endpoint)
                reply = await client.ask(QUESTION, sampling=sampling, deadline_s=self._deadline_s)
            if not (reply.text.strip() or reply.refusal or reply.reasoned or reply.finish_reason == "length"):
                problem = Problem(
                    reason=Reason.EMPTY, detail="the reply was empty", remedy="check the model's chat template"
                )
        except CallError as error:
            problem = None if error.problem.reason is Reason.FILTERED else error.problem  # it answers
        except TimeoutError:
            problem = Problem(
                reason=Reason.TIMEOUT, detail=f"no answer within {self._deadline_s:g} s",
                remedy="check the server's load",
            )  # fmt: skip
        await uninterrupted(self._connectivity.seen(endpoint, problem))
        return problem

    async def _back(self, endpoint: EndpointRow, plans: Collection[str]) -> None:
        now = self._clock()
        async with self._database.write() as session:
            row = await health_store.current(session, endpoint.id)
            if row is None or not _same(row, endpoint) or row.next_probe is None:
                return
            await endpoint_store.set_health(session, endpoint.id, None, now)
            await health_store.save_circuit(session, endpoint.id, CLOSED)
            await slot_store.catch_up(session, endpoint.id, now, plans=plans)
        log.warning("endpoint is back", action="circuit_closed", endpoint=endpoint.name)
        self._changed()

    async def _still_down(self, endpoint: EndpointRow, problem: Problem) -> None:
        now = self._clock()
        async with self._database.write() as session:
            row = await health_store.current(session, endpoint.id)
            if row is None or not _same(row, endpoint) or row.next_probe is None:
                return
            if not self._connectivity.concerns(row.base_url):
                await health_store.note_probe(session, row, problem, now)
            after = health_store.circuit_of(row).probed(now, self._rng)
            row.probes, row.next_probe = after.probes, after.next_probe
        log.info("endpoint is still down", action="probe_failed", endpoint=endpoint.name, reason=problem.reason)
        self._changed()


def _same(now: EndpointRow, then: EndpointRow) -> bool:
    """Whether an endpoint still is what was probed: not if it was changed meanwhile."""
    fields = ("base_url", "model", "key_kind", "key_value")
    return all(getattr(now, field) == getattr(then, field) for field in fields)
