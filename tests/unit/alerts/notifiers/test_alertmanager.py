"""The Alertmanager notifier: the alert it makes of a notice, several instances, and telling it again."""

import json
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.notifiers.alertmanager import LABEL_NAME, Alertmanager, alert
from alerts.notifiers.base import Context
from alerts.notifiers.registry import build
from alerts.types import AlertState, DeliveryError, Notice, Repeating
from tests.unit.alerts.facts import AT, notice
from tests.unit.alerts.notifiers.server import Receiver, receiver

ENDS = AT + timedelta(minutes=4)
RESOLVED = notice(status=AlertState.RESOLVED, at=AT + timedelta(hours=1))


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    async with aiohttp.ClientSession() as session:
        environ = {"URLS": " http://a:1/, http://b:2 ", "TOKEN": "t0ken", "BAD": "ftp://hunter2"}
        yield Context(session=session, clock=lambda: AT, environ=environ)


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    async with receiver() as running:
        yield running


def made(context: Context, *urls: str, **config: Any) -> Alertmanager:
    found = build("alertmanager", "am", {"urls": list(urls), **config}, context)
    assert isinstance(found, Alertmanager)
    return found


def test_a_firing_notice_as_an_alert() -> None:
    message = notice(links={"run": "https://w/runs/1", "runbook": "https://w/runbooks/x", "endpoint": "https://w/e"})
    assert alert(message, {"team": "ops"}, ENDS) == {
        "labels": {"alertname": "BehaviourDrift", "severity": "critical", "endpoint": "support-bot", "team": "ops"},
        "annotations": {
            "summary": message.title, "description": message.text, "idempotency_key": "a" * 64,
            "run": "https://w/runs/1", "runbook_url": "https://w/runbooks/x", "exported_endpoint": "https://w/e",
        },
        "startsAt": "2026-03-01T11:55:00Z",
        "endsAt": "2026-03-01T12:04:00Z",
        "generatorURL": "https://w/runs/1",
    }  # fmt: skip


def test_a_resolved_one_has_the_same_labels_and_ends_when_it_was_over() -> None:
    over, before = alert(RESOLVED, {}, ENDS), alert(notice(), {}, ENDS)
    assert over["labels"] == before["labels"]
    assert (over["startsAt"], over["endsAt"]) == (before["startsAt"], "2026-03-01T13:00:00Z")


def test_labels_of_the_endpoint_are_made_to_fit_and_never_stand_in_for_ours() -> None:
    labels = {"severity": "none", "alertname": "Fake", "2nd-team": "x", "empty": "", "grüße": "漢字", "simulated": "no"}
    found = alert(notice(labels=labels, simulated=True), {}, ENDS)["labels"]
    assert found == {
        "alertname": "BehaviourDrift", "severity": "critical", "endpoint": "support-bot", "simulated": "true",
        "exported_severity": "none", "exported_alertname": "Fake", "exported_simulated": "no", "_2nd_team": "x",
        "gr__e": "漢字",
    }  # fmt: skip


@given(labels=st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=5))
def test_whatever_the_labels_they_are_valid(labels: dict[str, str]) -> None:
    found = alert(notice(labels=labels), {}, ENDS)["labels"]
    assert all(LABEL_NAME.fullmatch(name) for name in found)
    assert all(found.values())
    assert found["alertname"] == "BehaviourDrift"


def test_a_link_that_is_no_url_is_left_out() -> None:
    found = alert(notice(links={"runbook": "alerts/runbooks/x.md", "run": "javascript:alert(1)"}), {}, ENDS)
    assert "generatorURL" not in found
    assert set(found["annotations"]) == {"summary", "description", "idempotency_key"}


