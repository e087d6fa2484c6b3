"""Slack, Teams, PagerDuty, e-mail and a hundred more, through the Apprise library: one service a notifier.

Apprise blocks and makes connections of its own: it runs in a thread with a deadline, guarded so that each address it
connects to passes the outbound policy. It says only whether it worked; the status is read from its log.
"""

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr

from alerts import markup
from alerts.notifiers.base import Context, StrictConfig, resolve_secret
from alerts.notifiers.guard import guarded
from alerts.notifiers.http import Receiver, judge
from alerts.types import AlertState, DeliveryError, Notice, Severity

LOGGER = "apprise"
STATUS = re.compile(r"\berror=([1-5]\d\d)\b")
MAX_LEFT = 16
"""Threads of sends that were given up and still hang; with so many, nothing more is begun."""

KINDS: Mapping[Severity, str] = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}
REFERENCE_LENGTH = 12
MOST_LINES = 20
"""Of Apprise's log, kept for each thread."""


class AppriseConfig(StrictConfig):
    """`url`: of one service, as Apprise documents it: `slack://...`, `mailto://...`. It counts as a secret."""

    url: SecretStr | None = None
    url_env: str | None = None
    url_file: Path | None = None
    timeout_s: float = Field(default=10.0, gt=0, le=15)


class Apprise:
    """One message per send, in the plainest format that the service takes."""

    Config = AppriseConfig

    def __init__(self, name: str, config: AppriseConfig, context: Context) -> None:
        if context.check is None:
            raise ValueError("apprise needs an outbound policy, and there is none here")
        url = resolve_secret("url", config.url, config.url_env, config.url_file, context.environ)
        if url is None:
            raise ValueError("url: give one of url, url_env, url_file")
        self._url = url
        self._check = context.check
        self._timeout_s = config.timeout_s
        self._left: set[threading.Thread] = set()
        _quiet()
        service = self._service()
        self._receiver = Receiver(called=str(service.service_name), notifier=name, timeout_s=config.timeout_s)

    async def send(self, notice: Notice) -> None:
        self._left = {thread for thread in self._left if thread.is_alive()}
        if len(self._left) >= MAX_LEFT:
            raise DeliveryError(f"{len(self._left)} earlier sends still hang", retryable=True)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[DeliveryError | None] = loop.create_future()

        def work() -> None:
            failure = self._deliver(notice)
            try:
                loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(failure))
            except RuntimeError:
                return  # the service has ended meanwhile

        thread = threading.Thread(target=work, name="apprise", daemon=True)  # daemon: a stop does not wait for it
        thread.start()
        failure = None
        try:
            async with asyncio.timeout(self._timeout_s):
                failure = await future
        except TimeoutError:
            failure = DeliveryError(
                f"{self._receiver.called} did not answer within {self._timeout_s:g} s", retryable=True
            )
        finally:
            if thread.is_alive():
                self._left.add(thread)
        if failure is not None:
            raise failure

    async def aclose(self) -> None:
        return  # what still hangs ends by its own time limits, or with the process

    def _deliver(self, notice: Notice) -> DeliveryError | None:
        """Blocking, in a thread of its own."""
        guard = None
        try:
            with guarded(self._check) as guard:
                service = self._service()
                if service.notify(**_message(service, notice)):
                    return None
        except Exception as error:
            _told.lines.append(type(error).__name__)
        if guard is not None and guard.reason is not None:
            return DeliveryError(guard.reason, retryable=False)
        return self._failure(_told.lines)

    def _failure(self, lines: list[str]) -> DeliveryError:
        statuses = [int(found[1]) for line in lines if (found := STATUS.search(line))]
        for status in statuses:
            try:
                judge(self._receiver, status)
            except DeliveryError as error:
                return error
        return DeliveryError(f"{self._receiver.called} could not be reached, or refused the message", retryable=True)

    def _service(self) -> Any:
        """A new one for each send: they keep state. Raises ValueError for a URL that Apprise cannot use."""
        import apprise  # noqa: PLC0415 (late: half a second and 15 MB that only its users should pay for)

        asset = apprise.AppriseAsset(
            app_id="Selfwatch", app_desc="Selfwatch", app_url="", storage_mode="memory", secure_logging=True,
            allow_templates=False, async_mode=False, http_redirects=False, pgp_autogen=False, pem_autogen=False,
        )  # fmt: skip
        service = apprise.Apprise.instantiate(self._url, asset=asset)
        if service is None:
            schema = self._url.partition("://")[0] if "://" in self._url else ""
            named = f" {schema}://" if re.fullmatch(r"[a-z0-9]{1,20}", schema) else ""
            raise ValueError(
                f"url: Apprise cannot use this{named} URL; compare it with https://appriseit.com/services/, and see "
                "whether the service needs a package that is not installed"
            )
        service.socket_connect_timeout = service.socket_read_timeout = self._timeout_s
        service.redirects = False
        return service


class _Told(threading.local):
    """What Apprise has logged in this thread."""

    def __init__(self) -> None:
        self.lines: list[str] = []


class _Swallow(logging.Filter):
    """Takes what Apprise logs and lets nothing through: it names URLs with their tokens."""

    def filter(self, record: logging.LogRecord) -> bool:
        _told.lines.append(record.getMessage())
        del _told.lines[:-MOST_LINES]
        return False


_told = _Told()
_swallow = _Swallow()


def _quiet() -> None:
    """Neither Apprise nor its HTTP client reaches our log. Harmless to repeat."""
    library = logging.getLogger(LOGGER)
    library.setLevel(logging.WARNING)
    library.addFilter(_swallow)
    logging.getLogger("urllib3").setLevel(logging.ERROR)


def _message(service: Any, notice: Notice) -> dict[str, Any]:
    """The arguments of `notify`: text where the service takes it, since nothing in text is acted on."""
    resolved = str(getattr(service.resolve_format("text"), "value", "text"))
    write: Callable[[str], str] = markup.slack if "slack" in service.schemas() else markup.FORMATS[resolved]
    text = f"{notice.text}\nReference: {notice.idempotency_key[:REFERENCE_LENGTH]} (the same in a repeat)"
    return {
        "title": markup.header(notice.title),
        "body": write(text),
        "body_format": resolved,
        "notify_type": "success" if notice.status is AlertState.RESOLVED else KINDS[notice.severity],
    }
