"""What one more heartbeat costs the service when a hundred thousand are stored: nothing is computed anew."""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from baselines.types import Verdict
from benchmarks.statistics import answers_at_base
from probes import registry
from probes.plans import PLANS, banks_hash
from probes.types import Answer
from service import log, own_baseline
from service.alert_policy import Policy
from service.alerting import Alerting
from service.budgets import Ledger
from service.conclude import Conclusion
from service.escalation import Escalation
from service.estimates import Estimator
from service.false_alarms import FalseAlarms
from service.outcome import Outcome
from service.prices import Prices
from service.storage import answers as answer_store
from service.storage import migrate
from service.storage import runs as run_store
from service.storage.engine import Database
from service.storage.schema import EndpointRow, RunRow

STORED = 100_000
TIMED = 100
Row = tuple[str, str, str]


def rows() -> Iterator[Row]:
    log.configure("error", "json")
    few, many = asyncio.run(_cost(100)), asyncio.run(_cost(STORED))
    yield (
        f"one more heartbeat at {STORED:,} stored",
        f"{1000 * many:.1f} ms CPU",
        f"goal < 20 ms; {1000 * few:.1f} ms at 100 stored; 46 answers read, measured, compared, judged, written",
    )


async def _cost(stored: int) -> float:
    """CPU seconds of a conclusion, from answers in the database to verdict, evidence and alerts in it."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'bench.sqlite'}"
        migrate.upgrade(url)
        database = Database(url)
        try:
            return await _timed(database, stored)
        finally:
            await database.close()


def conclusion(database: Database) -> Conclusion:
    """What a service with default settings and without a judge concludes with."""

    def clock() -> datetime:
        return datetime.now(UTC)

    alarms = FalseAlarms(per_heartbeats=10_000, pages_per_quarter=None, plans=PLANS)
    prices = Prices({})
    ledger = Ledger(
        database=database, prices=prices, total={}, clock=clock,
        estimates=Estimator(database=database, prices=prices, judged=False),
    )  # fmt: skip
    return Conclusion(
        database=database, plans=PLANS, alerting=Alerting(policy=Policy(), public_url="http://x"),
        false_alarms=alarms, auto_baseline_runs=0, clock=clock,
        prices=prices,
        escalation=Escalation(
            database=database, plans=PLANS, how="off", ledger=ledger, queued=lambda: None, clock=clock
        ),
    )  # fmt: skip


async def _timed(database: Database, stored: int) -> float:
    concluding = conclusion(database)
    endpoint_id = await endpoint(database, datetime.now(UTC))
    for seed in range(3):
        await concluding.write(await asked(database, endpoint_id, answers_at_base(seed)), Outcome())
    await _with_history(database, endpoint_id, stored, datetime.now(UTC))
    spent = 0.0
    for seed in range(3, 3 + TIMED):
        run = await asked(database, endpoint_id, answers_at_base(seed))
        started = time.process_time()
        await concluding.write(run, Outcome())
        spent += time.process_time() - started
    return spent / TIMED


async def endpoint(database: Database, now: datetime) -> int:
    """The endpoint `prod`; gives its id."""
    async with database.write() as session:
        row = EndpointRow(
            name="prod", base_url="http://127.0.0.1:9/v1", model="m", key_kind="none", profiles="gpt-4.1/all",
            labels={}, limits={}, sampling={}, health="up", created_at=now,
        )  # fmt: skip
        session.add(row)
        await session.flush()
        return row.id


async def asked(database: Database, endpoint_id: int, answers: Sequence[Answer]) -> RunRow:
    """A run whose answers are all there."""
    now = datetime.now(UTC)
    async with database.write() as session:
        plan = PLANS["heartbeat"]
        new = run_store.NewRun(
            endpoint_id=endpoint_id, plan=plan.name, slot=secrets.token_hex(8), total=46,
            banks_hash=banks_hash(plan, registry.probe),
        )  # fmt: skip
        await run_store.enqueue(session, new, now)
        run = await run_store.claim(session, now)
        if run is None:
            raise LookupError("the run that was queued cannot be claimed")
        await answer_store.store_answers(session, run, answers, now)
    return run


async def _with_history(database: Database, endpoint_id: int, stored: int, now: datetime) -> None:
    async with database.write() as session:
        first = (await session.scalars(select(RunRow).order_by(RunRow.id).limit(1))).one()
        await own_baseline.build(
            session, await session.get_one(EndpointRow, endpoint_id), [first], made_by="user", now=now
        )
        copied: dict[str, Any] = {
            column.name: getattr(first, column.name)
            for column in RunRow.__table__.columns
            if column.name not in ("id", "slot", "created_at", "seed")
        }
        copied["verdict"] = str(Verdict.STEADY)
        for start in range(0, stored, 2000):
            values = [
                {**copied, "id": f"{i:032x}", "slot": f"h{i}", "seed": i,
                 "created_at": now - timedelta(minutes=15 * (stored - i))}
                for i in range(start, min(start + 2000, stored))
            ]  # fmt: skip
            await session.execute(insert(RunRow), values)
