"""Is it me? Before many endpoints are blamed at once, we look whether we can reach anybody.

The rule stands in docs/scheduling.md: two endpoints on different hosts fail on the network close together, nothing has
succeeded since, and none of the addresses tried can be reached: then we are offline, and no endpoint is blamed.
"""

import asyncio
import contextlib
import ipaddress
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.operations import WE_ARE_OFFLINE
from alerts.types import INSTALLATION
from probes.types import Problem, Reason
from service.log import logger
from service.outcome import Outcome
from service.storage import health as health_store
from service.storage import slots as slot_store
from service.storage.engine import Database
from service.storage.health import Health, health_of
from service.storage.schema import AlertRow, EndpointRow, RunRow

NETWORK: frozenset[Reason] = frozenset({Reason.UNREACHABLE, Reason.TIMEOUT})
ANSWERED: frozenset[Reason] = frozenset(
    {
        Reason.UNKNOWN_MODEL, Reason.NOT_OPENAI_COMPATIBLE, Reason.RATE_LIMITED, Reason.QUOTA_EXHAUSTED,
        Reason.SERVER_ERROR, Reason.EMPTY,
    }
)  # fmt: skip
"""Problems that a server has told us of: so we are not offline. Unauthorized is none: a key that cannot be read ends so
without a call."""
WINDOW_S = 600.0
"""Failures within this long are close together."""
BLAME_HOLDS_S = 30.0
"""Having reached somebody, we do not look again for this long."""
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 60.0
MOST_TARGETS = 8
OFFLINE = Problem(
    reason=Reason.OFFLINE,
    detail="several endpoints failed together and no other address could be reached: selfwatch itself is offline",
    remedy="check the network of the machine that selfwatch runs on; what was missed runs once when it is back",
)
log = logger()


@dataclass(frozen=True, kw_only=True, order=True)
class Target:
    """An address to open a TCP connection to."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def target_of(url: str) -> Target:
    """Where `url` (http or https) leads to."""
    parts = urlsplit(url)
    return Target(host=parts.hostname or "", port=parts.port or (443 if parts.scheme == "https" else 80))


def beyond_this_machine(host: str) -> bool:
    """Whether reaching `host` says something about the network: loopback proves only itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


@dataclass(kw_only=True)
class Suspect:
    """An endpoint that failed on the network: its host, when last (monotonic, s), its runs, its health before."""

    host: str
    at: float
    before: Health
    runs: list[str] = field(default_factory=list)


