"""Alembic's entry: online migrations on the URL that the service was given, each one whole or not at all."""

from typing import Any

from alembic import context
from sqlalchemy import create_engine, event, pool
from sqlalchemy.engine import Connection

from service.storage.schema import Base

url = context.config.attributes["url"]
engine = create_engine(url, poolclass=pool.NullPool)


def _configure(connection: Any, _record: Any) -> None:
    # holds for a new database; another is converted by `selfwatch db vacuum`
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    # the driver would commit before each change of the schema: a migration that was cut off could not be begun again
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


if engine.dialect.name == "sqlite":
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        transactional_ddl=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
