"""The Apprise notifier: what it sends, what it may reach, and that it stops nobody."""

import asyncio
import email
import email.policy
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from alerts.notifiers import apprise as module
from alerts.notifiers.apprise import Apprise
from alerts.notifiers.base import Context
from alerts.notifiers.registry import build
from alerts.types import AlertState, DeliveryError, Notice, Severity
from service.outbound import OutboundPolicy
from tests.unit.alerts.facts import notice
from tests.unit.alerts.notifiers.server import Receiver, receiver

SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general"
OPEN, CLOSED = OutboundPolicy(loopback=True), OutboundPolicy(loopback=False)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    async with receiver() as running:
        yield running


def made(session: aiohttp.ClientSession, url: str, policy: OutboundPolicy = OPEN, **config: Any) -> Apprise:
    context = Context(session=session, check=policy.check, environ={"CHAT": url})
    found = build("apprise", "chat", {"url": url, **config}, context)
    assert isinstance(found, Apprise)
    return found


def json_url(server: Receiver, extra: str = "") -> str:
    return server.url.replace("http://", "json://") + "/hook" + extra


async def refusal(notifier: Apprise) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await notifier.send(notice())
    return caught.value


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (notice(), "failure"),
        (notice(severity=Severity.WARNING), "warning"),
        (notice(severity=Severity.INFO), "info"),
        (notice(status=AlertState.RESOLVED), "success"),
    ],
)
async def test_severity_and_end_choose_the_kind(
    session: aiohttp.ClientSession, server: Receiver, message: Notice, kind: str
) -> None:
    await made(session, json_url(server)).send(message)
    sent = json.loads(server.got[0][1])
    assert sent["type"] == kind
    assert sent["title"] == message.title
    assert sent["message"] == f"{message.text}\nReference: {'a' * 12} (the same in a repeat)"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_address_that_the_policy_denies_is_refused_with_its_message(
    session: aiohttp.ClientSession, server: Receiver, host: str
) -> None:
    url = json_url(server).replace("127.0.0.1", host)
    error = await refusal(made(session, url, CLOSED))
    assert not error.retryable
    assert str(error).startswith(f"{host} is at ")
    assert "which the outbound policy does not allow; if that is intended, start with" in str(error)
    assert server.got == []


async def test_a_mail_server_is_held_to_the_policy_too(session: aiohttp.ClientSession) -> None:
    url = "mailto://u:hunter2@example.com?smtp=127.0.0.1&from=a@example.com&to=b@example.com&mode=insecure&port=2525"
    error = await refusal(made(session, url, CLOSED))
    assert not error.retryable
    assert "127.0.0.1 is at 127.0.0.1, which the outbound policy does not allow" in str(error)


async def test_a_redirect_is_not_followed_even_if_the_url_asks_for_it(
    session: aiohttp.ClientSession, server: Receiver
) -> None:
    server.status, server.headers = 307, {"Location": "/elsewhere"}
    error = await refusal(made(session, json_url(server, "?redirect=yes")))
    assert server.paths == ["/hook"]
    assert not error.retryable
    assert "redirects are not followed" in str(error)


async def test_a_service_that_hangs_is_left_and_the_loop_goes_on(
    session: aiohttp.ClientSession, server: Receiver
) -> None:
    server.delay_s = 5
    notifier = made(session, json_url(server), timeout_s=0.3)
    ticks = 0
    sending = asyncio.create_task(refusal(notifier))
    while not sending.done():
        await asyncio.sleep(0.02)
        ticks += 1
    assert ticks > 3  # nobody was stopped meanwhile
    assert "did not answer within 0.3 s" in str(await sending) or "could not be reached" in str(await sending)


