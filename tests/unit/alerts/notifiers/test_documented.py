"""What docs/alerts.md tells receivers to do, done."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from alerts.dispatch import DEADLINE_S, SLOTS, Backoff
from alerts.notifiers.base import Context
from alerts.notifiers.registry import build
from alerts.notifiers.webhook import signature
from alerts.render import to_json
from tests.unit.alerts.facts import AT, notice
from tests.unit.alerts.notifiers.server import receiver

PAGE = (Path(__file__).parents[4] / "docs" / "alerts.md").read_text(encoding="utf-8")


def sample(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


@pytest.fixture(scope="module")
def check() -> Callable[..., bool]:
    names: dict[str, Any] = {}
    exec(compile(sample("python"), "docs/alerts.md", "exec"), names)  # the sample is ours
    checker: Callable[..., bool] = names["is_from_selfwatch"]
    return checker


async def test_the_documented_check_accepts_what_the_webhook_sends(check: Callable[..., bool]) -> None:
    async with receiver() as server, aiohttp.ClientSession() as session:
        config = {"url": server.url, "secret": "s3cret"}
        await build("webhook", "ops", config, Context(session=session, clock=lambda: AT)).send(notice())
        ((headers, body),) = server.got
    signed = headers["Selfwatch-Signature"]
    assert check(b"s3cret", signed, body, AT.timestamp())
    assert check(b"s3cret", signed, body, AT.timestamp() + 299)
    assert not check(b"s3cret", signed, body, AT.timestamp() + 301)
    assert not check(b"s3cret", signed, body)  # the real clock is far away
    assert not check(b"other", signed, body, AT.timestamp())
    assert not check(b"s3cret", signed, body + b" ", AT.timestamp())


@pytest.mark.parametrize("header", ["", "t=1", "v1=00", "t=,v1=", "nonsense", "t=9,v1=00,v1=11"])
def test_the_documented_check_refuses_nonsense(check: Callable[..., bool], header: str) -> None:
    assert not check(b"key", header, b"{}", 9)


def test_a_later_time_cannot_be_put_on_an_old_signature(check: Callable[..., bool]) -> None:
    old = signature(b"key", 1000, b"{}")
    assert check(b"key", old, b"{}", 1000)
    assert not check(b"key", old.replace("t=1000", "t=9000"), b"{}", 9000)


async def test_the_documented_notifiers_are_accepted() -> None:
    async with aiohttp.ClientSession() as session:
        environ = {"SELFWATCH_HOOK_SECRET": "x", "SLACK_URL": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"}
        context = Context(session=session, environ=environ, check=lambda _address, _host: None)
        for name, raw in yaml.safe_load(sample("yaml"))["notifiers"].items():
            kind = raw.pop("kind")
            await build(kind, name, raw, context).aclose()


def test_the_documented_figures_are_those_of_the_code() -> None:
    backoff = Backoff()
    assert f"after {backoff.first_s:g} s, doubled up to an hour" in PAGE
    assert backoff.cap_s == 3600
    assert f"spread by {backoff.spread:.0%}, {backoff.max_attempts} attempts".replace("%", " %") in PAGE
    assert f"{SLOTS} sends at once and {DEADLINE_S:g} s a send" in PAGE


def test_the_documented_fields_are_those_of_the_body() -> None:
    paragraph = PAGE.split("The body is the notice as JSON: ")[1].split(". With a secret")[0]
    assert {"firing", "resolved", *to_json(notice())} == set(re.findall(r"`(\w+)`", paragraph))
