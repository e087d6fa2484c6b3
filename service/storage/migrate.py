"""Brings a database to the newest schema with Alembic, before anything else touches it."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url

from service.log import logger
from service.storage.migrations.newest import newest

if TYPE_CHECKING:
    from alembic.config import Config

log = logger()
MIGRATIONS = Path(__file__).parent / "migrations"


def config(url: str) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 (10 MB and 0.3 s, for nothing when the schema is the newest)

    found = Config()
    found.set_main_option("script_location", str(MIGRATIONS))
    found.attributes["url"] = url.replace("sqlite+aiosqlite", "sqlite")
    return found


def upgrade(url: str) -> None:
    """Apply all migrations. Blocking; call it before the event loop serves."""
    database = make_url(url).database
    if database:
        Path(database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _is_newest(url):
            return
    from alembic import command  # noqa: PLC0415 (as above)

    command.upgrade(config(url), "head")


def upgrade_apart(url: str) -> None:
    """As `upgrade`, in a process of its own: Alembic would stay in the memory of one that serves for months. What goes
    wrong there goes wrong again here, and is raised."""
    if not _is_newest(url):
        command = [sys.executable, "-m", __name__]
        done = subprocess.run(command, input=url, text=True, capture_output=True, check=False)  # noqa: S603 (ourselves)
        if done.returncode:
            log.error("the schema could not be brought up to date", action="upgrade_failed", said=done.stderr[-2000:])
        upgrade(url)


def _is_newest(url: str) -> bool:
    database = make_url(url).database
    return database is not None and _revision(Path(database)) == newest()


def _revision(database: Path) -> str | None:
    """The revision that the file is at; None when it has none, or cannot be read: then Alembic says why."""
    if not database.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        return None
    return str(row[0]) if row else None


if __name__ == "__main__":
    upgrade(sys.stdin.read())
