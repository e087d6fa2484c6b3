"""Settings: flags, then SELFWATCH_* variables (secrets also as *_FILE), then the YAML file. Unknown keys are errors."""

import ipaddress
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from probes.types import Plan, Selection
from service.declared_tokens import TokenIn
from service.registration import MOST_TOKENS, MOST_USD, EndpointIn, Slug
from service.rule_settings import DrillsIn, RouteIn, RuleIn, WindowIn, duration_between

SECRET_SETTINGS = ("judge_api_key", "second_judge_api_key", "secret_key", "database_url")


class ConfigError(Exception):
    """A setting is wrong. The text names the file, the path in it, the value and the remedy."""


def host_and_port(address: str) -> tuple[str, int]:
    """The parts of `host:port` or `[ipv6]:port`. Raises ValueError naming the address."""
    try:
        parts = urlsplit(f"//{address}")
        if parts.hostname and parts.port and address == parts.netloc and parts.username is None:
            return parts.hostname, parts.port
    except ValueError:
        pass
    raise ValueError(f"{address!r} is not an address with a port; write it like example.com:443")


class Price(BaseModel):
    """USD for a million tokens."""

    model_config = ConfigDict(extra="forbid")
    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)


class BudgetConfig(BaseModel):
    """What the whole installation may cost, in UTC days and months."""

    model_config = ConfigDict(extra="forbid")
    tokens_per_day: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    usd_per_day: float | None = Field(default=None, gt=0, le=MOST_USD, allow_inf_nan=False)
    tokens_per_month: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    usd_per_month: float | None = Field(default=None, gt=0, le=MOST_USD, allow_inf_nan=False)


class SelectionConfig(BaseModel):
    """How much of one probe a user's plan asks: `questions` per cell ("all": every item once), `replies` to each."""

    model_config = ConfigDict(extra="forbid")
    questions: int | str = Field(description='per cell, or "all"')
    replies: int = Field(default=1, ge=1, le=100)
    variants: tuple[str, ...] = Field(default=(), description="of the alternatives in its bank, such as es-it")

    @field_validator("questions")
    @classmethod
    def _questions(cls, value: int | str) -> int | str:
        if value == "all" or (isinstance(value, int) and 1 <= value <= 10_000):
            return value
        raise ValueError('questions is a number from 1 to 10000, or "all"')


class PlanConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")
    probes: dict[str, SelectionConfig] = Field(min_length=1)
    temperature: float = Field(default=1.0, ge=0, le=2)
    max_tokens: int = Field(default=256, ge=1, le=32_768)

    def plan(self, name: str) -> Plan:
        selections = (
            Selection(
                probe=probe,
                questions=None if s.questions == "all" else int(s.questions),
                replies=s.replies,
                variants=s.variants,
            )
            for probe, s in self.probes.items()
        )
        return Plan(name=name, selections=tuple(selections), temperature=self.temperature, max_tokens=self.max_tokens)


