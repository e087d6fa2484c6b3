"""what servers can do, how the judge did, how much the wording matters"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

RUN_COLUMNS = ("judge", "wording", "savings")


def upgrade() -> None:
    op.add_column("endpoints", sa.Column("capabilities", sa.JSON(), nullable=True))
    op.add_column("answers", sa.Column("saved", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("answers", sa.Column("second_score", sa.Double(), nullable=True))
    for name in RUN_COLUMNS:
        op.add_column("runs", sa.Column(name, sa.JSON(), nullable=True))
    op.create_table(
        "judge_grades",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("grade", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_judge_grades")),
    )
    op.create_index(op.f("ix_judge_grades_at"), "judge_grades", ["at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_judge_grades_at"), table_name="judge_grades")
    op.drop_table("judge_grades")
    for name in RUN_COLUMNS:
        op.drop_column("runs", name)
    op.drop_column("answers", "second_score")
    op.drop_column("answers", "saved")
    op.drop_column("endpoints", "capabilities")
