"""when a delivery was made, given up, sent again by hand, and is to be repeated"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIMES = ("created_at", "dead_at", "repeat_at")


def upgrade() -> None:
    for name in TIMES:
        op.add_column("deliveries", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("deliveries", sa.Column("resent", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_deliveries_lane", "deliveries", ["lane", "id"])
    op.create_index("ix_deliveries_notifier", "deliveries", ["notifier", "state", "id"])
    op.create_index("ix_deliveries_repeat_at", "deliveries", ["repeat_at"])


def downgrade() -> None:
    op.drop_index("ix_deliveries_repeat_at", "deliveries")
    op.drop_index("ix_deliveries_notifier", "deliveries")
    op.drop_index("ix_deliveries_lane", "deliveries")
    for name in ("resent", *TIMES):
        op.drop_column("deliveries", name)