async def test_threads_that_hang_for_good_are_bounded(
    session: aiohttp.ClientSession, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    notifier = made(session, json_url(server), timeout_s=0.05)
    release = time.monotonic() + 3
    monkeypatch.setattr(notifier, "_deliver", lambda _: time.sleep(max(release - time.monotonic(), 0)))
    for _ in range(module.MAX_LEFT):
        assert "did not answer" in str(await refusal(notifier))
    error = await refusal(notifier)
    assert str(error) == f"{module.MAX_LEFT} earlier sends still hang"
    assert error.retryable


def sent_to(url: str, message: Notice, session: aiohttp.ClientSession) -> dict[str, Any]:
    """The arguments that the service of `url` is called with."""
    return module._message(made(session, url)._service(), message)


HOSTILE = notice(title="a\r\nBcc: x@evil.example", text="<!channel> *b* & <script>alert(1)</script>\n[x](http://evil)")


async def test_slack_gets_plain_text_with_entities(session: aiohttp.ClientSession) -> None:
    sent = sent_to(SLACK, HOSTILE, session)
    assert sent["body_format"] == "text"
    assert sent["body"].startswith("&lt;!channel&gt; *b* &amp; &lt;script&gt;alert(1)&lt;/script&gt;\n[x](http://evil)")


async def test_a_service_that_takes_only_html_gets_it_escaped(session: aiohttp.ClientSession) -> None:
    sent = sent_to("sendgrid://abc123:from@example.com/to@example.com", HOSTILE, session)
    assert sent["body_format"] == "html"
    assert "&lt;script&gt;" in sent["body"]
    assert "<script" not in sent["body"]


async def test_a_service_that_takes_only_markdown_gets_it_escaped(session: aiohttp.ClientSession) -> None:
    sent = sent_to("rocket://user:pass@example.com/#room", HOSTILE, session)
    assert sent["body_format"] == "markdown"
    assert r"\[x\]\(http://evil\)" in sent["body"]
    assert r"\<script\>" in sent["body"]


@asynccontextmanager
async def mail_server() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Just enough of SMTP (RFC 5321) to be handed a mail."""
    mails: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                mails.append(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 fine\r\n")
            await writer.drain()
            if verb == b"QUIT":
                break
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1], mails


async def test_a_hostile_title_writes_no_mail_header(session: aiohttp.ClientSession) -> None:
    async with mail_server() as (port, mails):
        url = f"mailto://127.0.0.1:{port}?from=a@example.com&to=b@example.com&mode=insecure&smtp=127.0.0.1"
        await made(session, url).send(HOSTILE)
    (raw,) = mails
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert mail["Bcc"] is None
    assert mail["To"] == "b@example.com"
    assert mail["Subject"] == "a Bcc: x@evil.example"
    body = mail.get_body(("plain",))
    assert body is not None
    assert "<script>alert(1)</script>" in body.get_content()  # as text, which nothing runs
    assert mail.get_body(("html",)) is None


@pytest.mark.parametrize("how", ["url_env", "url_file"])
async def test_the_url_by_variable_or_file(
    session: aiohttp.ClientSession, server: Receiver, tmp_path: Path, how: str
) -> None:
    file = tmp_path / "url"
    file.write_text(json_url(server) + "\n")
    context = Context(session=session, check=OPEN.check, environ={"CHAT": json_url(server)})
    value = "CHAT" if how == "url_env" else str(file)
    await build("apprise", "chat", {how: value}, context).send(notice())
    assert server.paths == ["/hook"]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "url: give one of url, url_env, url_file"),
        ({"url": "pigeon://hunter2"}, "url: Apprise cannot use this pigeon:// URL; compare it with"),
        ({"url": "hunter2"}, "url: Apprise cannot use this URL"),
        ({"url": "HUNTER2://x"}, "url: Apprise cannot use this URL"),
        ({"url": "slack://hunter2"}, "url: Apprise cannot use this slack:// URL"),
    ],
)
async def test_a_mistake_is_told_and_no_secret(
    session: aiohttp.ClientSession, config: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match="notifier 'chat'") as caught:
        build("apprise", "chat", config, Context(session=session, check=OPEN.check))
    assert told in str(caught.value)
    assert "hunter2" not in (str(caught.value) + caplog.text).lower()


def test_who_does_not_use_it_does_not_load_it() -> None:
    code = "import sys, service.wiring; sys.exit(bool({'apprise', 'requests'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


async def test_without_a_policy_it_is_not_built(session: aiohttp.ClientSession) -> None:
    with pytest.raises(ValueError, match="apprise needs an outbound policy"):
        build("apprise", "chat", {"url": SLACK}, Context(session=session))
