"""What retention has removed of a run."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_runs_with_replies": "retention IS NULL OR retention = 'removing_replies'",
    "ix_runs_with_answers": "retention IS NULL OR retention != 'no_answers'",
}


def upgrade() -> None:
    op.add_column("runs", sa.Column("retention", sa.String(20), nullable=True))
    op.add_column("runs", sa.Column("retention_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("runs", sa.Column("invalid_by_reason", sa.JSON(), nullable=True))
    for name, where in INDEXES.items():
        op.create_index(name, "runs", ["id"], sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "runs")
    with op.batch_alter_table("runs") as batch:
        for column in ("retention", "retention_at", "invalid_by_reason"):
            batch.drop_column(column)
