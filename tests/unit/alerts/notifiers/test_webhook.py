"""The webhook against a real server: what arrives, what is signed, what each answer means."""

import hashlib
import hmac
import json
import traceback
from collections.abc import AsyncIterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from alerts.notifiers.base import Context
from alerts.notifiers.http import retry_after_s
from alerts.notifiers.registry import build
from alerts.notifiers.webhook import signature
from alerts.render import from_json
from alerts.types import DeliveryError, Notifier
from tests.unit.alerts.facts import AT, notice
from tests.unit.alerts.notifiers.server import Receiver, receiver


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    async with receiver() as running:
        yield running


@pytest.fixture
async def context() -> AsyncIterator[Context]:
    async with aiohttp.ClientSession() as session:
        yield Context(session=session, clock=lambda: AT, environ={"HOOK_SECRET": "from-env", "EMPTY": ""})


def webhook(context: Context, url: str, **config: Any) -> Notifier:
    return build("webhook", "pager", {"url": url, **config}, context)


async def failure(notifier: Notifier) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await notifier.send(notice())
    return caught.value


async def test_the_notice_arrives_as_json(server: Receiver, context: Context) -> None:
    await webhook(context, server.url + "/hook?x=1").send(notice())
    ((headers, body),) = server.got
    assert server.paths == ["/hook?x=1"]
    assert from_json(json.loads(body)) == notice()
    assert headers["Content-Type"] == "application/json"
    assert headers["Idempotency-Key"] == notice().idempotency_key


async def test_the_key_is_the_same_over_retries(server: Receiver, context: Context) -> None:
    server.status = 503
    notifier = webhook(context, server.url)
    for _ in range(2):
        await failure(notifier)
    assert [headers["Idempotency-Key"] for headers, _ in server.got] == [notice().idempotency_key] * 2


