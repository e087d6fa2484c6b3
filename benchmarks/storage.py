"""What the database costs: bytes of an answer and of a measurement, from real runs in a real SQLite file.

`python -m benchmarks.storage` prints the figures and the estimate of docs/storage.md. The models and the judge are
simulated; the service, its HTTP calls and its file are real.
"""

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.runs import once, simulator
from service import log, wiring
from service.registrar import register
from service.registration import EndpointIn
from service.retention import Retention
from service.settings import load
from service.storage.engine import Database

HEARTBEATS = 100
ENDPOINTS = 100
HEARTBEATS_A_YEAR = 365 * 96
FULLS_A_YEAR = 52
GB = 1e9
LARGE = 100
"""Bytes; smaller columns are not listed."""


@dataclass(frozen=True, kw_only=True)
class Bytes:
    """Of the pages of each table with its indexes, and how many rows stand in it."""

    tables: dict[str, int]
    rows: dict[str, int]
    columns: dict[str, float]
    """Of a run's row: the mean length of its largest columns."""

    def of(self, table: str) -> float:
        return self.tables[table] / max(self.rows[table], 1)

    def a_run(self, runs: int, tables: tuple[str, ...]) -> float:
        return sum(self.tables[table] for table in tables) / runs


MEASURED = ("measurements",)
KEPT = ("runs", "counters", "judge_grades", "flips", "deliveries")
"""With a run, for ever or nearly: verdict, comparison, what it was drawn from; totals; known grades; alerts."""


def sizes(file: Path) -> Bytes:
    """Needs SQLite's dbstat."""
    with closing(sqlite3.connect(file)) as connection:
        owner = dict(connection.execute("SELECT name, tbl_name FROM sqlite_master").fetchall())
        tables: dict[str, int] = {}
        for name, size in connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"):
            table = owner.get(name, name)
            tables[table] = tables.get(table, 0) + size
        rows = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("answers", *MEASURED, *KEPT)
        }
        columns = {
            column[1]: _mean_length(connection, column[1]) for column in connection.execute("PRAGMA table_info(runs)")
        }
    return Bytes(tables=tables, rows=rows, columns={name: size for name, size in columns.items() if size > LARGE})


def _mean_length(connection: sqlite3.Connection, column: str) -> float:
    return float(connection.execute(f"SELECT coalesce(avg(length({column})), 0) FROM runs").fetchone()[0])


async def after_runs(plan: str, runs: int, *, without_replies: bool = False) -> tuple[Bytes, float]:
    """The database after `runs` real runs, and the mean length of a reply."""
    with simulator() as url, tempfile.TemporaryDirectory() as folder:
        settings = load(
            None, data_dir=folder, judge_base_url=url, judge_model="simulated/judge", log_level="error", notifiers={}
        )
        async with wiring.running(settings) as services:
            body = {"name": "bench", "base_url": url, "model": "simulated/base", "schedules": {}}
            await register(services, EndpointIn.model_validate(body | {"limits": {"concurrency": 32}}))
            for _ in range(runs):
                await once(services, plan)
        file = Path(folder) / "selfwatch.db"
        with closing(sqlite3.connect(file)) as connection:
            (length,) = connection.execute("SELECT avg(length(reply)) FROM answers").fetchone()
        if without_replies:
            await _tidied(file)
        return sizes(file), length


async def _tidied(file: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{file}")
    retention = Retention(
        database=database, settings=load(None), changed=lambda: None, pause_s=0.0,
        clock=lambda: datetime.now(UTC) + timedelta(days=31),
    )  # fmt: skip
    await retention.tidy()
    await database.close()


async def measure(console: Console) -> None:
    heartbeat, length = await after_runs("heartbeat", HEARTBEATS)
    bare, _ = await after_runs("heartbeat", HEARTBEATS, without_replies=True)
    full, full_length = await after_runs("full", 1)
    full_bare_a_row = bare.of("answers")
    table = Table(title="Bytes in SQLite, with indexes")
    for column in ("what", "heartbeat", "full"):
        table.add_column(column)
    table.add_row("answers a run", f"{heartbeat.rows['answers'] / HEARTBEATS:,.0f}", f"{full.rows['answers']:,}")
    table.add_row("mean reply, characters", f"{length:,.0f}", f"{full_length:,.0f}")
    table.add_row("bytes an answer", f"{heartbeat.of('answers'):,.0f}", f"{full.of('answers'):,.0f}")
    table.add_row("bytes an answer without its reply", f"{bare.of('answers'):,.0f}", "")
    table.add_row(
        "measurements a run", f"{heartbeat.rows['measurements'] / HEARTBEATS:,.0f}", f"{full.rows['measurements']:,}"
    )
    table.add_row("bytes a measurement", f"{heartbeat.of('measurements'):,.0f}", f"{full.of('measurements'):,.0f}")
    for name in KEPT:
        table.add_row(f"{name}: bytes a run", f"{heartbeat.tables[name] / HEARTBEATS:,.0f}", f"{full.tables[name]:,}")
    for name in sorted(heartbeat.columns, key=lambda one: -heartbeat.columns[one]):
        table.add_row(f"of these {name}", f"{heartbeat.columns[name]:,.0f}", f"{full.columns.get(name, 0):,.0f}")
    console.print(table)
    console.print(_year(heartbeat, full, full_bare_a_row))


def _year(heartbeat: Bytes, full: Bytes, bare: float) -> Table:
    """100 endpoints, a heartbeat every 15 minutes and a full run a week."""
    table = Table(title=f"A year of {ENDPOINTS} endpoints, GB")
    for column in ("what", "kept for ever", "with retention (30 and 90 days)"):
        table.add_column(column)
    beats, fulls = ENDPOINTS * HEARTBEATS_A_YEAR, ENDPOINTS * FULLS_A_YEAR
    total = [0.0, 0.0]
    for name, one, runs, answers in (
        ("heartbeats", heartbeat, beats, heartbeat.rows["answers"] / HEARTBEATS),
        ("full runs", full, fulls, full.rows["answers"]),
    ):
        ever = runs * answers * one.of("answers") / GB
        kept = runs * answers * (one.of("answers") * 30 + bare * 60) / 365 / GB
        table.add_row(f"answers of {name}", f"{ever:,.1f}", f"{kept:,.1f}")
        count = HEARTBEATS if name == "heartbeats" else 1
        measured = runs * one.a_run(count, MEASURED) / GB
        verdicts = runs * one.a_run(count, ("runs",)) / GB
        table.add_row(f"measurements of {name}", f"{measured:,.2f}", f"{measured:,.2f}")
        table.add_row(f"verdicts of {name}", f"{verdicts:,.2f}", f"{verdicts:,.2f}")
        total = [total[0] + ever + measured + verdicts, total[1] + kept + measured + verdicts]
    table.add_row("together", f"{total[0]:,.1f}", f"{total[1]:,.1f}")
    return table


def main() -> None:
    log.configure("error", "json")
    asyncio.run(measure(Console(width=110)))


if __name__ == "__main__":
    main()
