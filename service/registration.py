"""An endpoint as a user declares it, over HTTP or in the config file. Unknown fields are refused by name."""

import json
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator, model_validator

from service.schedules import parse_schedule

SLUG = r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"
"""The form of names."""
Slug = Annotated[str, StringConstraints(pattern=SLUG)]
Label = Annotated[str, StringConstraints(max_length=200)]
LabelName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,62}$")]
RESERVED_NAMES = ("new",)
"""Their page would have the address of another one."""
MIN_INTERVAL = timedelta(seconds=1)
MOST_TOKENS = 10**15
"""Of a limit, also of requests: beyond any use, and still exact as a float and in JSON."""
MOST_USD = 1e12
LONGEST_KEY = 10_000
MOST_EXTRA_BYTES = 16_384
EXTRA_LEVELS = 20
"""Of lists and objects in each other."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Limits(Strict):
    """What one endpoint may be asked. Days and months are those of UTC; tokens and USD count the judge's share too."""

    concurrency: int = Field(default=8, ge=1, le=256)
    requests_per_minute: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    tokens_per_minute: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    tokens_per_day: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    usd_per_day: float | None = Field(default=None, gt=0, le=MOST_USD, allow_inf_nan=False)
    tokens_per_month: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    usd_per_month: float | None = Field(default=None, gt=0, le=MOST_USD, allow_inf_nan=False)


class SamplingIn(Strict):
    """Sent with each call in place of the plan's values; `extra` goes into the request body as it is."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1, le=32_768)
    extra: dict[str, Any] = Field(default_factory=dict)

    @field_validator("extra")
    @classmethod
    def _extra(cls, value: dict[str, Any]) -> dict[str, Any]:
        """What JSON cannot hold would be stored, and then break each reply that shows it."""
        if _nested(value, EXTRA_LEVELS):
            raise ValueError(f"lists and objects may lie {EXTRA_LEVELS} deep in each other; make it flatter")
        try:
            size = len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
        except ValueError:  # NaN and infinity, and half of a surrogate pair
            raise ValueError("holds a number or a character that JSON cannot hold; remove it") from None
        if size > MOST_EXTRA_BYTES:
            raise ValueError(f"takes {size} bytes as JSON; at most {MOST_EXTRA_BYTES} are sent with each call")
        return value


def _nested(value: Any, levels: int) -> bool:
    """Whether lists and objects lie more than `levels` deep in each other."""
    if not isinstance(value, dict | list):
        return False
    return levels == 0 or any(
        _nested(one, levels - 1) for one in (value.values() if isinstance(value, dict) else value)
    )


def check_base_url(value: str) -> str:
    """`value` without its trailing slash. Raises ValueError unless it is a plain http(s) address."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{value[:80]!r} is not an http(s) address; write it like https://api.example.com/v1")
    if parts.username or parts.password:
        raise ValueError("credentials in the address would be shown in pages and logs; use api_key instead")
    if parts.query or parts.fragment:
        raise ValueError("an address with a query or fragment cannot be a base; write it like https://host/v1")
    return value.rstrip("/")


class EndpointFields(Strict):
    """What may be changed later as well."""

    base_url: str = Field(max_length=2000)
    model: str = Field(min_length=1, max_length=200)
    api_key: SecretStr | None = None
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    api_key_file: str | None = Field(default=None, min_length=1, max_length=1000)
    schedules: dict[Slug, str] = Field(default_factory=lambda: {"heartbeat": "PT15M"})
    profiles: str = Field(default="gpt-4.1/all", min_length=1, max_length=100)
    labels: dict[LabelName, Label] = Field(default_factory=dict, max_length=20)
    limits: Limits = Field(default_factory=Limits)
    sampling: SamplingIn = Field(default_factory=SamplingIn)

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, value: str) -> str:
        return check_base_url(value)

    @field_validator("api_key")
    @classmethod
    def _api_key(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value() if value is not None else ""
        if len(key) > LONGEST_KEY or not (key.isascii() and key.isprintable()):
            raise ValueError("is no key that an HTTP header can carry: check it for line breaks and odd characters")
        return value

    @field_validator("schedules")
    @classmethod
    def _schedules(cls, value: dict[str, str]) -> dict[str, str]:
        for spec in value.values():
            parse_schedule(spec)
        return value

    @model_validator(mode="after")
    def _one_key(self) -> "EndpointFields":
        given = [n for n in ("api_key", "api_key_env", "api_key_file") if getattr(self, n) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of {', '.join(given)}, not several")
        return self


class EndpointIn(EndpointFields):
    """A registration."""

    name: Slug

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if value in RESERVED_NAMES:
            raise ValueError(f"{value!r} is the address of the form that registers one; choose another name")
        return value


class EndpointPatch(EndpointFields):
    """A change: only the fields given are changed."""

    base_url: str = Field(default="http://unset", max_length=2000)
    model: str = Field(default="unset", min_length=1, max_length=200)
