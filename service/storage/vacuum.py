"""Writes a SQLite database anew, without the space of what was removed. Nobody else may have it open meanwhile."""

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

ROOM = 2.2
"""Free disk that it takes, in sizes of the database: a copy, and a journal to go back to."""


class VacuumError(Exception):
    """It was not done, and nothing was changed. The text says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Vacuumed:
    """Bytes of the file before and after."""

    before: int
    after: int


def vacuum(file: Path) -> Vacuumed:
    """Blocking. From then on, retention gives space back by itself. Raises VacuumError."""
    if not file.is_file():
        raise VacuumError(f"there is no database {file}; check SELFWATCH_DATA_DIR or SELFWATCH_DATABASE_URL")
    before, free = file.stat().st_size, shutil.disk_usage(file.parent).free
    need = int(ROOM * before) + 1_000_000
    if free < need:
        raise VacuumError(
            f"{file}: this takes {need / 1e6:,.0f} MB of free disk in {file.parent}, and there are {free / 1e6:,.0f} MB"
        )
    os.environ["SQLITE_TMPDIR"] = str(file.parent)  # else the copy goes to a /tmp that may be small
    try:
        with closing(sqlite3.connect(file, timeout=1, isolation_level=None)) as connection:
            _alone(connection, file)
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("VACUUM")
            connection.execute("PRAGMA locking_mode=NORMAL")
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
    except sqlite3.Error as error:
        raise VacuumError(f"{file}: {error}; the database is as it was") from error
    return Vacuumed(before=before, after=file.stat().st_size)


def _alone(connection: sqlite3.Connection, file: Path) -> None:
    """Take the database for ourselves, and keep it until the end."""
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
        # leaving WAL needs that nobody else has the file open; they hold a shared lock as long as they have
        (mode,) = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        mode = "locked"
    if mode != "delete":
        raise VacuumError(f"{file} is in use; stop the service that has it open, then try again")