class SecretFileSource(PydanticBaseSettingsSource):
    """Reads `SELFWATCH_X_FILE` for every secret setting x."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in SECRET_SETTINGS:
            variable = f"SELFWATCH_{name.upper()}_FILE"
            if path := os.environ.get(variable):
                try:
                    found[name] = Path(path).read_text(encoding="utf-8").strip()
                except OSError as error:
                    raise ConfigError(
                        f"{variable}={path}: cannot be read ({error.strerror}); check the path"
                    ) from error
        return found


class Settings(BaseSettings):
    """Everything the service can be told. Every name is a key of the config file and, in upper case, a variable."""

    model_config = SettingsConfigDict(env_prefix="SELFWATCH_", extra="forbid", env_ignore_empty=True)
    file_values: ClassVar[dict[str, Any]] = {}
    file: ClassVar[Path | None] = None

    host: str = "127.0.0.1"
    port: int = Field(default=8321, ge=0, le=65535)
    public_url: str | None = None
    data_dir: Path = Path("data")
    database_url: SecretStr | None = None
    secret_key: SecretStr | None = Field(default=None, description="Fernet key for endpoint keys at rest")
    judge_base_url: str | None = None
    judge_model: str = "gpt-4.1"
    judge_api_key: SecretStr | None = None
    judge_max_tokens: int = Field(default=300, ge=10, le=32_768, description="more for a judge that reasons first")
    judge_concurrency: int = Field(default=64, ge=1, le=256, description="calls to a judge at once")
    judge_requests_per_minute: int | None = Field(default=None, ge=1)
    judge_tokens_per_minute: int | None = Field(default=None, ge=1)
    judge_floor: float = Field(default=0.6, ge=0, le=1, description="least weighted kappa on the anchors")
    judge_check_share_s: float = Field(default=300.0, ge=0, description="runs so close share one check of the judge")
    second_judge_base_url: str | None = None
    second_judge_model: str = "gpt-4.1"
    second_judge_api_key: SecretStr | None = None
    tokens: dict[Slug, TokenIn] = Field(default={}, description="API tokens made outside, from files or variables")
    outbound_allow: Annotated[list[str], NoDecode] = []
    connectivity_check: Annotated[list[str], NoDecode] = Field(
        default=[], description="host:port addresses that tell whether we are online; none: hosts that answered lately"
    )
    workers: int = Field(default=8, ge=1, le=256, description="runs at once, beside those that wait for slow servers")
    call_deadline_s: float = Field(default=60.0, gt=0, le=3600)
    run_deadline_s: float = Field(default=7200.0, gt=0)
    retry_base_s: float = Field(default=1.0, ge=0, description="first wait before a retry; doubles")
    auto_baseline_runs: int = Field(default=3, ge=0, le=100, description="0: never build a baseline by itself")
    false_alarm_heartbeats: float = Field(default=10_000, ge=100, le=1e9, description="one false alarm in so many")
    false_pages_per_quarter: float | None = Field(default=None, gt=0, le=1000, description="over the whole fleet")
    escalation: Literal["off", "follow_up", "confirm"] = Field(
        default="confirm", description="what weak and strong evidence lead to: more answers, and a full run"
    )
    prices: dict[str, Price] = Field(default={}, description="by model name")
    budget: BudgetConfig = Field(default_factory=BudgetConfig, description="of all endpoints together")
    retention_days: float = Field(default=30, gt=0, le=36_500, description="raw replies are kept for so long")
    retention_answers_days: float = Field(default=90, gt=0, le=36_500, description="scores of single answers")
    retention_mb: float = Field(default=100_000, gt=0, description="of database in use; above it the oldest replies go")
    event_streams: int = Field(default=64, ge=1, le=10_000, description="readers of /api/v1/events at once")
    loop_watch_s: float = Field(default=0.1, ge=0.001, le=60, description="between looks at the event loop's lateness")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    log_format: str = Field(default="auto", pattern="^(auto|console|json)$")
    endpoints: list[EndpointIn] = []
    notifiers: dict[Slug, dict[str, Any]] = {"log": {"kind": "log"}}
    item_banks: list[Path] = Field(default=[], description="JSONL or CSV files with items of your own")
    plans: dict[Slug, PlanConfig] = {}
    rules: list[RuleIn] = Field(default=[], description="of your own, or changes of shipped ones")
    routes: list[RouteIn] = Field(default=[], description="which notifiers get which alerts; without: all get all")
    maintenance: list[WindowIn] = Field(default=[], description="windows in which matching alerts send nothing")
    remind_after: Annotated[timedelta, duration_between(timedelta(minutes=1), timedelta(days=31))] | None = Field(
        default=timedelta(days=1), description="while an alert fires, send it again after so long; null: never"
    )
    drills: DrillsIn | None = Field(default=None, description="fire drills on a schedule")

    @field_validator("outbound_allow", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        networks = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        for network in networks or []:
            try:
                ipaddress.ip_network(str(network), strict=False)
            except ValueError:
                raise ValueError(f"{network!r} is not a network; write it like 10.0.0.0/8") from None
        return networks

    @field_validator("connectivity_check", mode="before")
    @classmethod
    def _addresses(cls, value: Any) -> Any:
        found = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        for address in found or []:
            host_and_port(str(address))
        return found

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = InitSettingsSource(settings_cls, init_kwargs=cls.file_values)
        return (init_settings, env_settings, SecretFileSource(settings_cls), file)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach us."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def url(self) -> str:
        """Where a person finds the pages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    def sqlalchemy_url(self) -> str:
        """The database as SQLAlchemy names it. Raises ConfigError for a kind that is not supported."""
        if self.database_url is None:
            return f"sqlite+aiosqlite:///{(self.data_dir / 'selfwatch.db').resolve()}"
        url = self.database_url.get_secret_value()
        if url.startswith("sqlite:///"):
            return url.replace("sqlite:///", "sqlite+aiosqlite:///", 1)
        scheme = url.split(":", 1)[0]
        raise ConfigError(
            f"SELFWATCH_DATABASE_URL: scheme {scheme!r} is not supported by this version; "
            "use sqlite:////absolute/path.db, or leave it out for a file under SELFWATCH_DATA_DIR"
        )


def _describe(error: ValidationError, where: str) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        path = ".".join(str(part) for part in problem["loc"] if part != "[key]") or "(whole file)"
        value = problem.get("input")
        shown = "" if _secret(path) else f" = {value!r}"[:120]
        remedy = "remove it, or check its spelling" if problem["type"] == "extra_forbidden" else problem["msg"]
        lines.append(f"{where}: {path}{shown}: {remedy}")
    return "\n".join(lines)


def _secret(path: str) -> bool:
    return any(word in path.lower() for word in ("key", "secret", "token", "password", "database_url"))


def read_file(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises ConfigError naming file and line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); check the path") from error
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise ConfigError(f"{path}: (whole file) = {type(found).__name__}: must be a mapping of setting names")
    return found


def load(path: Path | None = None, **flags: Any) -> Settings:
    """Settings from flags, environment and `path`. Raises ConfigError with every mistake, one a line."""
    values = read_file(path) if path is not None else {}

    class Loaded(Settings):
        file_values: ClassVar[dict[str, Any]] = values
        file: ClassVar[Path | None] = path

    try:
        return Loaded(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        raise ConfigError(_describe(error, str(path) if path else "environment")) from error
    except ValueError as error:  # pydantic-settings: a variable that must be JSON and is not
        raise ConfigError(f"environment: {error}") from error
