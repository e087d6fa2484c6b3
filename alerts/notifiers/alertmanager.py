"""Hands each notice to Prometheus Alertmanager (API v2) as an alert with labels; it groups, routes and silences on.

Alertmanager forgets an alert that is not told again, so a firing one is repeated every `repeat_s` and carries an
`endsAt` of four times that: when Selfwatch is gone, its alerts end by themselves. A resolved one is repeated for five
minutes, since the instance that was told may die before it has notified anyone.
"""

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, field_validator
from yarl import URL

from alerts.notifiers.base import Context, StrictConfig, resolve_secret
from alerts.notifiers.http import Receiver, check_url, post
from alerts.types import AlertState, DeliveryError, Notice

logger = logging.getLogger("selfwatch.alerts.alertmanager")

LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
OWN_LABELS = frozenset({"alertname", "severity", "endpoint", "simulated"})

RESOLVED_FOR_S = 300.0
"""A resolved alert is repeated for so long."""

ENDS_AFTER_REPEATS = 4
"""A firing alert ends unless one of so many repeats arrives. Prometheus does the same."""


class AlertmanagerConfig(StrictConfig):
    """`urls`: of every instance of a cluster (each is told), as a browser opens them; they may hold a password.

    `labels` are added to each alert, for Alertmanager's routes. `urls_env` and `urls_file` hold URLs parted by commas
    or white space.
    """

    urls: tuple[SecretStr, ...] = ()
    urls_env: str | None = None
    urls_file: Path | None = None
    bearer_token: SecretStr | None = None
    bearer_token_env: str | None = None
    bearer_token_file: Path | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    repeat_s: float = Field(default=60.0, ge=5, le=120)
    timeout_s: float = Field(default=10.0, gt=0, le=15)

    @field_validator("urls")
    @classmethod
    def _are_http(cls, urls: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for url in urls:
            check_url(url.get_secret_value())
        return urls

    @field_validator("labels")
    @classmethod
    def _are_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        for name in labels:
            if not LABEL_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no label name; use letters, digits and _, not a digit first")
            if name in OWN_LABELS:
                raise ValueError(f"{name!r} is set by Selfwatch; use another name")
        return labels


class Alertmanager:
    """One POST to each instance. Delivered when one of them took it: the others are told with the next repeat."""

    Config = AlertmanagerConfig

    def __init__(self, name: str, config: AlertmanagerConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._receiver = Receiver(called="Alertmanager", notifier=name, timeout_s=config.timeout_s)
        self._urls = [f"{url.rstrip('/')}/api/v2/alerts" for url in _urls(config, context)]
        token = resolve_secret(
            "bearer_token", config.bearer_token, config.bearer_token_env, config.bearer_token_file, context.environ
        )
        if token is not None and any(URL(url).user is not None for url in self._urls):
            raise ValueError("bearer_token: a URL has a user already; give one of the two")
        self._headers = {"Authorization": f"Bearer {token}"} if token is not None else {}

    async def send(self, notice: Notice) -> None:
        ends = self._context.clock() + timedelta(seconds=ENDS_AFTER_REPEATS * self._config.repeat_s)
        body = json.dumps([alert(notice, self._config.labels, ends)], ensure_ascii=False).encode()
        headers = {**self._headers, "Idempotency-Key": notice.idempotency_key}
        failures = [one for one in await asyncio.gather(*(self._tell(u, body, headers) for u in self._urls)) if one]
        if len(failures) < len(self._urls):
            for failure in failures:
                facts = {"action": "alertmanager_missed", "notifier": self._receiver.notifier, "error": str(failure)}
                logger.warning("an Alertmanager was not told", extra=facts)
            return
        if len(failures) == 1:
            raise failures[0]
        waits = [one.retry_after_s for one in failures if one.retry_after_s is not None]
        raise DeliveryError(
            f"none of {len(failures)} instances took it: {'; '.join(dict.fromkeys(map(str, failures)))}",
            retryable=any(failure.retryable for failure in failures),
            retry_after_s=min(waits, default=None),
        )

    async def _tell(self, url: str, body: bytes, headers: Mapping[str, str]) -> DeliveryError | None:
        try:
            await post(self._context, self._receiver, url, body, headers)
        except DeliveryError as error:
            return error
        return None

    def repeat_after_s(self, notice: Notice, told_for_s: float) -> float | None:
        """Firing: for ever. Resolved: for RESOLVED_FOR_S."""
        over = notice.status is AlertState.RESOLVED and told_for_s >= RESOLVED_FOR_S
        return None if over else self._config.repeat_s

    async def aclose(self) -> None:
        return  # the session belongs to the service


def alert(notice: Notice, extra_labels: Mapping[str, str], ends: datetime) -> dict[str, Any]:
    """The notice as `postableAlert` of API v2. `ends`: when it is over if it is firing and not told again.

    The labels are its identity: the same for firing and resolved.
    """
    labels = {_label(name): value for name, value in notice.labels.items()}
    labels |= dict(extra_labels)
    labels |= {"alertname": notice.rule, "severity": str(notice.severity), "endpoint": notice.endpoint}
    if notice.simulated:
        labels["simulated"] = "true"
    links = {name: url for name, url in notice.links.items() if url.startswith(("http://", "https://"))}
    annotations = {"summary": notice.title, "description": notice.text, "idempotency_key": notice.idempotency_key}
    annotations |= {"runbook_url" if name == "runbook" else _label(name): url for name, url in links.items()}
    found: dict[str, Any] = {
        "labels": {name: value for name, value in labels.items() if value},  # an empty label is no label there
        "annotations": annotations,
        "startsAt": _time(notice.since),
        "endsAt": _time(ends if notice.status is AlertState.FIRING else notice.at),
    }
    if source := links.get("run") or links.get("endpoint"):
        found["generatorURL"] = source
    return found


def _label(name: str) -> str:
    """A label name that Alertmanager takes, and that is none of ours."""
    clean = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    if not LABEL_NAME.fullmatch(clean):
        clean = f"_{clean}"
    return f"exported_{clean}" if clean in OWN_LABELS else clean


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _urls(config: AlertmanagerConfig, context: Context) -> list[str]:
    if config.urls and (config.urls_env or config.urls_file):
        raise ValueError("urls: give one of urls, urls_env, urls_file")
    if config.urls:
        return [url.get_secret_value() for url in config.urls]
    text = resolve_secret("urls", None, config.urls_env, config.urls_file, context.environ)
    if text is None:
        raise ValueError("urls: give one of urls, urls_env, urls_file")
    try:
        return [check_url(url) for url in re.split(r"[\s,]+", text.strip(", \n\t"))]
    except ValueError as error:
        raise ValueError(f"{'urls_env' if config.urls_env else 'urls_file'}: {error}") from None
