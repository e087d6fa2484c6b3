"""Posts each notice as JSON to one URL.

Headers: `Idempotency-Key` (the same over retries) and, with a secret, `Selfwatch-Signature: t=<unix seconds>,v1=<hex>`,
where v1 is HMAC-SHA256 (RFC 2104) of `<t>.<body>`. A receiver computes it over the bytes it got, and refuses an old t.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
from pydantic import Field, SecretStr, field_validator
from yarl import URL

from alerts.notifiers.base import Context, StrictConfig, resolve_secret
from alerts.render import to_json
from alerts.types import DeliveryError, Notice

RETRYABLE_STATUS: frozenset[int] = frozenset({408, 425, 429})
"""Besides 5xx: timeout, too early, too many requests (RFC 9110, 8470, 6585)."""

SIGNATURE_HEADER = "Selfwatch-Signature"
OWN_HEADERS = frozenset({"content-type", "content-length", "host", "idempotency-key", SIGNATURE_HEADER.lower()})
TOKEN_CHARACTERS = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")  # RFC 9110, 5.6.2


class WebhookConfig(StrictConfig):
    """`url` counts as a secret: many services put the token in it. `headers` are sent with each request."""

    url: SecretStr
    secret: SecretStr | None = None
    secret_env: str | None = None
    secret_file: Path | None = None
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    timeout_s: float = Field(default=10.0, gt=0, le=15)

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: SecretStr) -> SecretStr:
        try:
            parsed = URL(url.get_secret_value())
        except ValueError:
            parsed = URL()
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError("must be an http:// or https:// URL with a host")
        return url

    @field_validator("headers")
    @classmethod
    def _are_ours_to_send(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            if not name or not TOKEN_CHARACTERS.issuperset(name.lower()):
                raise ValueError(f"{name!r} is no header name")
            if name.lower() in OWN_HEADERS:
                raise ValueError(f"{name!r} is set by Selfwatch; remove it")
            if not value.get_secret_value().isprintable():
                raise ValueError(f"the value of {name!r} has characters that a header cannot carry")
        return headers


class Webhook:
    """One POST per send. Follows no redirect and reads no response body."""

    Config = WebhookConfig

    def __init__(self, name: str, config: WebhookConfig, context: Context) -> None:
        self._name = name
        self._config = config
        self._context = context
        secret = resolve_secret("secret", config.secret, config.secret_env, config.secret_file, context.environ)
        self._key = None if secret is None else secret.encode()

    async def send(self, notice: Notice) -> None:
        body = json.dumps(to_json(notice), ensure_ascii=False).encode()
        try:
            async with self._context.session.post(
                self._config.url.get_secret_value(),
                data=body,
                headers=self._headers(notice, body),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self._config.timeout_s),
            ) as response:
                status, retry_after = response.status, response.headers.get("Retry-After")
        except TimeoutError:
            failure = DeliveryError(f"the webhook did not answer within {self._config.timeout_s:g} s", retryable=True)
        except Exception as error:
            failure = self._unreached(error)
        else:
            self._judge(status, retry_after)
            return
        raise failure  # outside the handlers: a chained exception would carry the URL into tracebacks

    async def aclose(self) -> None:
        return  # the session belongs to the service

    def _headers(self, notice: Notice, body: bytes) -> dict[str, str]:
        headers = {name: value.get_secret_value() for name, value in self._config.headers.items()}
        headers |= {"Content-Type": "application/json", "Idempotency-Key": notice.idempotency_key}
        if self._key is not None:
            headers[SIGNATURE_HEADER] = signature(self._key, int(self._context.clock().timestamp()), body)
        return headers

    def _unreached(self, error: BaseException) -> DeliveryError:
        if any(isinstance(link, self._context.denied) for link in _chain(error)):
            return DeliveryError(
                "the outbound policy does not allow the webhook's address; if it is meant to be reached, add its "
                "network to SELFWATCH_OUTBOUND_ALLOW",
                retryable=False,
            )
        names = ", ".join(dict.fromkeys(type(link).__name__ for link in _chain(error)))
        return DeliveryError(f"the webhook could not be reached ({names})", retryable=True)

    def _judge(self, status: int, retry_after: str | None) -> None:
        if 200 <= status < 300:
            return
        if status in RETRYABLE_STATUS or status >= 500:
            wait_s = retry_after_s(retry_after, self._context.clock())
            raise DeliveryError(f"the webhook answered {status}", retryable=True, retry_after_s=wait_s)
        hint = "redirects are not followed, give the final URL" if status < 400 else "check its URL and credentials"
        raise DeliveryError(f"the webhook answered {status}; {hint} (notifier {self._name!r})", retryable=False)


def signature(key: bytes, at: int, body: bytes) -> str:
    """The value of the signature header for `body` sent at unix second `at`."""
    digest = hmac.new(key, str(at).encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date); None if it cannot be read."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what caused it, outermost first."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__
