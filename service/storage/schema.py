"""The tables. Truth about what is registered, due, running, answered, measured and to be delivered."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    DateTime,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in UTC, on databases with and without time zones. Refuses naive ones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: attach a time zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it as a plain attribute)
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(),
        list[str]: JSON(),
        str: String(),
    }


def _endpoint_fk() -> Any:
    return mapped_column(ForeignKey("endpoints.id", ondelete="CASCADE"))


class EndpointRow(Base):
    __tablename__ = "endpoints"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    base_url: Mapped[str]
    model: Mapped[str]
    key_kind: Mapped[str]  # none | stored | env | file
    key_value: Mapped[str | None] = mapped_column(Text)  # ciphertext, variable name, or path
    profiles: Mapped[str]
    labels: Mapped[dict[str, Any]]
    limits: Mapped[dict[str, Any]]
    sampling: Mapped[dict[str, Any]]
    paused: Mapped[bool] = mapped_column(default=False)
    simulated: Mapped[bool] = mapped_column(default=False)
    health: Mapped[str] = mapped_column(default="unknown")  # unknown | up | down
    health_reason: Mapped[str | None]
    health_detail: Mapped[str | None] = mapped_column(Text)
    health_remedy: Mapped[str | None] = mapped_column(Text)
    health_at: Mapped[datetime | None]
    capabilities: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    verdict: Mapped[str | None]
    because: Mapped[str | None] = mapped_column(Text)
    verdict_run: Mapped[str | None]
    story: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    failures: Mapped[int] = mapped_column(default=0, server_default="0")  # failed runs in a row
    probes: Mapped[int] = mapped_column(default=0, server_default="0")  # failed probes since the circuit opened
    next_probe: Mapped[datetime | None]  # set exactly while the circuit is open
    created_at: Mapped[datetime]


class ScheduleRow(Base):
    __tablename__ = "schedules"
    __table_args__ = (UniqueConstraint("endpoint_id", "plan"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    endpoint_id: Mapped[int] = _endpoint_fk()
    plan: Mapped[str]
    spec: Mapped[str]
    next_due: Mapped[datetime] = mapped_column(index=True)
    since: Mapped[datetime | None]  # when it was declared or last resumed; None: with its endpoint
    era: Mapped[int] = mapped_column(default=0, server_default="0")  # how often it was anchored anew
    slot_id: Mapped[int | None]  # its newest slot


class SlotRow(Base):
    """What became of the slots of a schedule: one row a slot, or one for a stretch skipped for one reason."""

    __tablename__ = "slots"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "plan", "era", "due"),
        Index("ix_slots_state", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoints.id", ondelete="CASCADE"), index=True)
    plan: Mapped[str]
    era: Mapped[int]
    due: Mapped[datetime]
    until: Mapped[datetime]
    count: Mapped[int]
    state: Mapped[str]  # waiting | ran | late | skipped
    reason: Mapped[str | None]
    late_s: Mapped[float | None]
    run_id: Mapped[str | None] = mapped_column(String(32))


WITH_REPLIES = "retention IS NULL OR retention = 'removing_replies'"
WITH_ANSWERS = "retention IS NULL OR retention != 'no_answers'"


class RunRow(Base):
    """One execution of a plan. (endpoint, plan, slot) is the idempotency guard; `lease` is the fencing token."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "plan", "slot"),
        Index("ix_runs_state_created", "state", "created_at"),
        Index("ix_runs_endpoint_created", "endpoint_id", "created_at"),
        # only the runs that retention has still something to take from: years of others cost nothing
        Index("ix_runs_with_replies", "id", sqlite_where=text(WITH_REPLIES), postgresql_where=text(WITH_REPLIES)),
        Index("ix_runs_with_answers", "id", sqlite_where=text(WITH_ANSWERS), postgresql_where=text(WITH_ANSWERS)),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    endpoint_id: Mapped[int] = _endpoint_fk()
    plan: Mapped[str]
    slot: Mapped[str]
    seed: Mapped[int]
    banks_hash: Mapped[str]
    state: Mapped[str]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    lease: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    paused: Mapped[bool] = mapped_column(default=False, server_default=false())
    total: Mapped[int]
    answered: Mapped[int] = mapped_column(default=0)
    requests: Mapped[int] = mapped_column(default=0)
    prompt_tokens: Mapped[int] = mapped_column(default=0)
    completion_tokens: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str | None]
    detail: Mapped[str | None] = mapped_column(Text)
    remedy: Mapped[str | None] = mapped_column(Text)
    judge_reason: Mapped[str | None]
    judge_detail: Mapped[str | None] = mapped_column(Text)
    judge_remedy: Mapped[str | None] = mapped_column(Text)
    comparison: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    judge: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    wording: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    savings: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    verdict: Mapped[str | None]
    because: Mapped[str | None] = mapped_column(Text)
    persona: Mapped[str | None]
    event: Mapped[str | None]
    purpose: Mapped[str] = mapped_column(default="scheduled", server_default="scheduled")
    complete: Mapped[bool] = mapped_column(default=False, server_default=false())
    # what the verdict was drawn from, beside the answers: enough to draw it again
    basis: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    configuration: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    attribution: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    early: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    focus: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    escalation: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    # what retention has removed: NULL nothing, else a Stage of service.storage.retention
    retention: Mapped[str | None] = mapped_column(String(20))
    retention_at: Mapped[datetime | None]
    # counted when the answers are removed
    invalid_by_reason: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    usd: Mapped[float | None]  # None: the model has no price
    estimate: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    usage_estimated: Mapped[bool] = mapped_column(default=False, server_default=false())
    latency: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # of service.latency


