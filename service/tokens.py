"""Making a token from the command line, whether or not the service runs."""

import asyncio
from collections.abc import Sequence

from service import security
from service.settings import Settings
from service.storage import migrate
from service.storage.engine import Database


async def make_token(settings: Settings, scopes: Sequence[str], name: str) -> str:
    """A new token in the service's database. Raises ValueError for an unknown scope."""
    await asyncio.to_thread(migrate.upgrade, settings.sqlalchemy_url())
    database = Database(settings.sqlalchemy_url())
    try:
        return await security.create_token(database, scopes=[s.strip() for s in scopes], name=name)
    finally:
        await database.close()
