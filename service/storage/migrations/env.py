"""Alembic's entry: online migrations on the URL that the service was given."""

from alembic import context
from sqlalchemy import create_engine, pool

from service.storage.schema import Base

url = context.config.attributes["url"]
engine = create_engine(url, poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