async def test_it_is_posted_as_the_api_wants_it(server: Receiver, context: Context) -> None:
    await made(context, server.url + "/prefix/", bearer_token_env="TOKEN", repeat_s=30).send(notice())
    ((headers, body),) = server.got
    assert server.paths == ["/prefix/api/v2/alerts"]
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"] == "Bearer t0ken"
    (one,) = json.loads(body)
    assert one["endsAt"] == "2026-03-01T12:02:00Z"  # four repeats from now


async def test_every_instance_is_told_and_one_that_accepts_is_enough(
    server: Receiver, context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiver() as down:
        down.status = 503
        with caplog.at_level(logging.WARNING):
            await made(context, down.url, server.url).send(notice())
        assert (len(down.got), len(server.got)) == (1, 1)
    (record,) = caplog.records
    assert record.__dict__["action"] == "alertmanager_missed"
    assert record.__dict__["error"] == "Alertmanager answered 503"


@pytest.mark.parametrize(
    ("first", "second", "retryable"), [(503, 500, True), (400, 503, True), (400, 404, False), (400, 400, False)]
)
async def test_when_none_accepts_it_is_retried_if_one_may_yet(
    server: Receiver, context: Context, first: int, second: int, retryable: bool
) -> None:
    async with receiver() as other:
        server.status, other.status = first, second
        server.headers = {"Retry-After": "9"}
        with pytest.raises(DeliveryError) as caught:
            await made(context, server.url, other.url).send(notice())
    assert caught.value.retryable is retryable
    assert f"answered {first}" in str(caught.value)
    assert f"answered {second}" in str(caught.value)
    assert "none of 2 instances took it" in str(caught.value)
    assert caught.value.retry_after_s == (9.0 if first == 503 else None)


@pytest.mark.parametrize(
    ("message", "told_for_s", "after_s"),
    [(notice(), 0, 45), (notice(), 10**7, 45), (RESOLVED, 0, 45), (RESOLVED, 299, 45), (RESOLVED, 300, None)],
)
def test_how_long_it_is_told_again(context: Context, message: Notice, told_for_s: float, after_s: float | None) -> None:
    notifier = made(context, "http://a", repeat_s=45)
    assert isinstance(notifier, Repeating)
    assert notifier.repeat_after_s(message, told_for_s) == after_s


def test_the_default_interval_is_well_below_the_resolve_timeout_of_alertmanager(context: Context) -> None:
    assert made(context, "http://a").repeat_after_s(notice(), 0) == 60  # its default is 300 s


@pytest.mark.parametrize("how", ["urls_env", "urls_file"])
def test_urls_by_variable_or_file(context: Context, tmp_path: Path, how: str) -> None:
    file = tmp_path / "urls"
    file.write_text("http://a:1/\nhttp://b:2\n")
    config = {how: "URLS" if how == "urls_env" else str(file)}
    notifier = build("alertmanager", "am", config, context)
    assert isinstance(notifier, Alertmanager)
    assert notifier._urls == ["http://a:1/api/v2/alerts", "http://b:2/api/v2/alerts"]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "urls: give one of urls, urls_env, urls_file"),
        ({"urls": ["http://a"], "urls_env": "URLS"}, "urls: give one of urls, urls_env, urls_file"),
        ({"urls": ["ftp://hunter2"]}, "urls: must be an http:// or https:// URL with a host"),
        ({"urls_env": "BAD"}, "urls_env: must be an http:// or https:// URL with a host"),
        ({"urls": ["http://a"], "labels": {"a-b": "x"}}, "labels: 'a-b' is no label name; use letters"),
        ({"urls": ["http://a"], "labels": {"severity": "x"}}, "labels: 'severity' is set by Selfwatch"),
        ({"urls": ["http://a"], "repeat_s": 300}, "repeat_s: Input should be less than or equal to 120"),
        ({"urls": ["http://u:hunter2@a"], "bearer_token": "x"}, "bearer_token: a URL has a user already"),
    ],
)
def test_a_mistake_is_told_and_no_secret(context: Context, config: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match="notifier 'am'") as caught:
        build("alertmanager", "am", config, context)
    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)
