"""Posts each notice as JSON to one URL.

Headers: `Idempotency-Key` (the same over retries) and, with a secret, `Selfwatch-Signature: t=<unix seconds>,v1=<hex>`,
where v1 is HMAC-SHA256 (RFC 2104) of `<t>.<body>`. docs/alerts.md shows how a receiver checks it.
"""

import hashlib
import hmac
import json
from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from alerts.notifiers.base import Context, StrictConfig, resolve_secret
from alerts.notifiers.http import Receiver, check_url, post
from alerts.render import to_json
from alerts.types import Notice

SIGNATURE_HEADER = "Selfwatch-Signature"
OWN_HEADERS = frozenset({"content-type", "content-length", "host", "idempotency-key", SIGNATURE_HEADER.lower()})
TOKEN_CHARACTERS = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")  # RFC 9110, 5.6.2


class WebhookConfig(StrictConfig):
    """`url` counts as a secret: many services put the token in it. `headers` are sent with each request.

    `headers_env` and `headers_file` name, for a header, the variable or the file that holds its value.
    """

    url: SecretStr | None = None
    url_env: str | None = None
    url_file: Path | None = None
    secret: SecretStr | None = None
    secret_env: str | None = None
    secret_file: Path | None = None
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    headers_env: dict[str, str] = Field(default_factory=dict)
    headers_file: dict[str, Path] = Field(default_factory=dict)
    timeout_s: float = Field(default=10.0, gt=0, le=15)

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            check_url(url.get_secret_value())
        return url

    @field_validator("headers")
    @classmethod
    def _are_printable(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            _check_header_value(name, value.get_secret_value())
        return headers

    @field_validator("headers", "headers_env", "headers_file")
    @classmethod
    def _are_ours_to_send(cls, headers: dict[str, object]) -> dict[str, object]:
        for name in headers:
            if not name or not TOKEN_CHARACTERS.issuperset(name.lower()):
                raise ValueError(f"{name!r} is no header name")
            if name.lower() in OWN_HEADERS:
                raise ValueError(f"{name!r} is set by Selfwatch; remove it")
        return headers


class Webhook:
    """One POST per send. Follows no redirect and reads no response body."""

    Config = WebhookConfig

    def __init__(self, name: str, config: WebhookConfig, context: Context) -> None:
        self._context = context
        self._receiver = Receiver(called="the webhook", notifier=name, timeout_s=config.timeout_s)
        self._url = _url(config, context)
        self._headers = _extra_headers(config, context)
        secret = resolve_secret("secret", config.secret, config.secret_env, config.secret_file, context.environ)
        self._key = None if secret is None else secret.encode()

    async def send(self, notice: Notice) -> None:
        body = json.dumps(to_json(notice), ensure_ascii=False).encode()
        headers = {**self._headers, "Idempotency-Key": notice.idempotency_key}
        if self._key is not None:
            headers[SIGNATURE_HEADER] = signature(self._key, int(self._context.clock().timestamp()), body)
        await post(self._context, self._receiver, self._url, body, headers)

    async def aclose(self) -> None:
        return  # the session belongs to the service


def signature(key: bytes, at: int, body: bytes) -> str:
    """The value of the signature header for `body` sent at unix second `at`."""
    digest = hmac.new(key, str(at).encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _url(config: WebhookConfig, context: Context) -> str:
    url = resolve_secret("url", config.url, config.url_env, config.url_file, context.environ)
    if url is None:
        raise ValueError("url: give one of url, url_env, url_file")
    try:
        return check_url(url)
    except ValueError as error:
        raise ValueError(f"{'url_env' if config.url_env else 'url_file'}: {error}") from None


def _extra_headers(config: WebhookConfig, context: Context) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in {*config.headers, *config.headers_env, *config.headers_file}:
        value = resolve_secret(
            f"headers.{name}", config.headers.get(name), config.headers_env.get(name), config.headers_file.get(name),
            context.environ,
        )  # fmt: skip
        found[name] = _check_header_value(name, value or "")
    return found


def _check_header_value(name: str, value: str) -> str:
    if not value.isprintable():
        raise ValueError(f"the value of {name!r} has characters that a header cannot carry")
    return value
