"""How rules, routes, maintenance windows and drills are written in the config file. Mistakes are named exactly."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from alerts.custom import ARM_METRICS, CELL_METRICS, CUSTOM_RUNBOOK, METRICS, Adjustment, Condition, Custom
from alerts.custom import rules_in_force as in_force
from alerts.match import Match, Route
from alerts.rules import RULES
from alerts.types import Rule, Severity
from baselines.types import Arm
from service.maintenance import LONGEST, Window
from service.registration import Label, LabelName, Slug
from service.schedules import parse_schedule

SHIPPED = {rule.name: rule for rule in RULES}
Runs = Annotated[int, Field(ge=1, le=1000)]
_TIMEDELTA = TypeAdapter(timedelta)
FIRST_YEAR, LAST_YEAR = 1900, 9000


def duration_between(least: timedelta, most: timedelta) -> BeforeValidator:
    """Reads an ISO-8601 duration; what is none, or out of these bounds, is refused as it was written."""

    def read(value: Any) -> timedelta:
        try:
            found = _TIMEDELTA.validate_python(value)
        except ValidationError:
            raise ValueError("is no ISO-8601 duration; write it like PT15M, PT2H or P1D") from None
        if not least <= found <= most:
            raise ValueError(f"is out of range; a duration here is {_spoken(least)} to {_spoken(most)}")
        return found

    return BeforeValidator(read)


def _spoken(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    return f"{minutes // 1440} days" if minutes >= 1440 else f"{minutes} min"


def _rule_name(value: str) -> str:
    if re.fullmatch(r"[A-Z][A-Za-z0-9]{2,62}", value) is None:
        raise ValueError("is no name for a rule; write it like ToneDrift: 3 to 63 letters and digits, a capital first")
    return value


def within_reach(at: datetime) -> datetime:
    """`at`, if it can be told in every zone and counted on from. Raises ValueError."""
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError(f"{at.isoformat()} is no time that can be meant; give one from {FIRST_YEAR} to {LAST_YEAR}")
    return at


RuleName = Annotated[str, AfterValidator(_rule_name)]
Duration = Annotated[timedelta, duration_between(timedelta(0), timedelta(days=31))]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Moment = Annotated[AwareDatetime, AfterValidator(within_reach)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MatchIn(Strict):
    """Which alerts: each pattern must fit; `*` stands for any text."""

    endpoint: Pattern | None = None
    rule: Pattern | None = None
    severity: Pattern | None = None
    labels: dict[LabelName, Pattern] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _not_empty(self) -> "MatchIn":
        if not (self.endpoint or self.rule or self.severity or self.labels):
            raise ValueError("matches nothing in particular; give endpoint, rule, severity or labels ('*' means any)")
        return self

    def match(self) -> Match:
        return Match(endpoint=self.endpoint, rule=self.rule, severity=self.severity, labels=self.labels)


class ForIn(Strict):
    """How long a rule has to hold: so many runs in a row, or so long a time, or both."""

    runs: Runs | None = None
    duration: Duration | None = None

    @model_validator(mode="after")
    def _one(self) -> "ForIn":
        if self.runs is None and self.duration is None:
            raise ValueError("says nothing; give runs (such as 3), or duration (such as PT1H)")
        return self


class ConditionIn(Strict):
    """One comparison over a figure of a run."""

    metric: str
    arm: Arm | None = None
    dimension: str | None = None
    method: str | None = None
    category: str | None = None
    above: float | None = Field(default=None, allow_inf_nan=False)
    below: float | None = Field(default=None, allow_inf_nan=False)
    clear: float | None = Field(default=None, allow_inf_nan=False)

    @field_validator("metric")
    @classmethod
    def _metric(cls, value: str) -> str:
        if value.removeprefix("selfwatch_") in METRICS:
            return value.removeprefix("selfwatch_")
        raise ValueError(f"is no figure of a run; there are: {', '.join(METRICS)}")

    @field_validator("arm", "dimension", "method", "category")
    @classmethod
    def _fits(cls, value: Any, info: ValidationInfo) -> Any:
        metric, name = info.data.get("metric"), str(info.field_name)
        if value is None or metric is None:
            return value
        allowed = ("arm",) if metric in ARM_METRICS else CELL_METRICS.get(metric, ())
        if name not in allowed:
            raise ValueError(f"does not go with {metric}, which takes {' and '.join(allowed) or 'none'}; remove it")
        return value

    @model_validator(mode="after")
    def _bounds(self) -> "ConditionIn":
        if self.metric in ARM_METRICS and self.arm is None:
            raise ValueError(f"{self.metric} needs an arm: self_report or behaviour")
        if (self.above is None) == (self.below is None):
            raise ValueError("give one of above and below; for both, write two conditions")
        if self.clear is not None and self.above is not None and self.clear > self.above:
            raise ValueError(f"clear ({self.clear:g}) lies above above ({self.above:g}); it is where the alert may end")
        if self.clear is not None and self.below is not None and self.clear < self.below:
            raise ValueError(f"clear ({self.clear:g}) lies below below ({self.below:g}); it is where the alert may end")
        return self

    def condition(self) -> Condition:
        parts = {name: getattr(self, name) for name in ("dimension", "method", "category")}
        where = {name: value for name, value in parts.items() if value is not None}
        return Condition(
            metric=self.metric, above=self.above, below=self.below, clear=self.clear, arm=self.arm, where=where
        )


class RuleIn(Strict):
    """A rule of one's own (with `when`), or what to change of a shipped one (by its name)."""

    name: RuleName
    when: list[ConditionIn] | None = Field(default=None, min_length=1, max_length=20)
    plan: Slug | None = None
    patience: ForIn | None = Field(default=None, alias="for")
    resolve_runs: Runs | None = None
    severity: Severity | None = None
    labels: dict[LabelName, Label] = Field(default_factory=dict, max_length=20)
    summary: str = Field(default="", max_length=200)
    runbook: str = Field(default="", max_length=500, pattern=r"^(https?://\S+)?$")
    off: bool = False

    @model_validator(mode="before")
    @classmethod
    def _off_is_a_word(cls, value: Any) -> Any:
        """YAML 1.1 reads a bare `off` as false, also as a key."""
        if isinstance(value, dict):
            return {("off" if key is False else key): item for key, item in value.items()}
        return value

    @model_validator(mode="after")
    def _kind(self) -> "RuleIn":
        if self.when is not None and self.name in SHIPPED:
            raise ValueError(f"{self.name} is a shipped rule, its conditions are fixed; choose another name")
        if self.when is None and self.name not in SHIPPED:
            raise ValueError(
                f"{self.name} is no shipped rule, so it needs a `when`; shipped are: {', '.join(sorted(SHIPPED))}"
            )
        fixed = [name for name in ("plan", "summary", "runbook") if getattr(self, name)]
        if self.when is None and fixed:
            raise ValueError(f"{' and '.join(fixed)} of a shipped rule cannot be changed; remove it")
        if self.when is not None and self.off:
            raise ValueError("off is for shipped rules; remove a rule of your own instead")
        return self

    @property
    def _duration(self) -> timedelta | None:
        return self.patience.duration if self.patience else None

    @property
    def _runs(self) -> int | None:
        return self.patience.runs if self.patience else None

    def adjustment(self) -> Adjustment:
        return Adjustment(
            name=self.name, off=self.off, severity=self.severity, for_runs=self._runs, for_duration=self._duration,
            resolve_runs=self.resolve_runs, labels=self.labels,
        )  # fmt: skip

    def custom(self) -> Custom:
        return Custom(
            name=self.name, when=tuple(one.condition() for one in self.when or ()),
            severity=self.severity or Severity.WARNING, summary=self.summary, runbook=self.runbook or CUSTOM_RUNBOOK,
            plan=self.plan, for_runs=self._runs or 1, for_duration=self._duration or timedelta(0),
            resolve_runs=self.resolve_runs or 2, labels=self.labels,
        )  # fmt: skip


