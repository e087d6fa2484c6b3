"""What a scrape costs, and what it costs to have the text ready, by the number of endpoints; a peer beside it."""

import asyncio
import gc
import gzip
import http.client
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from benchmarks import fleet
from benchmarks.process import Service, serving
from service import log
from service.budgets import Ledger
from service.estimates import Estimator
from service.loop_lag import LoopLag
from service.metrics.exposition import Metrics
from service.prices import Prices
from service.storage.engine import Database
from service.storage.schema import CounterRow

SIZES = (10, 100, 1000)
RUNS = 5
SCRAPES = 100
PEER_SCRAPES = 5
REFRESHES = 10
GOAL_MS = 50.0
LOOK_S = 0.001
Row = tuple[str, str, str]


def rows() -> Iterator[Row]:
    log.configure("error", "json")
    for size in SIZES:
        with TemporaryDirectory() as name:
            data = Path(name)
            fleet.fill(data, endpoints=size, runs=RUNS)
            yield _refreshes(data, size)
            with serving(data=data, settings={"loop_watch_s": 0.005}) as service:
                yield from _scrapes(service, size)
                text = _get(service, {})[0]
        yield _peer(text.decode(), size)


def _scrapes(service: Service, size: int) -> Iterator[Row]:
    for what, headers in (("", {}), (" with gzip", {"Accept-Encoding": "gzip"})):
        _get(service, headers)
        found = [_get(service, headers) for _ in range(SCRAPES)]
        body = found[-1][0]
        text = gzip.decompress(body) if headers else body
        series = sum(not line.startswith(b"#") for line in text.splitlines())
        times = sorted(took for _, took in found)
        p99 = times[int(0.99 * len(times))]
        detail = f"goal < {GOAL_MS:g} ms; p99 {1000 * p99:.1f} ms; {len(body):,} bytes, {series:,} series"
        yield f"scrape of {size:,} endpoints{what}", f"{1000 * median(times):.1f} ms", detail


def _get(service: Service, headers: dict[str, str]) -> tuple[bytes, float]:
    """Body and seconds of one scrape, over a connection of its own as Prometheus may need."""
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=60)
    began = time.perf_counter()
    connection.request("GET", "/metrics", headers=headers)
    body = connection.getresponse().read()
    took = time.perf_counter() - began
    connection.close()
    return body, took


def _refreshes(data: Path, size: int) -> Row:
    gc.collect()
    gc.freeze()  # as the service does: its collector does not look through what it has loaded
    return asyncio.run(_timed(data, size))


async def _timed(data: Path, size: int) -> Row:
    """Making the text: at the start, after one endpoint's run, and for one that came or went."""
    database = Database(f"sqlite+aiosqlite:///{data / 'selfwatch.db'}")
    ledger = _ledger(database)
    await ledger.load()
    lag = LoopLag(LOOK_S)
    metrics = Metrics(database, ledger)
    await metrics.scrape(compressed=True)  # somebody asks for gzip
    lag.start()
    try:
        first = await _took(metrics.refresh)
        again = [await _after_a_change(database, metrics, None) for _ in range(REFRESHES)]
        one = [await _after_a_change(database, metrics, 1) for _ in range(REFRESHES)]
        late, busy = lag.longest
    finally:
        await lag.stop()
        await database.close()
    detail = (
        f"after a run of one of them (and gzip); at the start {1000 * first:.0f} ms; for one that came or went "
        f"{1000 * median(one):.1f} ms; loop late by at most {1000 * late:.0f} ms, busy {1000 * busy:.0f} ms"
    )
    return f"text of {size:,} endpoints made", f"{1000 * median(again):.0f} ms", detail


async def _after_a_change(database: Database, metrics: Metrics, only: int | None) -> float:
    async with database.write() as session:
        await session.execute(update(CounterRow).where(CounterRow.endpoint_id == 1).values(value=CounterRow.value + 1))
    return await _took(lambda: metrics.refresh(only))


async def _took(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    await work()  # type: ignore[misc] # a coroutine
    return time.perf_counter() - began


def _ledger(database: Database) -> Ledger:
    prices = Prices({})
    return Ledger(
        database=database, prices=prices, total={}, clock=lambda: datetime.now(UTC),
        estimates=Estimator(database=database, prices=prices, judged=False),
    )  # fmt: skip


def _peer(text: str, size: int) -> Row:
    """As many series with the same names in prometheus_client's own objects, rendered at each scrape."""
    registry, series = CollectorRegistry(), 0
    for family in text_string_to_metric_families(text):
        by_name: dict[str, list[tuple[dict[str, str], float]]] = {}
        for sample in family.samples:
            by_name.setdefault(sample.name, []).append((sample.labels, sample.value))
        for name, samples in by_name.items():
            gauge = Gauge(name, family.documentation, sorted(samples[0][0]), registry=registry)
            for labels, value in samples:
                (gauge.labels(**labels) if labels else gauge).set(value)
                series += 1
    took = []
    for _ in range(PEER_SCRAPES):
        began = time.perf_counter()
        generate_latest(registry)
        took.append(time.perf_counter() - began)
    detail = f"its registry, rendered at each scrape, without HTTP; {series:,} series"
    return f"prometheus_client, {size:,} endpoints", f"{1000 * median(took):.0f} ms", detail
