"""Brings a database to the newest schema with Alembic, before anything else touches it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url

MIGRATIONS = Path(__file__).parent / "migrations"


def config(url: str) -> Config:
    found = Config()
    found.set_main_option("script_location", str(MIGRATIONS))
    found.attributes["url"] = url.replace("sqlite+aiosqlite", "sqlite")
    return found


def upgrade(url: str) -> None:
    """Apply all migrations. Blocking; call it before the event loop serves."""
    database = make_url(url).database
    if database:
        Path(database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    command.upgrade(config(url), "head")
