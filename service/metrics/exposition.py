"""What is scraped: text that was made when something changed. A scrape reads it, and computes nothing."""

import asyncio
import contextlib
import gzip
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from sqlalchemy.exc import OperationalError

from service.budgets import Ledger
from service.limits import PERIODS, UNITS
from service.log import logger
from service.metrics import reading
from service.metrics.snapshot import Allowance, EndpointSnapshot, Snapshot
from service.metrics.text import Rendered, render
from service.storage.engine import Database
from service.uninterrupted import uninterrupted

REFRESH_S = 1.0
"""The text is made anew at most so often ..."""
SHARE = 0.2
"""... and takes no more than this share of the time."""
OWN_S = 5.0
"""Figures of the process itself change all the time; a scrape that finds them older has them read for the next one."""
COMPRESSION = 1
"""The text repeats itself: a higher level takes five times as long for a fifth less."""
SLICE = 50
"""Endpoints whose budgets are read before others get their turn."""
log = logger()


class Metrics:
    """The rendered text. `changed()` marks it old; `refresh()` makes it anew at once."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, database: Database, ledger: Ledger, *more: Collector) -> None:
        self._database = database
        self._ledger = ledger
        self._own = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._own)
        for one in more:
            self._own.register(one)
        self._rendered = Rendered()
        self._lock = asyncio.Lock()
        self._old = asyncio.Event()
        self._made_at = 0.0
        self._offline_since: Callable[[], object] = lambda: None
        self._task: asyncio.Task[None] | None = None
        self._gzip_asked = False
        self.text = b""
        self._packed = self.text, _pack(self.text)

    def changed(self) -> None:
        self._old.set()

    def offline(self, since: Callable[[], object]) -> None:
        """Tell whether we are offline from `since`, which gives None while we are not."""
        self._offline_since = since

    async def start(self) -> None:
        await self.refresh()
        self._task = asyncio.create_task(self._keep_fresh(), name="metrics")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def scrape(self, *, compressed: bool) -> bytes:
        """The text as it was made last, with gzip if it is asked for."""
        if time.monotonic() - self._made_at > OWN_S:
            # not at once: it would compete with sending this one
            asyncio.get_running_loop().call_later(REFRESH_S, self.changed)
        if not compressed:
            return self.text
        self._gzip_asked = True
        text, packed = self._packed
        if text is not self.text:  # there was no time for it: something came or went
            text = self.text
            packed = await asyncio.to_thread(_pack, text)
            self._packed = text, packed
        return packed

    async def refresh(self, only: int | None = None) -> None:
        """Read and render now; whoever scrapes afterwards sees what is stored now. `only`: the id of the one endpoint
        that has come, changed or gone. While the database cannot be used, what was read last is shown, and that."""
        async with self._lock:
            snapshot = await self._read(only)
            known = replace(
                snapshot.installation,
                offline=self._offline_since() is not None,
                database_up=self._database.trouble is None,
            )
            snapshot = replace(snapshot, installation=known)
            pack = self._gzip_asked and only is None
            # in a thread: with thousands of endpoints it would hold up the event loop
            self._rendered, text, packed = await asyncio.to_thread(self._render, snapshot, pack=pack)
            self.text, self._made_at = text, time.monotonic()
            if pack:
                self._packed = text, packed

    async def _read(self, only: int | None) -> Snapshot:
        before = self._rendered.snapshot
        try:
            async with self._database.read() as session:
                found, limits = await reading.take(session, before, only)
        except OperationalError:
            self.changed()
            return before
        endpoints = await self._with_budgets(found.endpoints, limits)
        total = _allowances(self._ledger.total())
        return replace(found, endpoints=endpoints, installation=replace(found.installation, budget=total))

    async def _with_budgets(
        self, endpoints: Mapping[int, EndpointSnapshot], limits: Mapping[int, Mapping[str, Any]]
    ) -> dict[int, EndpointSnapshot]:
        found = dict(endpoints)
        for number, (key, given) in enumerate(limits.items(), start=1):
            found[key] = replace(endpoints[key], budget=_allowances(self._ledger.standing_of(key, given)))
            if number % SLICE == 0:
                await asyncio.sleep(0)
        return found

    def _render(self, snapshot: Snapshot, *, pack: bool) -> tuple[Rendered, bytes, bytes]:
        rendered = render(snapshot, self._rendered)
        text = rendered.text + generate_latest(self._own)
        return rendered, text, _pack(text) if pack else b""

    async def _keep_fresh(self) -> None:
        took_s = 0.0
        while True:
            await asyncio.sleep(max(REFRESH_S, took_s / SHARE))
            with contextlib.suppress(TimeoutError):  # at midnight the budgets begin anew without anybody's doing
                await asyncio.wait_for(self._old.wait(), self._ledger.seconds_to_reset())
            self._old.clear()
            began = time.monotonic()
            try:
                await uninterrupted(self.refresh())
            except Exception:
                log.exception("metrics cannot be refreshed", action="metrics_failed")
            took_s = time.monotonic() - began


def _pack(text: bytes) -> bytes:
    return gzip.compress(text, COMPRESSION, mtime=0)


def _allowances(standing: Mapping[str, Any]) -> tuple[Allowance, ...]:
    return tuple(
        Allowance(period, unit, figures["limit"], figures["spent"], figures["overrun"])
        for period in PERIODS
        for unit in UNITS
        for figures in [standing[period][unit]]
    )
