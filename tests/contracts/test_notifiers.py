"""What every registered notifier promises. A new kind needs a line in NOTIFIERS and one in KINDS."""

import asyncio
import json
import logging
import time
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any

import aiohttp
import pytest
from pydantic import ValidationError

from alerts.notifiers.base import Context, StrictConfig
from alerts.notifiers.memory import Memory
from alerts.notifiers.registry import NOTIFIERS, build
from alerts.render import from_json
from alerts.types import DeliveryError, Notice, Notifier
from tests.unit.alerts.facts import notice
from tests.unit.alerts.notifiers.server import Receiver, receiver

SECRETS = ("hunter2", "t0ken-in-url", "signing-key", "bearer-key")
"""Whatever is configured as one of these must never show up."""


@dataclass
class Surroundings:
    """Where a notice may land: a server, the log, or the notifier itself."""

    server: Receiver
    caplog: pytest.LogCaptureFixture
    context: Context


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How to configure a kind, and where its messages land. `remote`: it calls a server."""

    config: Callable[[Surroundings], dict[str, Any]] = lambda _: {}
    landed: Callable[[Surroundings, Notifier], list[Notice]]
    remote: bool = False
    whole: bool = True
    hears_retry_after: bool = True
    broken: dict[str, Any] = field(default_factory=dict)


def at_memory(_: Surroundings, notifier: Notifier) -> list[Notice]:
    assert isinstance(notifier, Memory)
    return notifier.notices


def at_log(around: Surroundings, _: Notifier) -> list[Notice]:
    return [from_json(record.__dict__["notice"]) for record in around.caplog.records if "notice" in record.__dict__]


def at_server(around: Surroundings, _: Notifier) -> list[Notice]:
    return [from_json(json.loads(body)) for _, body in around.server.got]


def at_alertmanager(around: Surroundings, _: Notifier) -> list[Notice]:
    alerts = [json.loads(body)[0] for _, body in around.server.got]
    return [
        notice(
            title=one["annotations"]["summary"], text=one["annotations"]["description"],
            idempotency_key=one["annotations"]["idempotency_key"], endpoint=one["labels"]["endpoint"],
            simulated=one["labels"].get("simulated") == "true", labels={"team": one["labels"]["team"]},
        )
        for one in alerts
    ]  # fmt: skip


def at_apprise(around: Surroundings, _: Notifier) -> list[Notice]:
    found = []
    for _headers, body in around.server.got:
        message = json.loads(body)
        text, _, reference = message["message"].rpartition("\nReference: ")
        found.append(notice(title=message["title"], text=text, idempotency_key=reference.split(" ")[0]))
    return found


def host(around: Surroundings) -> str:
    return around.server.url.removeprefix("http://")


def webhook_config(around: Surroundings) -> dict[str, Any]:
    return {
        "url": f"http://user:hunter2@{host(around)}/hook/t0ken-in-url",
        "secret": "signing-key",
        "headers": {"X-Key": "bearer-key"},
        "timeout_s": 0.3,
    }


def alertmanager_config(around: Surroundings) -> dict[str, Any]:
    return {"urls": [f"http://user:hunter2@{host(around)}/t0ken-in-url/"], "timeout_s": 0.3}


def apprise_config(around: Surroundings) -> dict[str, Any]:
    return {"url": f"json://user:hunter2@{host(around)}/hook/t0ken-in-url?+X-Key=bearer-key", "timeout_s": 0.3}


KINDS: dict[str, Kind] = {
    "log": Kind(landed=at_log, broken={"logger": 7}),
    "memory": Kind(landed=at_memory, broken={"fail_first": "often"}),
    "webhook": Kind(config=webhook_config, landed=at_server, remote=True, broken={"timeout_s": "long"}),
    "alertmanager": Kind(
        config=alertmanager_config, landed=at_alertmanager, remote=True, whole=False, broken={"repeat_s": 600}
    ),
    "apprise": Kind(
        config=apprise_config, landed=at_apprise, remote=True, whole=False, hears_retry_after=False,
        broken={"timeout_s": 16},
    ),
}  # fmt: skip
REMOTE = sorted(name for name, kind in KINDS.items() if kind.remote)
EVERY = pytest.mark.parametrize("kind", sorted(NOTIFIERS))
EVERY_REMOTE = pytest.mark.parametrize("kind", REMOTE)


@pytest.fixture
async def around(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Surroundings]:
    caplog.set_level(logging.DEBUG)
    async with receiver() as server, aiohttp.ClientSession() as session:
        context = Context(session=session, check=lambda _address, _host: None)
        yield Surroundings(server=server, caplog=caplog, context=context)


def made(kind: str, around: Surroundings) -> Notifier:
    return build(kind, "under-test", KINDS[kind].config(around), around.context)


async def failure(notifier: Notifier) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await notifier.send(notice())
    return caught.value


def assert_no_secret(error: BaseException, around: Surroundings) -> None:
    told = "".join(traceback.format_exception(error)) + repr(error) + around.caplog.text
    assert not [secret for secret in SECRETS if secret in told]
    assert around.server.url.removeprefix("http://") not in str(error)


def test_every_registered_kind_is_under_test() -> None:
    assert set(KINDS) == set(NOTIFIERS)


@EVERY
def test_every_kind_owns_a_strict_config(kind: str) -> None:
    plugin = resolve_name(NOTIFIERS[kind])
    assert issubclass(plugin.Config, StrictConfig)
    assert plugin.Config.model_config["extra"] == "forbid"
    assert plugin.Config.model_json_schema()["additionalProperties"] is False


@EVERY
async def test_the_message_arrives_whole(kind: str, around: Surroundings) -> None:
    notifier = made(kind, around)
    await notifier.send(notice())
    await notifier.send(notice(title="second", simulated=True))
    sent = [notice(), notice(title="second", simulated=True)]
    landed = KINDS[kind].landed(around, notifier)
    assert [(one.title, one.text) for one in landed] == [(one.title, one.text) for one in sent]
    assert all(one.idempotency_key == notice().idempotency_key[: len(one.idempotency_key)] for one in landed)
    assert min(len(one.idempotency_key) for one in landed) >= 12
    if KINDS[kind].whole:
        assert landed == sent


@EVERY
async def test_an_unknown_field_is_named_with_the_known_ones(kind: str, around: Surroundings) -> None:
    config = {**KINDS[kind].config(around), "colour": "hunter2"}
    known = ", ".join(sorted(resolve_name(NOTIFIERS[kind]).Config.model_fields))
    with pytest.raises(ValueError, match="colour") as caught:
        build(kind, "under-test", config, around.context)
    assert str(caught.value) == f"notifier 'under-test' ({kind}): colour: unknown field; known: {known}"
    assert_no_secret(caught.value, around)


@EVERY
async def test_a_bad_value_is_told_with_notifier_and_field(kind: str, around: Surroundings) -> None:
    ((field_name, value),) = KINDS[kind].broken.items()
    with pytest.raises(ValueError, match=rf"notifier 'under-test' \({kind}\): {field_name}: ") as caught:
        build(kind, "under-test", {**KINDS[kind].config(around), field_name: value}, around.context)
    assert_no_secret(caught.value, around)


async def test_an_unknown_kind_is_told_with_the_known_ones(around: Surroundings) -> None:
    with pytest.raises(
        ValueError, match="notifier 'x': kind 'pigeon' is unknown; known: alertmanager, apprise, log, memory, webhook"
    ):
        build("pigeon", "x", {}, around.context)


@EVERY
async def test_closing_leaves_the_shared_session_open(kind: str, around: Surroundings) -> None:
    notifier = made(kind, around)
    await notifier.aclose()
    await notifier.aclose()
    assert not around.context.session.closed


@EVERY
async def test_the_representation_of_a_config_shows_no_secret(kind: str, around: Surroundings) -> None:
    config = resolve_name(NOTIFIERS[kind]).Config.model_validate(KINDS[kind].config(around))
    assert not [secret for secret in SECRETS if secret in repr(config) + str(config) + str(config.model_dump())]


@EVERY
def test_even_the_raw_error_of_a_config_shows_no_value(kind: str) -> None:
    with pytest.raises(ValidationError) as caught:
        resolve_name(NOTIFIERS[kind]).Config.model_validate({"colour": "hunter2"})
    assert "hunter2" not in str(caught.value)


@EVERY_REMOTE
@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_a_status_that_means_delivered(kind: str, around: Surroundings, status: int) -> None:
    around.server.status = status
    await made(kind, around).send(notice())
    assert len(around.server.got) == 1


@EVERY_REMOTE
@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        *[(status, True) for status in (408, 425, 429, 500, 501, 502, 503, 504, 507, 599)],
        *[(status, False) for status in (300, 301, 302, 303, 304, 307, 308)],
        *[(status, False) for status in (400, 401, 402, 403, 404, 405, 409, 410, 413, 418, 422, 451)],
    ],
)
async def test_whether_a_status_is_worth_another_try(
    kind: str, around: Surroundings, status: int, retryable: bool
) -> None:
    around.server.status = status
    around.server.headers = {"Location": "/hunter2", "Retry-After": "7"}
    error = await failure(made(kind, around))
    assert error.retryable is retryable
    assert str(status) in str(error)
    assert error.retry_after_s == (7.0 if retryable and KINDS[kind].hears_retry_after else None)
    assert len(around.server.got) == 1  # retries are the dispatcher's, and redirects nobody's
    assert_no_secret(error, around)


@EVERY_REMOTE
async def test_a_server_that_hangs_is_left_at_the_deadline(kind: str, around: Surroundings) -> None:
    around.server.delay_s = 30
    begun = time.monotonic()
    async with asyncio.timeout(5):
        error = await failure(made(kind, around))
    assert time.monotonic() - begun < 2
    assert error.retryable
    assert "0.3 s" in str(error)
    assert_no_secret(error, around)


@EVERY_REMOTE
async def test_a_server_that_is_away_is_worth_another_try(kind: str, around: Surroundings) -> None:
    async with receiver() as gone:
        pass
    around.server.url = gone.url
    error = await failure(made(kind, around))
    assert error.retryable
    assert "could not be reached" in str(error)
    assert_no_secret(error, around)


@EVERY_REMOTE
async def test_a_server_that_speaks_no_http_is_worth_another_try(kind: str, around: Surroundings) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"hunter2 signing-key\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as listening:
        around.server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        error = await failure(made(kind, around))
    assert error.retryable
    assert_no_secret(error, around)


@EVERY_REMOTE
async def test_a_server_that_accepts_and_drops_the_connection_has_it(kind: str, around: Surroundings) -> None:
    """The status line says that it has the message; the rest of the answer does not matter."""

    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10_000)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(drop, "127.0.0.1", 0) as listening:
        around.server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        if kind == "apprise":  # the library reads on, and takes it for lost: it is sent again, under the same key
            error = await failure(made(kind, around))
            assert error.retryable
            assert_no_secret(error, around)
        else:
            await made(kind, around).send(notice())


@EVERY_REMOTE
async def test_a_server_that_drops_the_connection_without_an_answer_is_tried_again(
    kind: str, around: Surroundings
) -> None:
    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10_000)
        writer.transport.abort()

    async with await asyncio.start_server(drop, "127.0.0.1", 0) as listening:
        around.server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        error = await failure(made(kind, around))
    assert error.retryable
    assert_no_secret(error, around)


@EVERY
async def test_sends_side_by_side_do_not_mix(kind: str, around: Surroundings) -> None:
    notifier = made(kind, around)
    messages = [notice(title=f"bot-{n}", text=f"text {n}", idempotency_key=f"{n:064}") for n in range(20)]
    await asyncio.gather(*(notifier.send(message) for message in messages))
    landed = KINDS[kind].landed(around, notifier)
    assert sorted((one.title, one.text) for one in landed) == sorted((one.title, one.text) for one in messages)