class Connectivity:
    """Whether we are offline. `reach` opens a TCP connection: True, False, or None when the outbound policy forbids it.
    `named`: the user's own addresses; without them those that answered lately are tried. `counts` tells which hosts say
    something about the network; where none does (all on loopback), all do."""

    def __init__(
        self,
        *,
        database: Database,
        reach: Callable[[Target], Awaitable[bool | None]],
        clock: Callable[[], datetime],
        changed: Callable[[], None],
        named: Sequence[Target] = (),
        judges: Sequence[str] = (),
        counts: Callable[[str], bool] = beyond_this_machine,
        monotonic: Callable[[], float] = time.monotonic,
        first_wait_s: float = FIRST_WAIT_S,
    ) -> None:
        self._database = database
        self._reach = reach
        self._clock = clock
        self._changed = changed
        self._named = tuple(named)
        self._judges = tuple(target_of(url) for url in judges)
        self._counts = counts
        self._monotonic = monotonic
        self._first_wait_s = first_wait_s
        self._suspects: dict[int, Suspect] = {}
        self._answered: dict[Target, float] = {}
        self._reached_at = float("-inf")
        self._since: datetime | None = None
        self._all_local = True
        self._targets: tuple[Target, ...] = ()
        self._lock = asyncio.Lock()
        self._to_forgive: dict[int, Suspect] = {}
        self._woken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def offline_since(self) -> datetime | None:
        """Since when we have been offline; None while we are not."""
        return self._since

    def concerns(self, base_url: str) -> bool:
        """Whether we are offline and the address is one that needs the network."""
        return self._since is not None and self._matters(target_of(base_url).host)

    def describe(self) -> str:
        """For people: `ok`, or since when, and how many addresses are tried."""
        if self._since is None:
            return "ok"
        return f"offline since {self._since:%Y-%m-%d %H:%M:%SZ}: none of {len(self._targets)} addresses can be reached"

    async def explain(self, endpoint: EndpointRow, run_id: str, outcome: Outcome) -> Outcome:
        """The outcome of a run, told apart from our own failure: `offline` in place of a network problem of ours."""
        if outcome.cancelled:
            return outcome
        await self.seen(endpoint, outcome.problem, run_id)
        if outcome.problem is None or outcome.problem.reason not in NETWORK or not self.concerns(endpoint.base_url):
            return outcome
        judge = outcome.judge_problem
        moved = judge if judge is not None and judge.reason is Reason.JUDGE_MOVED else None
        return replace(outcome, problem=OFFLINE, judge_problem=moved)

    async def seen(self, endpoint: EndpointRow, problem: Problem | None, run_id: str | None = None) -> None:
        """Learn from what became of a call: it was answered, or failed on the network, or tells nothing."""
        target = target_of(endpoint.base_url)
        if problem is None or problem.reason in ANSWERED:
            self._answered[target] = self._monotonic()
            if self._matters(target.host):
                self._go_online()
        elif problem.reason in NETWORK:
            async with self._lock:
                self._suspect(endpoint, target.host, run_id)
                if self._since is None:
                    await self._look()

    def settle(self, endpoint_id: int) -> None:
        """After a run has been written: one that was blamed just before we found ourselves offline is forgiven."""
        if self._since is not None and (one := self._suspects.get(endpoint_id)) is not None:
            self._to_forgive[endpoint_id] = one
            self._woken.set()

    async def resume(self) -> None:
        """At the start: still offline if the last process was, going by the alert it left, until somebody is reached.
        Taken for online, we would tell that all is well, and blame the endpoints."""
        alert = (AlertRow.subject == INSTALLATION, AlertRow.rule == WE_ARE_OFFLINE, AlertRow.state == "firing")
        async with self._database.read() as session:
            since = await session.scalar(select(AlertRow.since).where(*alert))
            urls = await self._urls(session)
        targets = self._choose([target_of(url) for url in urls]) if urls else []
        if since is not None and targets:
            self._go_offline(tuple(targets), since)

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _suspect(self, endpoint: EndpointRow, host: str, run_id: str | None) -> None:
        now = self._monotonic()
        self._suspects = {key: one for key, one in self._suspects.items() if now - one.at <= WINDOW_S}
        one = self._suspects.setdefault(endpoint.id, Suspect(host=host, at=now, before=health_of(endpoint)))
        one.at = now
        if run_id is not None:
            one.runs.append(run_id)

    def _matters(self, host: str) -> bool:
        return self._all_local or self._counts(host)

    async def _look(self) -> None:
        """Decide whether we are offline, if enough has failed to ask."""
        try:
            async with self._database.read() as session:
                urls = await self._urls(session)
        except OperationalError:
            return  # the next failure asks again
        hosts = {target_of(url).host for url in urls}
        failed = {one.host for one in self._suspects.values() if self._matters(one.host)}
        needed = 1 if self._named and sum(self._matters(host) for host in hosts) == 1 else 2
        if len(failed) < needed or self._monotonic() - self._reached_at < BLAME_HOLDS_S:
            return
        targets = self._choose([target_of(url) for url in urls])
        found = await self._try(targets)
        if any(found.values()):
            self._reached_at = self._monotonic()
            log.info("endpoints fail, and others can be reached", action="network_checked", failing=sorted(failed))
        elif found:
            self._go_offline(tuple(found), self._clock())

    async def _urls(self, session: AsyncSession) -> Sequence[str]:
        """Of all endpoints; whether they are all on this machine is noted."""
        urls = (await session.scalars(select(EndpointRow.base_url).distinct())).all()
        self._all_local = not any(self._counts(target_of(url).host) for url in urls)
        return urls

    def _choose(self, known: Sequence[Target]) -> list[Target]:
        """The addresses to try: the user's own; else those that answered lately, newest first; else all we know."""
        if self._named:
            return list(self._named)
        lately = sorted(self._answered, key=lambda target: -self._answered[target])
        every = dict.fromkeys([*lately, *self._judges, *sorted(known)])
        return [target for target in every if self._matters(target.host)][:MOST_TARGETS]

    async def _try(self, targets: Sequence[Target]) -> Mapping[Target, bool]:
        """Which targets can be reached; those that we may not try are left out, since they tell nothing."""
        found = await asyncio.gather(*(self._reach(target) for target in targets))
        return {target: got for target, got in zip(targets, found, strict=True) if got is not None}

    def _go_offline(self, targets: tuple[Target, ...], since: datetime) -> None:
        self._since, self._targets = since, targets
        self._to_forgive.update(self._suspects)
        log.error("we are offline", action="offline", tried=[str(target) for target in targets])
        self._changed()
        task = asyncio.create_task(self._sit_out(self._since), name="offline")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _go_online(self) -> None:
        """Somebody can be reached, or has answered."""
        self._suspects.clear()
        if self._since is not None:
            self._since, self._reached_at = None, self._monotonic()
            self._woken.set()

    async def _sit_out(self, since: datetime) -> None:
        """Forgive who was blamed, and try again, ever less often, until somebody can be reached. Then all that was
        missed is due, once. A task of its own, since all of that may have to wait for the database."""
        wait_s = self._first_wait_s
        while True:
            await self._database.persistently(self._forgive)
            if self._since is not since:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), wait_s * random.uniform(0.75, 1.25))
            if self._woken.is_set():
                self._woken.clear()
                continue
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            found = await self._try(self._targets)
            if any(found.values()) or not found:  # nothing that we may try: so nothing says that we are offline
                self._go_online()
        await self._database.persistently(self._catch_up)
        log.warning("we are online again", action="online", offline_since=since.isoformat())
        self._changed()

    async def _forgive(self) -> None:
        """Put the health of endpoints back to what it was before they failed because of us; their runs say so."""
        forgiven = dict(self._to_forgive)
        if not forgiven:
            return
        async with self._database.write() as session:
            for endpoint_id, one in forgiven.items():
                if self._matters(one.host):
                    await health_store.put_back(session, endpoint_id, one.before)
                    await session.execute(
                        update(RunRow)
                        .where(RunRow.id.in_(one.runs), RunRow.reason.in_([str(reason) for reason in NETWORK]))
                        .values(reason=str(OFFLINE.reason), detail=OFFLINE.detail, remedy=OFFLINE.remedy)
                    )
        for endpoint_id in forgiven:
            self._to_forgive.pop(endpoint_id, None)
        self._changed()

    async def _catch_up(self) -> None:
        async with self._database.write() as session:
            await slot_store.catch_up_after_offline(session, self._clock())