@pytest.mark.parametrize("how", ["secret", "secret_env", "secret_file"])
async def test_a_receiver_can_check_the_signature(server: Receiver, context: Context, tmp_path: Path, how: str) -> None:
    file = tmp_path / "secret"
    file.write_text("from-file\n")
    value, key = {
        "secret": ("direct", b"direct"),
        "secret_env": ("HOOK_SECRET", b"from-env"),
        "secret_file": (str(file), b"from-file"),
    }[how]
    await webhook(context, server.url, **{how: value}).send(notice())
    headers, body = server.got[0]
    parts = dict(part.split("=", 1) for part in headers["Selfwatch-Signature"].split(","))
    assert parts["t"] == str(int(AT.timestamp()))
    assert parts["v1"] == hmac.new(key, parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()


async def test_without_a_secret_nothing_is_signed(server: Receiver, context: Context) -> None:
    await webhook(context, server.url).send(notice())
    assert "Selfwatch-Signature" not in server.got[0][0]


def test_a_signature_is_pinned_for_receivers_in_other_languages() -> None:
    assert signature(b"secret", 1_700_000_000, b'{"a":1}') == (
        "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686"
    )


@given(body=st.binary(max_size=50), other=st.binary(max_size=50), at=st.integers(0, 2**31))
def test_a_signature_depends_on_key_time_and_body(body: bytes, other: bytes, at: int) -> None:
    signed = signature(b"key", at, body)
    assert signed != signature(b"kez", at, body)
    assert signed != signature(b"key", at + 1, body)
    assert (signed == signature(b"key", at, other)) is (body == other)


async def test_own_headers_are_sent(server: Receiver, context: Context) -> None:
    await webhook(context, server.url, headers={"Authorization": "Bearer abc"}).send(notice())
    assert server.got[0][0]["Authorization"] == "Bearer abc"


@pytest.mark.parametrize(
    ("answer", "expected_s"),
    [
        ("120", 120.0),
        ("0", 0.0),
        (format_datetime(AT + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(AT - timedelta(seconds=90), usegmt=True), 0.0),
        ("Sun, 01 Mar 2026 12:01:30 -0000", 90.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(answer: str | None, expected_s: float | None) -> None:
    assert retry_after_s(answer, AT) == expected_s


@given(text=st.text())
def test_no_retry_after_header_breaks_us(text: str) -> None:
    wait_s = retry_after_s(text, AT)
    assert wait_s is None or wait_s >= 0


async def test_the_wish_of_the_server_reaches_the_dispatcher(server: Receiver, context: Context) -> None:
    server.status, server.headers = 429, {"Retry-After": "42"}
    error = await failure(webhook(context, server.url))
    assert (error.retryable, error.retry_after_s) == (True, 42.0)


async def test_a_redirect_is_not_followed(server: Receiver, context: Context) -> None:
    server.status, server.headers = 307, {"Location": "/elsewhere"}
    error = await failure(webhook(context, server.url + "/hook"))
    assert server.paths == ["/hook"]
    assert not error.retryable
    assert str(error) == ("the webhook answered 307; redirects are not followed, give the final URL (notifier 'pager')")


async def test_a_huge_answer_is_not_read(server: Receiver, context: Context) -> None:
    server.status, server.body = 200, b"x" * 50_000_000
    await webhook(context, server.url, timeout_s=5).send(notice())
    await webhook(context, server.url, timeout_s=5).send(notice())
    assert len(server.got) == 2


class DeniedError(Exception):
    """How a service's outbound policy may refuse."""


class DeniedOSError(OSError):
    """The same, as an error that the HTTP client wraps into its own."""


class Refusing(AbstractResolver):
    """Refuses every name with the given error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        raise self._error

    async def close(self) -> None:
        return


@pytest.mark.parametrize("error", [DeniedError("10.0.0.1"), DeniedOSError("10.0.0.1")], ids=["plain", "wrapped"])
async def test_a_refusal_of_the_outbound_policy_is_final_and_names_the_setting(error: Exception) -> None:
    connector = aiohttp.TCPConnector(resolver=Refusing(error))
    async with aiohttp.ClientSession(connector=connector) as session:
        guarded = Context(session=session, denied=(DeniedError, DeniedOSError))
        refused = await failure(webhook(guarded, "http://internal.example/"))
    assert not refused.retryable
    assert "SELFWATCH_OUTBOUND_ALLOW" in str(refused)


async def test_a_name_that_does_not_resolve_may_resolve_later() -> None:
    connector = aiohttp.TCPConnector(resolver=Refusing(OSError("no such host secret.example")))
    async with aiohttp.ClientSession(connector=connector) as session:
        error = await failure(webhook(Context(session=session, denied=(DeniedError,)), "http://secret.example/"))
    assert error.retryable
    assert "secret.example" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"url": "ftp://host/"}, "url: must be an http:// or https:// URL with a host"),
        ({"url": "host/path"}, "url: must be an http:// or https:// URL with a host"),
        ({"url": "http://"}, "url: must be an http:// or https:// URL with a host"),
        ({"url": "http://host:99999999/"}, "url: must be an http:// or https:// URL with a host"),
        ({"timeout_s": 0}, "timeout_s: Input should be greater than 0"),
        ({"timeout_s": 16}, "timeout_s: Input should be less than or equal to 15"),
        ({"headers": {"a b": "x"}}, "headers: 'a b' is no header name"),
        ({"headers": {"": "x"}}, "headers: '' is no header name"),
        ({"headers": {"Content-TYPE": "x"}}, "headers: 'Content-TYPE' is set by Selfwatch; remove it"),
        ({"headers": {"X": "a\r\nb"}}, "headers: the value of 'X' has characters that a header cannot carry"),
        ({"secret": "a", "secret_env": "B"}, "secret: give one of secret, secret_env, secret_file"),
        ({"secret": ""}, "secret: is empty or not set"),
        ({"secret_env": "NOT_SET"}, "secret_env: 'NOT_SET' is empty or not set"),
        ({"secret_env": "EMPTY"}, "secret_env: 'EMPTY' is empty or not set"),
        ({"secret_file": "/nonexistent/x"}, "secret_file: cannot read '/nonexistent/x' (FileNotFoundError)"),
    ],
)
async def test_a_bad_setting_is_told_exactly(context: Context, config: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match="notifier 'pager'") as caught:
        build("webhook", "pager", {"url": "http://127.0.0.1/", **config}, context)
    assert str(caught.value) == f"notifier 'pager' (webhook): {told}"


async def test_a_file_that_is_no_text_is_told(context: Context, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"secret_file: cannot read .* \(UnicodeDecodeError\)"):
        webhook(context, "http://127.0.0.1/", secret_file=tmp_path / "key")


@pytest.mark.parametrize("how", ["url_env", "url_file"])
async def test_the_url_by_variable_or_file(server: Receiver, tmp_path: Path, how: str) -> None:
    file = tmp_path / "url"
    file.write_text(f"{server.url}/hook/t0ken\n")
    async with aiohttp.ClientSession() as session:
        context = Context(session=session, environ={"HOOK": f"{server.url}/hook/t0ken"})
        await build("webhook", "ops", {how: "HOOK" if how == "url_env" else str(file)}, context).send(notice())
    assert server.paths == ["/hook/t0ken"]


async def test_header_values_by_variable_and_file(server: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("Bearer abc\n")
    async with aiohttp.ClientSession() as session:
        context = Context(session=session, environ={"KEY": "k3y"})
        config = {
            "url": server.url, "headers": {"X-Plain": "p"}, "headers_env": {"X-Key": "KEY"},
            "headers_file": {"Authorization": str(file)},
        }  # fmt: skip
        await build("webhook", "ops", config, context).send(notice())
    headers = server.got[0][0]
    assert (headers["X-Plain"], headers["X-Key"], headers["Authorization"]) == ("p", "k3y", "Bearer abc")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "url: give one of url, url_env, url_file"),
        ({"url": "http://a", "url_env": "HOOK"}, "url: give one of url, url_env, url_file"),
        ({"url_env": "HOOK"}, "url_env: must be an http:// or https:// URL with a host"),
        ({"url_env": "MISSING"}, "url_env: 'MISSING' is empty or not set"),
        ({"url": "http://a", "headers_env": {"Host": "HOOK"}}, "headers_env: 'Host' is set by Selfwatch; remove it"),
        ({"url": "http://a", "headers_env": {"X": "LINES"}}, "the value of 'X' has characters that a header cannot"),
        ({"url": "http://a", "headers": {"X": "a"}, "headers_env": {"X": "HOOK"}}, "headers.X: give one of headers.X"),
    ],
)
async def test_a_mistake_in_a_named_secret_is_told_and_no_value(config: dict[str, Any], told: str) -> None:
    async with aiohttp.ClientSession() as session:
        context = Context(session=session, environ={"HOOK": "hunter2", "LINES": "hunter2\r\nX: y"})
        with pytest.raises(ValueError, match="notifier 'ops'") as caught:
            build("webhook", "ops", config, context)
    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)
