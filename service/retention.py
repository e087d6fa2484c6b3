"""Takes old replies, and later the answers themselves, from the database; what was measured stays for ever."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from service.log import logger
from service.settings import Settings
from service.storage import retention as store
from service.storage.engine import Database
from service.storage.retention import Size, Step
from service.uninterrupted import uninterrupted

EVERY_S = 3600.0
FIRST_S = 60.0
"""A start has other things to do first."""
RETRY_S = 300.0
"""After a failure."""
ROWS = 500
"""In one transaction: a few milliseconds for which nobody else can write."""
PAGES = 250
"""Given back to the disk in one transaction: 1 MB."""
PAUSE_S = 0.05
"""Between two transactions, for those that wait to write."""
SPARE_PAGES = 2500
"""Free pages that are kept for what is written next (10 MB)."""
MB = 1_000_000
log = logger()


@dataclass(kw_only=True)
class Report:
    """What retention has done since this process started, and the size that it found last."""

    replies: int = 0
    answers: int = 0
    last_at: datetime | None = None
    succeeded: bool | None = None
    size: Size | None = None
    too_large: bool = False


class Retention:
    """Tidies every hour. A step that fails is tried again; one that is cut off goes on where it was."""

    def __init__(
        self,
        *,
        database: Database,
        settings: Settings,
        changed: Callable[[], None],
        clock: Callable[[], datetime],
        pause_s: float = PAUSE_S,
    ) -> None:
        self._database = database
        self._clock = clock
        self._changed = changed
        self._pause_s = pause_s
        self._replies_for = timedelta(days=settings.retention_days)
        self._answers_for = timedelta(days=settings.retention_answers_days)
        self._most_bytes = settings.retention_mb * MB
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.report = Report()
        self.collector: Collector = RetentionCollector(self.report, database.url)

    def start(self, first_s: float = FIRST_S) -> None:
        self._task = asyncio.create_task(self._keep_tidying(first_s), name="retention")

    async def stop(self) -> None:
        """Returns once the transaction under way has ended."""
        self._stop.set()
        if self._task is not None:
            await self._task

    async def tidy(self) -> None:
        """One round: old replies, old answers, the oldest replies while the database is too large, free pages."""
        now = self._clock()
        before = (self.report.replies, self.report.answers)
        await self._each(lambda: self._replies(now - self._replies_for))
        await self._each(lambda: self._answers(now - self._answers_for))
        await self._each(self._oldest_while_too_large)
        await self._each(self._give_back)
        self.report.last_at, self.report.size = now, await self._size()
        self._say(self.report.replies - before[0], self.report.answers - before[1])

    async def _keep_tidying(self, wait_s: float) -> None:
        while not await self._stopped_within(wait_s):
            try:
                await self.tidy()
                self.report.succeeded, wait_s = True, EVERY_S
            except OperationalError as error:  # the database is locked, full or gone: that is no fault of ours
                log.warning("retention failed; it is tried again", action="retention_failed", said=str(error.orig))
                self.report.succeeded, wait_s = False, RETRY_S
            except Exception:
                log.exception("retention failed; it is tried again", action="retention_failed")
                self.report.succeeded, wait_s = False, RETRY_S
            self._changed()

    async def _stopped_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
        return self._stop.is_set()

    async def _each(self, step: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        """Do `step` until it has no more to do, with pauses for others."""
        while not self._stop.is_set() and await uninterrupted(step()):
            if await self._stopped_within(self._pause_s):
                return

    async def _replies(self, before: datetime | None) -> bool:
        async with self._database.write() as session:
            step = await store.remove_replies(session, before, ROWS, self._clock())
        self.report.replies += step.rows
        return step.more

    async def _answers(self, before: datetime) -> bool:
        async with self._database.write() as session:
            step: Step = await store.remove_answers(session, before, ROWS, self._clock())
        self.report.answers += step.rows
        return step.more

    async def _oldest_while_too_large(self) -> bool:
        self.report.too_large = (await self._size()).used > self._most_bytes
        return self.report.too_large and await self._replies(None)

    async def _give_back(self) -> bool:
        async with self._database.read() as session:
            size, able = await store.size(session), await store.gives_back(session)
        if not able or size.free_pages <= SPARE_PAGES:
            return False
        async with self._database.write() as session:
            await store.give_back(session, PAGES)
            return (await store.size(session)).free_pages < size.free_pages

    async def _size(self) -> Size:
        async with self._database.read() as session:
            return await store.size(session)

    def _say(self, replies: int, answers: int) -> None:
        size = self.report.size
        if replies or answers:
            log.info("old answers removed", action="retention", replies=replies, answers=answers, size=size)
        if self.report.too_large and size is not None:
            log.warning(
                "the database is larger than retention_mb, with all replies removed that may be; raise retention_mb, "
                "or shorten retention_answers_days",
                action="database_too_large", used_mb=round(size.used / MB), retention_mb=round(self._most_bytes / MB),
            )  # fmt: skip


class RetentionCollector(Collector):
    """Size of the database and what retention did, for /metrics."""

    def __init__(self, report: Report, url: str) -> None:
        self._report = report
        self._file = make_url(url).database

    def collect(self) -> Iterable[Metric]:
        size = GaugeMetricFamily(
            "selfwatch_database_bytes", "Size of the database's files, and of what is in use in them.", labels=("part",)
        )
        for part, suffix in (("file", ""), ("log", "-wal")):
            with contextlib.suppress(OSError):
                size.add_metric([part], Path(f"{self._file}{suffix}").stat().st_size)
        if self._report.size is not None:
            size.add_metric(["used"], self._report.size.used)
        yield size
        removed = CounterMetricFamily(
            "selfwatch_retention_removed_rows", "Replies emptied and answers deleted by retention.", labels=("what",)
        )
        removed.add_metric(["replies"], self._report.replies)
        removed.add_metric(["answers"], self._report.answers)
        yield removed
        if self._report.succeeded is not None:
            yield GaugeMetricFamily(
                "selfwatch_retention_last_run_successful", "1 when retention last ended well.",
                value=float(self._report.succeeded),
            )  # fmt: skip
        if self._report.last_at is not None:
            yield GaugeMetricFamily(
                "selfwatch_retention_last_run_timestamp_seconds", "When retention last ended well.",
                value=self._report.last_at.timestamp(),
            )  # fmt: skip
