"""The schema: migrations lead to exactly the tables that the code declares, and back."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from service.storage import migrate
from service.storage.migrations.newest import newest
from service.storage.schema import Base


def test_migrations_lead_to_the_declared_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    migrate.upgrade(url)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
    assert differences == []


def test_migrations_lead_back_to_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    migrate.upgrade(url)
    command.downgrade(migrate.config(url), "base")
    engine = sa.create_engine(url)
    assert sa.inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_upgrading_again_changes_nothing_and_keeps_the_data(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    migrate.upgrade(url)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO notification_counts VALUES ('log', 'delivered', 3)"))
    migrate.upgrade(url)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT value FROM notification_counts")) == 3
    engine.dispose()


def test_a_new_data_folder_is_ours_alone(tmp_path: Path) -> None:
    """It holds transcripts and keys."""
    migrate.upgrade(f"sqlite:///{tmp_path / 'data' / 'selfwatch.db'}")
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_the_newest_schema_is_known_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    assert ScriptDirectory.from_config(migrate.config(url)).get_heads() == [newest()]
    migrate.upgrade(url)
    code = f"import sys; from service.storage import migrate; migrate.upgrade({url!r}); print('alembic' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
    command.downgrade(migrate.config(url), "-1")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "True", "it was behind"
    migrate.upgrade(url)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == newest()
    engine.dispose()


def test_what_fires_at_an_upgrade_is_not_told_again(tmp_path: Path) -> None:
    """Revision 0007 remembers who was told, from the deliveries that there were."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    command.upgrade(migrate.config(url), "0004")
    engine = sa.create_engine(url)
    endpoint = (
        "INSERT INTO endpoints (id, name, base_url, model, key_kind, profiles, labels, limits, sampling, paused, "
        "simulated, health, created_at) VALUES "
        """(7, 'prod', 'u', 'm', 'none', 'p', '{"team": "a"}', '{}', '{}', 0, 0, 'up', '2026-01-01')"""
    )
    alerts = (
        "INSERT INTO alerts (endpoint_id, rule, severity, state, streak, since, run_id, summary) VALUES "
        "(7, 'BehaviourDrift', 'critical', 'firing', 0, '2026-01-02', 'r1', 's'), "
        "(7, 'EndpointDown', 'warning', 'inactive', 0, NULL, NULL, '')"
    )
    flips = (
        "INSERT INTO flips (id, endpoint_id, rule, severity, before, after, at, run_id) VALUES "
        "('f0', 7, 'BehaviourDrift', 'critical', 'inactive', 'firing', '2026-01-01', 'r0'), "
        "('f1', 7, 'BehaviourDrift', 'critical', 'resolved', 'firing', '2026-01-02', 'r1')"
    )
    deliveries = (
        "INSERT INTO deliveries (flip_id, notifier, lane, notice, state, attempt, next_at) VALUES "
        "('f0', 'old', 'l', '{}', 'delivered', 1, '2026-01-01'), "
        """('f1', 'ops', 'l', '{"a": 1}', 'delivered', 1, '2026-01-02'), """
        """('f1', 'log', 'l', '{"a": 1}', 'dead', 1, '2026-01-02')"""
    )
    with engine.begin() as connection:
        for row in (endpoint, alerts, flips, deliveries):
            connection.exec_driver_sql(row)
    migrate.upgrade(url)
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT subject, rule, state, told, flip_id, notice, labels FROM alerts ORDER BY rule"
        ).all()
        kept = connection.exec_driver_sql("SELECT count(*) FROM deliveries").scalar()
    assert found == [
        ("prod", "BehaviourDrift", "firing", '["ops", "log"]', "f1", '{"a": 1}', '{"team": "a"}'),
        ("prod", "EndpointDown", "inactive", "[]", "", None, '{"team": "a"}'),
    ]
    assert kept == 3
    command.downgrade(migrate.config(url), "0004")
    with engine.connect() as connection:
        again = connection.exec_driver_sql("SELECT endpoint_id, rule, state FROM alerts ORDER BY rule").all()
    engine.dispose()
    assert again == [(7, "BehaviourDrift", "firing"), (7, "EndpointDown", "inactive")]


ROWS = Path(__file__).with_name("rows_of_0004.sql").read_text()


def statements(url: str, fail_at: int | None = None) -> int:
    """How many statements an upgrade takes; cut off before the `fail_at`-th, it raises."""
    count = 0

    def see(*_: object) -> None:
        nonlocal count
        count += 1
        if count == fail_at:
            raise Cut

    sa.event.listen(sa.Engine, "before_cursor_execute", see)
    try:
        migrate.upgrade(url)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", see)
    return count


class Cut(Exception):  # noqa: N818 (reads as the event it is)
    """The process dies here, or the disk is full."""


def test_an_upgrade_that_is_cut_off_anywhere_is_taken_up_by_the_next(tmp_path: Path) -> None:
    """From the schema of the last release but these, with data in the tables that are rebuilt or read."""
    old = tmp_path / "old.db"
    migrate.upgrade(f"sqlite:///{old}")
    command.downgrade(migrate.config(f"sqlite:///{old}"), "0004")
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript(ROWS)
        connection.commit()
    shutil.copy(old, tmp_path / "whole.db")
    total = statements(f"sqlite:///{tmp_path / 'whole.db'}")
    assert total > 40
    with closing(sqlite3.connect(tmp_path / "whole.db")) as connection:
        wanted = connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    for number in range(1, total + 1):
        cut = tmp_path / "cut.db"
        shutil.copy(old, cut)
        with pytest.raises(Cut):
            statements(f"sqlite:///{cut}", fail_at=number)
        migrate.upgrade(f"sqlite:///{cut}")
        with closing(sqlite3.connect(cut)) as connection:
            assert connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall() == wanted, number
            assert connection.execute("SELECT rule, state FROM alerts").fetchall() == [("SelfReportDrift", "firing")]
            assert connection.execute("SELECT count(*) FROM answers").fetchone() == (1,)