class RouteIn(Strict):
    """Alerts that match go to these notifiers. One that no route matches goes to all."""

    match: MatchIn
    notifiers: list[Slug]

    def route(self) -> Route:
        return Route(match=self.match.match(), notifiers=tuple(self.notifiers))


class WindowIn(Strict):
    """A maintenance window: from each time of `schedule` (cron, on the clock of `timezone`), for `duration`."""

    name: Slug
    schedule: str
    duration: Annotated[timedelta, duration_between(timedelta(minutes=1), LONGEST)]
    timezone: str = "UTC"
    match: MatchIn
    comment: str = Field(default="", max_length=500)

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError("is no time zone; write it like Europe/Berlin or UTC") from None
        return value

    @field_validator("schedule")
    @classmethod
    def _cron(cls, value: str) -> str:
        if value.strip().upper().startswith("P"):
            raise ValueError("a window begins by the clock: write a five-field cron line, such as 0 2 * * sun")
        parse_schedule(value)
        return value

    def window(self) -> Window:
        return Window(
            name=self.name, cron=self.schedule.strip(), duration=self.duration, zone=ZoneInfo(self.timezone),
            match=self.match.match(), comment=self.comment,
        )  # fmt: skip


class DrillsIn(Strict):
    """Fire drills on a schedule. Without an endpoint: the first one by name."""

    schedule: str
    endpoint: Slug | None = None
    persona: str = "misaligned"

    @field_validator("schedule")
    @classmethod
    def _schedule(cls, value: str) -> str:
        parse_schedule(value)
        return value

    @field_validator("persona")
    @classmethod
    def _persona(cls, value: str) -> str:
        from service.drill_script import SCRIPTS  # noqa: PLC0415 (late: it knows the simulated personas)

        if value not in SCRIPTS:
            raise ValueError(f"there is no drill with it; known: {', '.join(sorted(SCRIPTS))}")
        return value


def twice(names: Sequence[str]) -> str | None:
    """A name that is given more than once."""
    return next((name for index, name in enumerate(names) if name in names[:index]), None)


def rules_in_force(rules: Sequence[RuleIn]) -> tuple[Rule, ...]:
    """The shipped rules as adjusted, then the users' own."""
    own = [one.custom() for one in rules if one.when is not None]
    return in_force(RULES, [one.adjustment() for one in rules if one.when is None], own)
