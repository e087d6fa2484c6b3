"""what became of every due slot, and the circuit of an endpoint"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "slots",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("endpoint_id", sa.Integer(), nullable=False),
        sa.Column("plan", sa.String(), nullable=False),
        sa.Column("era", sa.Integer(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("late_s", sa.Double(), nullable=True),
        sa.Column("run_id", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["endpoints.id"], name=op.f("fk_slots_endpoint_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slots")),
        sa.UniqueConstraint("endpoint_id", "plan", "era", "due", name=op.f("uq_slots_endpoint_id_plan_era_due")),
    )
    op.create_index(op.f("ix_slots_endpoint_id"), "slots", ["endpoint_id"])
    op.create_index("ix_slots_state", "slots", ["state"])
    op.add_column("schedules", sa.Column("era", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("schedules", sa.Column("slot_id", sa.Integer(), nullable=True))
    op.add_column("endpoints", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("endpoints", sa.Column("probes", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("endpoints", sa.Column("next_probe", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for name in ("next_probe", "probes", "failures"):
        op.drop_column("endpoints", name)
    op.drop_column("schedules", "slot_id")
    op.drop_column("schedules", "era")
    op.drop_table("slots")
