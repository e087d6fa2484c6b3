"""The schema: migrations lead to exactly the tables that the code declares, and back."""

import subprocess
import sys
from pathlib import Path

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
