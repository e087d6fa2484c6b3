"""One POST over HTTP and what its answer means: shared by the notifiers that speak HTTP."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from alerts.notifiers.base import Context
from alerts.types import DeliveryError

RETRYABLE_STATUS: frozenset[int] = frozenset({408, 425, 429})
"""Besides 5xx: timeout, too early, too many requests (RFC 9110, 8470, 6585)."""

DENIED = (
    "the outbound policy does not allow {whose} address; if it is meant to be reached, add its network to "
    "SELFWATCH_OUTBOUND_ALLOW"
)


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Whom a notifier posts to. `called` names it in errors, without its address: "the webhook"."""

    called: str
    notifier: str
    timeout_s: float


def is_retryable(status: int) -> bool:
    return status in RETRYABLE_STATUS or status >= 500


def check_url(text: str) -> str:
    """`text`. Raises ValueError, without the text, unless it is an http or https URL with a host."""
    try:
        parsed = URL(text)
    except ValueError:
        parsed = URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("must be an http:// or https:// URL with a host")
    return text


async def post(context: Context, receiver: Receiver, url: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Deliver `body`. Follows no redirect and reads no response body. Raises DeliveryError."""
    try:
        async with context.session.post(
            url,
            data=body,
            headers={"Content-Type": "application/json", **headers},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=receiver.timeout_s),
        ) as response:
            status, retry_after = response.status, response.headers.get("Retry-After")
    except TimeoutError:
        failure = DeliveryError(f"{receiver.called} did not answer within {receiver.timeout_s:g} s", retryable=True)
    except Exception as error:
        failure = _unreached(context, receiver, error)
    else:
        wait_s = retry_after_s(retry_after, context.clock()) if is_retryable(status) else None
        judge(receiver, status, wait_s)
        return
    raise failure  # outside the handlers: a chained exception would carry the URL into tracebacks


def judge(receiver: Receiver, status: int, wait_s: float | None = None) -> None:
    """Raises DeliveryError unless `status` means delivered."""
    if 200 <= status < 300:
        return
    if is_retryable(status):
        raise DeliveryError(f"{receiver.called} answered {status}", retryable=True, retry_after_s=wait_s)
    hint = "redirects are not followed, give the final URL" if status < 400 else "check its URL and credentials"
    raise DeliveryError(
        f"{receiver.called} answered {status}; {hint} (notifier {receiver.notifier!r})", retryable=False
    )


def _unreached(context: Context, receiver: Receiver, error: BaseException) -> DeliveryError:
    if any(isinstance(link, context.denied) for link in _chain(error)):
        return DeliveryError(DENIED.format(whose=f"{receiver.called}'s"), retryable=False)
    names = ", ".join(dict.fromkeys(type(link).__name__ for link in _chain(error)))
    return DeliveryError(f"{receiver.called} could not be reached ({names})", retryable=True)


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
