"""A thousand flips at once to three channels of which one hangs: how long until the two others have everything."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from sqlalchemy import func, insert, select

from alerts import render
from alerts.dispatch import Dispatcher
from alerts.notifiers.base import Context
from alerts.notifiers.registry import build
from alerts.types import AlertState, Notice, Severity
from service import log
from service.storage import migrate
from service.storage.engine import Database
from service.storage.outbox import DatabaseOutbox
from service.storage.schema import DeliveryRow, EndpointRow, FlipRow

FLIPS = 1000
CHANNELS = ("first", "second", "hanging")
GOAL_S = 10.0


def rows() -> Iterator[tuple[str, str, str]]:
    """Lines for the table of the benchmarks."""
    log.configure("error", "console")
    with tempfile.TemporaryDirectory() as folder:
        took_s, cpu_s, lost = asyncio.run(_measure(Path(folder)))
    what = f"{FLIPS:,} flips at once to 3 channels of which one hangs: the 2 others are done"
    yield (
        what,
        f"{took_s:.1f} s",
        f"goal < {GOAL_S:.0f} s; {cpu_s:.1f} s of CPU, receivers included; SQLite file; {lost} lost",
    )


async def _measure(folder: Path) -> tuple[float, float, int]:
    url = f"sqlite+aiosqlite:///{folder / 'selfwatch.db'}"
    await asyncio.to_thread(migrate.upgrade, url)
    database, got = Database(url), {name: set[str]() for name in CHANNELS}

    async def receive(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        got[name].add(request.headers["Idempotency-Key"])
        if name == "hanging":
            await asyncio.sleep(3600)
        await request.read()
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/{name}", receive)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        context = Context(session=session)
        notifiers = {name: build("webhook", name, {"url": f"{base}/{name}"}, context) for name in CHANNELS}
        await _fill(database)
        stop, begun, cpu = asyncio.Event(), time.perf_counter(), time.process_time()
        dispatcher = Dispatcher(DatabaseOutbox(database, lambda: None), notifiers, lambda: datetime.now(UTC))
        working = asyncio.create_task(dispatcher.run(stop))
        while await _settled(database) < 2 * FLIPS and time.perf_counter() - begun < 120:  # noqa: ASYNC110 (a file)
            await asyncio.sleep(0.25)
        took_s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
        stop.set()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    await runner.cleanup()
    await database.close()
    return took_s, cpu_s, 2 * FLIPS - len(got["first"]) - len(got["second"])


async def _settled(database: Database) -> int:
    async with database.read() as session:
        done = select(func.count()).select_from(DeliveryRow).where(DeliveryRow.state == "delivered")
        return await session.scalar(done) or 0


async def _fill(database: Database) -> None:
    now = datetime.now(UTC)
    async with database.write() as session:
        endpoint = EndpointRow(
            name="prod", base_url="http://127.0.0.1:1/v1", model="m", key_kind="none", profiles="gpt-4.1/all",
            labels={}, limits={}, sampling={}, health="unknown", created_at=now,
        )  # fmt: skip
        session.add(endpoint)
        await session.flush()
        flips: list[dict[str, Any]] = [
            {
                "id": f"{n:064}", "endpoint_id": endpoint.id, "rule": f"Rule{n}", "severity": "critical",
                "before": "inactive", "after": "firing", "at": now, "run_id": "r",
            }
            for n in range(FLIPS)
        ]  # fmt: skip
        await session.execute(insert(FlipRow), flips)
        deliveries = [
            {
                "flip_id": flip["id"], "notifier": name, "lane": f"{name}/prod/{flip['rule']}", "state": "pending",
                "notice": render.to_json(_notice(flip["id"], flip["rule"], now)), "next_at": now, "attempt": 0,
            }
            for flip in flips
            for name in CHANNELS
        ]  # fmt: skip
        await session.execute(insert(DeliveryRow), deliveries)


def _notice(key: str, rule: str, now: datetime) -> Notice:
    return Notice(
        idempotency_key=key, status=AlertState.FIRING, rule=rule, severity=Severity.CRITICAL, endpoint="prod",
        title=f"CRITICAL {rule}: prod", text="x" * 1500, at=now, since=now, labels={}, links={},
    )  # fmt: skip
