"""From what went wrong with a call to a named problem with a remedy. Pure."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from probes.clients.errors import OutboundDenied, ReplyTooLarge
from probes.types import CallError, Problem, Reason

DETAIL_LENGTH = 200
MAX_RETRY_AFTER_S = 86_400.0
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")

REMEDIES: dict[Reason, str] = {
    Reason.UNREACHABLE: "check that the server runs and that base_url is reachable from where selfwatch runs",
    Reason.TIMEOUT: "check the server's load, or raise SELFWATCH_CALL_DEADLINE_S",
    Reason.UNAUTHORIZED: "check the API key: PATCH the endpoint with api_key, api_key_env or api_key_file",
    Reason.UNKNOWN_MODEL: "check the model's name; GET <base_url>/models lists those the server knows",
    Reason.NOT_OPENAI_COMPATIBLE: "check base_url: for most servers it ends in /v1",
    Reason.BAD_REQUEST: "check model and sampling; the detail is what the server said",
    Reason.FILTERED: "the provider's content filter refused the question; that is no answer of the model",
    Reason.RATE_LIMITED: "lower limits.concurrency or limits.requests_per_minute",
    Reason.QUOTA_EXHAUSTED: "raise the quota with the provider, then start the run again",
    Reason.SERVER_ERROR: "look at the server's own log",
    Reason.OUTBOUND_DENIED: "if the address is intended, allow its network in SELFWATCH_OUTBOUND_ALLOW and restart",
}


def call_error(
    reason: Reason, detail: str, *, secret: str | None = None, retry_after_s: float | None = None
) -> CallError:
    """A CallError with the standard remedy; `detail` on one line, cut, and without `secret`."""
    if secret:
        detail = detail.replace(secret, "[key]")
    text = _CONTROL.sub(" ", detail).strip()[:DETAIL_LENGTH]
    return CallError(Problem(reason=reason, detail=text, remedy=REMEDIES[reason]), retry_after_s=retry_after_s)


def chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and everything that led to it."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        pending += [one.__cause__, one.__context__, getattr(one, "os_error", None)]


def connection(error: BaseException, host: str, secret: str | None) -> CallError:
    """No HTTP answer came."""
    for one in chain(error):
        if isinstance(one, OutboundDenied):
            return call_error(Reason.OUTBOUND_DENIED, str(one), secret=secret)
        if isinstance(one, ReplyTooLarge):
            return call_error(Reason.NOT_OPENAI_COMPATIBLE, f"{host}: {one}", secret=secret)
    causes = [one for one in chain(error) if isinstance(one, OSError)]
    cause = causes[-1] if causes else error
    said = str(cause) or type(cause).__name__
    return call_error(Reason.UNREACHABLE, f"{host} cannot be reached: {said}", secret=secret)


def status(code: int, headers: Any, body: Any, host: str, secret: str | None) -> CallError:
    """An HTTP answer that is no completion."""
    message, kind = _openai_error(body)
    said = f"HTTP {code} from {host}" + (f": {message}" if message else "")
    reason = _reason_of(code, message, kind)
    return call_error(reason, said, secret=secret, retry_after_s=_retry_after(headers.get("retry-after")))


BY_STATUS: dict[int, Reason] = {
    401: Reason.UNAUTHORIZED,
    402: Reason.QUOTA_EXHAUSTED,
    403: Reason.UNAUTHORIZED,
    404: Reason.NOT_OPENAI_COMPATIBLE,
    405: Reason.NOT_OPENAI_COMPATIBLE,
    408: Reason.TIMEOUT,
    429: Reason.RATE_LIMITED,
}


def _reason_of(code: int, message: str, kind: str) -> Reason:
    if code == 400 and ("content_filter" in kind or "content_policy" in kind):
        return Reason.FILTERED
    if code in (400, 404) and _says_missing(message, kind):
        return Reason.UNKNOWN_MODEL
    if code == 429 and ("quota" in kind or "billing" in kind):
        return Reason.QUOTA_EXHAUSTED
    if code in BY_STATUS:
        return BY_STATUS[code]
    if code < 400:  # a redirect is not followed: it would take the key to another place
        return Reason.NOT_OPENAI_COMPATIBLE
    return Reason.SERVER_ERROR if code >= 500 else Reason.BAD_REQUEST


def _says_missing(message: str, kind: str) -> bool:
    """Whether an error says that there is no such model."""
    text = f"{message} {kind}".lower()
    missing = ("not_found", "not found", "does not exist", "unknown", "no such", "invalid model")
    return bool(message) and "model" in text and any(word in text for word in missing)


def _openai_error(body: Any) -> tuple[str, str]:
    """(message, type and code) of an error body in any of the usual shapes."""
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    if not isinstance(body, dict):
        return "", ""
    message = body.get("message") or body.get("detail") or body.get("error") or ""
    kind = f"{body.get('code') or ''} {body.get('type') or ''}"
    return str(message), kind.lower()


def _retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header, which holds seconds or a date; at most MAX_RETRY_AFTER_S."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if seconds == seconds else None  # noqa: PLR0124 (NaN)
