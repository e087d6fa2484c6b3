"""what a verdict was drawn from, why it changed, what a run was for, and how much of it was not needed"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

RUN_COLUMNS = ("basis", "configuration", "attribution", "early", "focus", "escalation")


def upgrade() -> None:
    op.add_column("endpoints", sa.Column("story", sa.JSON(), nullable=True))
    for name in RUN_COLUMNS:
        op.add_column("runs", sa.Column(name, sa.JSON(), nullable=True))
    op.add_column("runs", sa.Column("persona", sa.String(), nullable=True))
    op.add_column("runs", sa.Column("event", sa.String(), nullable=True))
    op.add_column("runs", sa.Column("purpose", sa.String(), nullable=False, server_default="scheduled"))
    op.add_column("runs", sa.Column("complete", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("baselines", sa.Column("items", sa.JSON(), nullable=True))
    op.add_column("baselines", sa.Column("banks", sa.JSON(), nullable=True))
    op.execute("DELETE FROM detectors")  # evidence of the statistics before these: it is gathered anew


def downgrade() -> None:
    op.execute("DELETE FROM detectors")
    op.drop_column("baselines", "banks")
    op.drop_column("baselines", "items")
    for name in ("complete", "purpose", "event", "persona", *RUN_COLUMNS):
        op.drop_column("runs", name)
    op.drop_column("endpoints", "story")
