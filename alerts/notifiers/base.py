"""What every notifier plug-in is built from."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import aiohttp
from pydantic import BaseModel, ConfigDict, SecretStr

from alerts.types import Notifier


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a notifier may use of its surroundings.

    `session` already carries the outbound policy; `denied` are the exceptions by which that policy refuses an address.
    `check(address, host)` raises one of them: for libraries that make connections of their own. None: no such library
    may be used.
    """

    session: aiohttp.ClientSession
    denied: tuple[type[BaseException], ...] = ()
    check: Callable[[str, str], None] | None = None
    clock: Callable[[], datetime] = _now
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)


class StrictConfig(BaseModel):
    """A plug-in's settings: unknown fields are an error, and values stay out of error texts."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class NotifierClass(Protocol):
    """A notifier plug-in: a settings model named `Config`, and a constructor that raises ValueError only."""

    Config: type[StrictConfig]

    def __call__(self, name: str, config: StrictConfig, context: Context) -> Notifier: ...


def resolve_secret(
    field_name: str, direct: SecretStr | None, env: str | None, file: Path | None, environ: Mapping[str, str]
) -> str | None:
    """The secret given directly, by variable or by file; None if by none. Raises ValueError naming the field."""
    given = [direct is not None, env is not None, file is not None]
    if sum(given) > 1:
        raise ValueError(f"{field_name}: give one of {field_name}, {field_name}_env, {field_name}_file")
    if not any(given):
        return None
    where, value = field_name, direct.get_secret_value() if direct is not None else ""
    if env is not None:
        where, value = f"{field_name}_env", environ.get(env, "")
    if file is not None:
        where = f"{field_name}_file"
        try:
            value = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{where}: cannot read {str(file)!r} ({type(error).__name__})") from None
    if not value:
        source = "" if direct is not None else f" {env or str(file)!r}"
        raise ValueError(f"{where}:{source} is empty or not set")
    return value
