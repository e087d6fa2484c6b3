"""alerts of the installation itself, who was told of what, silences, drills"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TOLD = sa.text(
    "SELECT d.notifier, d.notice, f.id FROM deliveries d JOIN flips f ON f.id = d.flip_id "
    "WHERE f.endpoint_id = :endpoint AND f.rule = :rule AND f.after = 'firing' ORDER BY f.at, d.id"
)
KEPT = "endpoint_id, rule, severity, state, streak, since, run_id, summary"


def upgrade() -> None:
    op.create_table(
        "alerts_new",
        sa.Column("subject", sa.String(length=63), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("endpoint_id", sa.Integer(), nullable=True),
        *_common(),
        sa.Column("beat", sa.String(), nullable=False, server_default=""),
        sa.Column("fired", sa.JSON(), nullable=False),
        sa.Column("flip_id", sa.String(), nullable=False, server_default=""),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rule_key", sa.String(), nullable=False, server_default=""),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("notice", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["endpoints.id"], name=op.f("fk_alerts_endpoint_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("subject", "rule", name=op.f("pk_alerts")),
    )
    op.execute(
        f"INSERT INTO alerts_new (subject, {KEPT}, fired, told, told_at, labels) "  # noqa: S608 (names of ours)
        f"SELECT e.name, a.endpoint_id, a.rule, a.severity, a.state, a.streak, a.since, a.run_id, a.summary, "
        "'[]', '[]', a.since, e.labels FROM alerts a JOIN endpoints e ON e.id = a.endpoint_id"
    )
    op.drop_table("alerts")
    op.rename_table("alerts_new", "alerts")
    op.create_index(op.f("ix_alerts_endpoint_id"), "alerts", ["endpoint_id"])
    _remember_who_was_told()
    with op.batch_alter_table("flips") as flips:
        flips.alter_column("endpoint_id", existing_type=sa.Integer(), nullable=True)
        flips.add_column(sa.Column("drill_id", sa.String(length=32), nullable=True))
    op.add_column("schedules", sa.Column("since", sa.DateTime(timezone=True), nullable=True))
    _create_silences()
    _create_drills()


def _common() -> list[sa.Column[object]]:
    return [
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("streak", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
    ]


def _remember_who_was_told() -> None:
    """Or everything that fires would be sent again after the upgrade."""
    connection = op.get_bind()
    firing = connection.execute(sa.text("SELECT endpoint_id, rule FROM alerts WHERE state = 'firing'")).all()
    for endpoint, rule in firing:
        sent = connection.execute(TOLD, {"endpoint": endpoint, "rule": rule}).all()
        if not sent:
            continue
        flip = sent[-1][2]
        connection.execute(
            sa.text(
                "UPDATE alerts SET told = :told, flip_id = :flip, notice = :notice "
                "WHERE endpoint_id = :endpoint AND rule = :rule"
            ),
            {
                "told": json.dumps([name for name, _, id_ in sent if id_ == flip]), "flip": flip,
                "notice": sent[-1][1], "endpoint": endpoint, "rule": rule,
            },
        )  # fmt: skip


def _create_silences() -> None:
    op.create_table(
        "silences",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("match", sa.JSON(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
    )
    op.create_index(op.f("ix_silences_ends_at"), "silences", ["ends_at"])


def _create_drills() -> None:
    op.create_table(
        "drills",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("endpoint", sa.String(length=63), nullable=False),
        sa.Column("persona", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("stages", sa.JSON(), nullable=False),
        sa.Column("notice", sa.JSON(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drills")),
    )
    op.create_index(op.f("ix_drills_state"), "drills", ["state"])


def downgrade() -> None:
    op.drop_table("drills")
    op.drop_table("silences")
    op.drop_column("schedules", "since")
    op.execute("DELETE FROM deliveries WHERE flip_id IN (SELECT id FROM flips WHERE endpoint_id IS NULL)")
    op.execute("DELETE FROM flips WHERE endpoint_id IS NULL")
    with op.batch_alter_table("flips") as flips:
        flips.drop_column("drill_id")
        flips.alter_column("endpoint_id", existing_type=sa.Integer(), nullable=False)
    op.create_table(
        "alerts_old",
        sa.Column("endpoint_id", sa.Integer(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        *_common(),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["endpoints.id"], name=op.f("fk_alerts_endpoint_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("endpoint_id", "rule", name=op.f("pk_alerts")),
    )
    op.execute(
        f"INSERT INTO alerts_old ({KEPT}) SELECT {KEPT} FROM alerts WHERE endpoint_id IS NOT NULL"  # noqa: S608
    )
    op.drop_table("alerts")
    op.rename_table("alerts_old", "alerts")
