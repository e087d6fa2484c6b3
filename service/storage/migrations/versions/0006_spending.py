"""what was spent by endpoint and day, what a run may cost and has cost"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FIGURES = ("requests", "prompt_tokens", "completion_tokens", "judge_prompt_tokens", "judge_completion_tokens")


def upgrade() -> None:
    op.create_table(
        "spending",
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("scope", sa.Integer(), nullable=False, autoincrement=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in FIGURES),
        sa.Column("usd", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("day", "scope", name="pk_spending"),
    )
    op.add_column("runs", sa.Column("usd", sa.Double(), nullable=True))
    op.add_column("runs", sa.Column("estimate", sa.JSON(), nullable=True))
    op.add_column("runs", sa.Column("usage_estimated", sa.Boolean(), nullable=False, server_default=sa.false()))
    _carry_over()


def _carry_over() -> None:
    """What was spent before these tables: an upgrade refunds nothing. Without prices then, there are no USD."""
    columns = "SUM(a.attempts + a.judge_attempts), SUM(a.prompt_tokens), SUM(a.completion_tokens), "
    columns += "SUM(a.judge_prompt_tokens), SUM(a.judge_completion_tokens), 0.0"
    tables = "FROM answers a JOIN runs r ON r.id = a.run_id"
    names = f"(day, scope, {', '.join(FIGURES)}, usd)"
    for scope in ("r.endpoint_id", "0"):
        group = "GROUP BY 1, 2"
        op.execute(f"INSERT INTO spending {names} SELECT substr(a.at, 1, 10), {scope}, {columns} {tables} {group}")


def downgrade() -> None:
    for name in ("usage_estimated", "estimate", "usd"):
        op.drop_column("runs", name)
    op.drop_table("spending")