class AnswerRow(Base):
    __tablename__ = "answers"
    __table_args__ = (UniqueConstraint("run_id", "item_id", "repeat"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    item_id: Mapped[str]
    repeat: Mapped[int]
    probe: Mapped[str]
    dimension: Mapped[str]
    method: Mapped[str]
    category: Mapped[str]
    reply: Mapped[str | None] = mapped_column(Text)
    score: Mapped[float | None]
    scorer: Mapped[str | None]
    reason: Mapped[str | None]
    detail: Mapped[str | None] = mapped_column(Text)
    saved: Mapped[int] = mapped_column(default=0, server_default="0")
    second_score: Mapped[float | None]
    attempts: Mapped[int]
    judge_attempts: Mapped[int]
    latency_s: Mapped[float | None]
    model: Mapped[str | None]
    system_fingerprint: Mapped[str | None]
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    judge_prompt_tokens: Mapped[int]
    judge_completion_tokens: Mapped[int]
    at: Mapped[datetime]


class MeasurementRow(Base):
    __tablename__ = "measurements"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    probe: Mapped[str] = mapped_column(primary_key=True)
    dimension: Mapped[str] = mapped_column(primary_key=True)
    method: Mapped[str] = mapped_column(primary_key=True)
    category: Mapped[str] = mapped_column(primary_key=True)
    mean: Mapped[float | None]
    variance: Mapped[float | None]
    n: Mapped[int]
    invalid: Mapped[int]
    items: Mapped[int]
    k: Mapped[int]


class BaselineRow(Base):
    """An endpoint's own baseline. The newest row of an endpoint holds; older ones are its history."""

    __tablename__ = "baselines"

    id: Mapped[int] = mapped_column(primary_key=True)
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoints.id", ondelete="CASCADE"), index=True)
    profile: Mapped[dict[str, Any]]
    runs: Mapped[list[str]]
    made_by: Mapped[str]  # user | automatic
    items: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), deferred=True)  # item -> mean score
    banks: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # probe -> content hash of its bank
    banks_hash: Mapped[str]
    created_at: Mapped[datetime]


class ProfileSetRow(Base):
    """A profile set of the user's own, as it was imported (service.profile_documents)."""

    __tablename__ = "profile_sets"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    document: Mapped[dict[str, Any]]
    content_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]


class DetectorRow(Base):
    __tablename__ = "detectors"

    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoints.id", ondelete="CASCADE"), primary_key=True)
    arm: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[dict[str, Any]]


class AlertRow(Base):
    """A rule's state. `subject` is the endpoint's name, or empty for an alert about the installation itself."""

    __tablename__ = "alerts"

    subject: Mapped[str] = mapped_column(String(63), primary_key=True)
    rule: Mapped[str] = mapped_column(primary_key=True)
    endpoint_id: Mapped[int | None] = mapped_column(ForeignKey("endpoints.id", ondelete="CASCADE"), index=True)
    severity: Mapped[str]
    state: Mapped[str]
    streak: Mapped[int]
    since: Mapped[datetime | None]
    run_id: Mapped[str | None]
    summary: Mapped[str] = mapped_column(Text, default="")
    beat: Mapped[str] = mapped_column(default="", server_default="")
    fired: Mapped[list[str]]  # when it began to fire, the last times
    flip_id: Mapped[str] = mapped_column(default="", server_default="")
    told: Mapped[list[str]]  # notifiers that hold it for firing
    told_at: Mapped[datetime | None]
    rule_key: Mapped[str] = mapped_column(default="", server_default="")
    labels: Mapped[dict[str, Any]]  # the endpoint's and the rule's
    notice: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), deferred=True)  # as worded last


