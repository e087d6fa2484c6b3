"""Alembic's entry: online migrations on the URL that the service was given."""

from alembic import context
from sqlalchemy import create_engine, pool

from service.storage.schema import Base

url = context.config.attributes["url"]
engine = create_engine(url, poolclass=pool.NullPool)
with engine.connect() as connection:
    if engine.dialect.name == "sqlite":  # holds for a new database; another is converted by `selfwatch db vacuum`
        connection.exec_driver_sql("PRAGMA auto_vacuum=INCREMENTAL")
        connection.commit()
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
