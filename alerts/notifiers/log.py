"""Writes each notice as one structured log line: always there, needs nothing."""

import logging

from alerts.notifiers.base import Context, StrictConfig
from alerts.render import to_json
from alerts.types import AlertState, Notice, Severity

LEVELS: dict[Severity, int] = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.CRITICAL,
}


class LogConfig(StrictConfig):
    logger: str = "selfwatch.alerts"


class Log:
    """The title is the message; the whole notice is in the record's `notice`. A resolved alert is logged as INFO."""

    Config = LogConfig

    def __init__(self, name: str, config: LogConfig, context: Context) -> None:
        del context  # a log line needs nothing from outside
        self._name = name
        self._logger = logging.getLogger(config.logger)

    async def send(self, notice: Notice) -> None:
        level = logging.INFO if notice.status is AlertState.RESOLVED else LEVELS[notice.severity]
        facts = {"action": "alert_notice", "notifier": self._name, "notice": to_json(notice)}
        self._logger.log(level, "%s", notice.title, extra=facts)

    async def aclose(self) -> None:
        return