class FlipRow(Base):
    """One transition. Without an endpoint it is of the installation, or of one that was deleted before all had arrived,
    or, with `drill_id`, of a drill."""

    __tablename__ = "flips"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    endpoint_id: Mapped[int | None] = mapped_column(ForeignKey("endpoints.id", ondelete="CASCADE"), index=True)
    rule: Mapped[str]
    severity: Mapped[str]
    before: Mapped[str]
    after: Mapped[str]
    at: Mapped[datetime]
    run_id: Mapped[str]
    drill_id: Mapped[str | None] = mapped_column(String(32))


class SilenceRow(Base):
    """Mutes matching alerts from `starts_at` to `ends_at`; it stays as a record afterwards."""

    __tablename__ = "silences"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    match: Mapped[dict[str, Any]]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)
    who: Mapped[str]
    comment: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class DrillRow(Base):
    """A fire drill and when each of its stages was reached. It names its endpoint, and touches nothing of it."""

    __tablename__ = "drills"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    endpoint: Mapped[str] = mapped_column(String(63))
    persona: Mapped[str]
    origin: Mapped[str]  # requested | scheduled
    state: Mapped[str] = mapped_column(index=True)  # running | succeeded | failed
    rule: Mapped[str | None]
    reason: Mapped[str | None] = mapped_column(Text)
    stages: Mapped[dict[str, Any]]
    notice: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # the resolved one that is owed
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class DeliveryRow(Base):
    """The outbox: one notice for one notifier, written in the transaction of the flip."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_state_next_at", "state", "next_at"),
        Index("ix_deliveries_lane", "lane", "id"),
        Index("ix_deliveries_notifier", "notifier", "state", "id"),
        Index("ix_deliveries_repeat_at", "repeat_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    flip_id: Mapped[str] = mapped_column(ForeignKey("flips.id", ondelete="CASCADE"))
    notifier: Mapped[str]
    lane: Mapped[str]  # notifier, endpoint and rule: deliveries of one lane keep their order
    notice: Mapped[dict[str, Any]]
    state: Mapped[str]  # pending | delivered | dead
    attempt: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text)
    delivered_at: Mapped[datetime | None]
    created_at: Mapped[datetime | None] = mapped_column(default=lambda: datetime.now(UTC))
    dead_at: Mapped[datetime | None]
    repeat_at: Mapped[datetime | None]  # told again then, to a receiver that forgets
    resent: Mapped[int] = mapped_column(default=0, server_default="0")


class CounterRow(Base):
    """Running totals behind the Prometheus counters, so that a restart does not reset them."""

    __tablename__ = "counters"

    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoints.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True)
    label2: Mapped[str] = mapped_column(primary_key=True, default="")
    value: Mapped[float] = mapped_column(default=0)


class SpendingRow(Base):
    """What a scope has cost on a UTC day: an endpoint's id, or 0 for the whole installation."""

    __tablename__ = "spending"

    day: Mapped[str] = mapped_column(String(10), primary_key=True)  # YYYY-MM-DD
    scope: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    requests: Mapped[int] = mapped_column(default=0)
    prompt_tokens: Mapped[int] = mapped_column(default=0)
    completion_tokens: Mapped[int] = mapped_column(default=0)
    judge_prompt_tokens: Mapped[int] = mapped_column(default=0)
    judge_completion_tokens: Mapped[int] = mapped_column(default=0)
    usd: Mapped[float] = mapped_column(default=0.0)


class NotificationCountRow(Base):
    __tablename__ = "notification_counts"

    notifier: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(default=0)


class GradeRow(Base):
    """A grade of the judge; `key` is a digest of judge model, rubric, prompt and reply."""

    __tablename__ = "judge_grades"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    grade: Mapped[int]
    at: Mapped[datetime] = mapped_column(index=True)


class TokenRow(Base):
    __tablename__ = "tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class SessionRow(Base):
    """Somebody signed in at the pages. `digest` is that of the secret in the cookie; the scopes are those that its
    token has at each request. The token's digest stands beside its id, since SQLite gives the ids of deleted rows away
    again."""

    __tablename__ = "sessions"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    token_id: Mapped[int] = mapped_column(ForeignKey("tokens.id", ondelete="CASCADE"), index=True)
    token_digest: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
