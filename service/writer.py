"""Commits answers as they arrive, under the lease of their run: all that wait together, one commit after the other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy.exc import OperationalError

from probes.types import Answer
from service.amounts import Amounts
from service.storage import answers as answer_store
from service.storage import spending
from service.storage.answers import Wishes
from service.storage.engine import Database
from service.storage.runs import LostLeaseError
from service.storage.schema import RunRow
from service.uninterrupted import uninterrupted
from service.work import awaits_judge

GATHER_S = 0.02
"""A commit waits so long for company: one for many costs little more than one for one."""
LOOK_S = 5.0
"""So often an idle writer renews its lease, and looks whether the run is to stop."""
Key = tuple[str, int]


class AnswerWriter:
    """Takes answers one by one; each is safe when `keep` returns, and forgotten only then.

    `stop` is called when the run is to stop: cancelled, or paused. `in_flight`: calls whose place is not yet free; when
    all of them wait for a commit, there is no company to wait for. `priced`: what new answers, and grades, have cost.
    """

    def __init__(
        self,
        database: Database,
        run: RunRow,
        *,
        changed: Callable[[], None],
        stop: Callable[[], None],
        priced: Callable[[Sequence[Answer], Sequence[Answer]], Amounts],
        clock: Callable[[], datetime],
        in_flight: Callable[[], int] = lambda: 0,
        pending: Iterable[Key] = (),
    ) -> None:
        self._database = database
        self._run = run
        self._changed = changed
        self._stop = stop
        self._priced = priced
        self._clock = clock
        self._in_flight = in_flight
        self._pending = set(pending)
        self._waiting: list[tuple[Answer, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self.wishes = Wishes(cancelled=False, paused=False)

    async def keep(self, answer: Answer) -> None:
        """Returns once the answer is stored, however long the database takes. Raises LostLeaseError."""
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append((answer, stored))
        self._wake.set()
        await stored

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """While open, answers are committed. Raises LostLeaseError, grouped. What still waits is stored on leaving."""
        closing = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_committing(closing), name=f"writer-{self._run.id}")
                try:
                    yield
                finally:
                    closing.set()
                    self._wake.set()
        finally:
            if self._waiting:  # cut off: one more try
                with contextlib.suppress(LostLeaseError, OperationalError):
                    await self._commit(once)

    def look(self) -> None:
        """Something was asked of the run: look now, not at the next turn."""
        self._wake.set()

    async def _keep_committing(self, closing: asyncio.Event) -> None:
        try:
            while True:
                await self._wait()
                if self._waiting or not closing.is_set():
                    await self._commit(self._database.persistently)
                if closing.is_set() and not self._waiting:
                    return
        except LostLeaseError as error:
            for _answer, stored in self._waiting:
                if not stored.done():
                    stored.set_exception(error)
            self._waiting = []
            raise

    async def _wait(self) -> None:
        """Until there is something to do, and a little longer for company."""
        try:
            async with asyncio.timeout(LOOK_S):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()
        end = asyncio.get_running_loop().time() + GATHER_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                while len(self._waiting) < self._in_flight():
                    await self._wake.wait()
                    self._wake.clear()

    async def _commit(self, how: Callable[[Callable[[], Coroutine[Any, Any, None]]], Awaitable[None]]) -> None:
        batch, self._waiting = self._waiting, []
        latest = {answer.key: answer for answer, _stored in batch}  # a grade may have caught up with its reply
        new = [answer for key, answer in latest.items() if key not in self._pending]
        graded = [answer for key, answer in latest.items() if key in self._pending]
        cost, now = self._priced(new, graded), self._clock()
        wishes: Wishes | None = None

        async def store() -> None:
            nonlocal wishes
            async with self._database.write() as session:
                found = await answer_store.store_answers(session, self._run, new, now, graded=graded)
                await spending.add(session, self._run, cost, now)
            wishes = found

        try:
            await how(store)
        finally:  # cancelled, it may have been committed all the same
            if wishes is None:
                self._waiting = batch + self._waiting
            else:
                self._committed(batch, wishes)

    def _committed(self, batch: Sequence[tuple[Answer, "asyncio.Future[None]"]], wishes: Wishes) -> None:
        for answer, stored in batch:
            if awaits_judge(answer):
                self._pending.add(answer.key)
            if not stored.done():
                stored.set_result(None)
        self.wishes = wishes
        self._changed()
        if wishes.cancelled or wishes.paused:
            self._stop()


async def once(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    await uninterrupted(work())
