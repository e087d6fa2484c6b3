"""A real SQLite file, migrated, and rows to work with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from service.storage import migrate
from service.storage.engine import Database
from service.storage.runs import NewRun, enqueue
from service.storage.schema import EndpointRow, RunRow

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@asynccontextmanager
async def open_database(folder: Path) -> AsyncIterator[Database]:
    """A database with all migrations in `folder`."""
    url = f"sqlite+aiosqlite:///{folder / 'selfwatch.db'}"
    migrate.upgrade(url)
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


async def add_endpoint(database: Database, name: str = "prod") -> EndpointRow:
    row = EndpointRow(
        name=name, base_url="http://127.0.0.1:1/v1", model="m", key_kind="none", profiles="gpt-4.1/all", labels={},
        limits={}, sampling={}, health="unknown", created_at=NOW,
    )  # fmt: skip
    async with database.write() as session:
        session.add(row)
    return row


async def add_run(database: Database, endpoint: EndpointRow, slot: str = "s", at: datetime = NOW) -> RunRow:
    new = NewRun(endpoint_id=endpoint.id, plan="heartbeat", slot=slot, banks_hash="h", total=46)
    async with database.write() as session:
        row, _new = await enqueue(session, new, at)
    return row
