"""The notifiers that need nothing from outside: the log and the list."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from alerts.notifiers.base import Context
from alerts.notifiers.log import Log
from alerts.notifiers.memory import Memory
from alerts.notifiers.registry import build
from alerts.render import to_json
from alerts.types import AlertState, DeliveryError, Severity
from tests.unit.alerts.facts import notice


@pytest.fixture
async def context() -> AsyncIterator[Context]:
    async with aiohttp.ClientSession() as session:
        yield Context(session=session)


@pytest.mark.parametrize(
    ("severity", "status", "level"),
    [
        (Severity.INFO, AlertState.FIRING, logging.INFO),
        (Severity.WARNING, AlertState.FIRING, logging.WARNING),
        (Severity.CRITICAL, AlertState.FIRING, logging.CRITICAL),
        (Severity.CRITICAL, AlertState.RESOLVED, logging.INFO),
    ],
)
async def test_the_log_line_has_the_level_of_the_news(
    context: Context,
    caplog: pytest.LogCaptureFixture,
    severity: Severity,
    status: AlertState,
    level: int,
) -> None:
    message = notice(severity=severity, status=status)
    with caplog.at_level(logging.DEBUG, logger="selfwatch.alerts"):
        await build("log", "console", {}, context).send(message)
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (level, message.title)


async def test_the_log_line_carries_the_whole_notice(context: Context, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="selfwatch.alerts"):
        await build("log", "console", {}, context).send(notice())
    fields: dict[str, Any] = caplog.records[0].__dict__
    assert fields["action"] == "alert_notice"
    assert fields["notifier"] == "console"
    assert fields["notice"] == to_json(notice())


async def test_the_logger_can_be_chosen(context: Context, caplog: pytest.LogCaptureFixture) -> None:
    notifier = build("log", "console", {"logger": "pages"}, context)
    assert isinstance(notifier, Log)
    with caplog.at_level(logging.DEBUG, logger="pages"):
        await notifier.send(notice())
    assert [record.name for record in caplog.records] == ["pages"]


async def test_a_title_with_percent_signs_is_logged_as_it_is(
    context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="selfwatch.alerts"):
        await build("log", "console", {}, context).send(notice(title="100 %s of %d"))
    assert caplog.records[0].getMessage() == "100 %s of %d"


@pytest.mark.parametrize("retryable", [True, False])
async def test_the_list_fails_as_often_as_told(context: Context, retryable: bool) -> None:
    notifier = build("memory", "list", {"fail_first": 2, "retryable": retryable}, context)
    assert isinstance(notifier, Memory)
    for _ in range(2):
        with pytest.raises(DeliveryError, match="list fails as it was told to") as caught:
            await notifier.send(notice())
        assert caught.value.retryable is retryable
    await notifier.send(notice())
    assert (notifier.notices, notifier.attempts) == ([notice()], 3)


@pytest.mark.parametrize(("field", "value"), [("fail_first", -1), ("delay_s", -0.1), ("retryable", "perhaps")])
async def test_a_bad_setting_of_the_list_is_named(context: Context, field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"notifier 'list' \(memory\): {field}: Input should be"):
        build("memory", "list", {field: value}, context)
