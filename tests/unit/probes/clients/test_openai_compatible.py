"""The client against real sockets: what a server does, and what we then say."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from probes.capabilities import find_out
from probes.clients.openai_compatible import OpenAICompatible, Transport
from probes.types import CallError, Capabilities, Message, Reason, Reply, Sampling
from tests.support.fake_openai import FakeOpenAI
from tests.support.live import listening
from tests.support.processes import free_port

KEY = "sk-sentinel-0123456789"
ASKED = [Message(role="user", content="Hé?")]


@asynccontextmanager
async def client_of(fake: FakeOpenAI, key: str | None = KEY) -> AsyncIterator[OpenAICompatible]:
    transport = Transport()
    async with listening(fake) as url:
        try:
            yield transport.client(base_url=f"{url}/v1", api_key=key, model="m")
        finally:
            await transport.aclose()


async def ask(client: OpenAICompatible, deadline_s: float = 10) -> Reply:
    return await client.ask(ASKED, sampling=Sampling(temperature=1.0, max_tokens=5), deadline_s=deadline_s)


async def failure(client: OpenAICompatible, deadline_s: float = 10) -> CallError:
    with pytest.raises(CallError) as caught:
        await ask(client, deadline_s)
    return caught.value


async def test_a_reply_brings_everything_the_server_told() -> None:
    fake = FakeOpenAI()
    async with client_of(fake) as client:
        reply = await ask(client)
    assert (reply.text, reply.model, reply.system_fingerprint) == ("fine", "fake-2026", "fp_1")
    assert (reply.prompt_tokens, reply.completion_tokens) == (7, 3)
    assert 0 < reply.latency_s < 5
    assert fake.requests == [
        {"model": "m", "messages": [{"role": "user", "content": "Hé?"}], "temperature": 1.0, "max_tokens": 5}
    ]
    assert fake.headers[0]["authorization"] == f"Bearer {KEY}"


async def test_half_of_a_character_cannot_stop_a_run() -> None:
    async with client_of(FakeOpenAI("half a character")) as client:
        reply = await ask(client)
    assert reply.text == "half \ufffd, whole \U0001f600"
    assert reply.text.encode().decode() == reply.text


@pytest.mark.parametrize(("mode", "text"), [("empty", ""), ("null", ""), ("parts", "fine"), ("refusal", "")])
async def test_other_shapes_of_content(mode: str, text: str) -> None:
    async with client_of(FakeOpenAI(mode)) as client:
        reply = await ask(client)
    assert reply.text == text
    assert (reply.refusal == "I cannot help with that.") == (mode == "refusal")


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("401", Reason.UNAUTHORIZED),
        ("403", Reason.UNAUTHORIZED),
        ("unknown model", Reason.UNKNOWN_MODEL),
        ("404 page", Reason.NOT_OPENAI_COMPATIBLE),
        ("html", Reason.NOT_OPENAI_COMPATIBLE),
        ("no choices", Reason.NOT_OPENAI_COMPATIBLE),
        ("redirect", Reason.NOT_OPENAI_COMPATIBLE),
        ("huge", Reason.NOT_OPENAI_COMPATIBLE),
        ("gzip", Reason.NOT_OPENAI_COMPATIBLE),
        ("quota", Reason.QUOTA_EXHAUSTED),
        ("always 500", Reason.SERVER_ERROR),
        ("disconnect", Reason.UNREACHABLE),
        ("echoes the key", Reason.BAD_REQUEST),
    ],
)
async def test_each_failure_has_a_name_and_a_remedy(mode: str, reason: Reason) -> None:
    fake = FakeOpenAI(mode)
    async with client_of(fake) as client:
        problem = (await failure(client)).problem
    assert problem.reason is reason, problem
    assert problem.detail
    assert problem.remedy
    assert KEY not in problem.detail
    assert len(fake.requests) == 1, "retries are the runner's to make and to count"


async def test_nobody_listens() -> None:
    transport = Transport()
    client = transport.client(base_url=f"http://127.0.0.1:{free_port()}/v1", api_key=None, model="m")
    problem = (await failure(client)).problem
    await transport.aclose()
    assert problem.reason is Reason.UNREACHABLE
    assert "base_url" in problem.remedy


async def test_the_deadline_is_kept() -> None:
    async with client_of(FakeOpenAI("hang")) as client:
        began = time.monotonic()
        problem = (await failure(client, deadline_s=0.3)).problem
    assert problem.reason is Reason.TIMEOUT
    assert time.monotonic() - began < 5


async def test_the_servers_wish_to_wait_is_passed_on() -> None:
    fake = FakeOpenAI("429")
    fake.failures_left = 1
    async with client_of(fake) as client:
        error = await failure(client)
    assert error.problem.reason is Reason.RATE_LIMITED
    assert error.retry_after_s == 0.05
    assert error.retryable


@pytest.mark.parametrize(
    ("mode", "left_out", "instead"),
    [
        ("rejects max_tokens", "max_tokens", "max_completion_tokens"),
        ("rejects temperature", "temperature", "max_tokens"),
    ],
)
async def test_a_rejected_setting_is_left_out_from_then_on(mode: str, left_out: str, instead: str) -> None:
    fake = FakeOpenAI(mode)
    async with client_of(fake) as client:
        await ask(client)
        await ask(client)
    assert [left_out in body for body in fake.requests] == [True, False, False]
    assert all(body[instead] == 5 for body in fake.requests[1:])


async def test_two_keys_over_one_transport_do_not_mix() -> None:
    fake, transport = FakeOpenAI(), Transport()
    async with listening(fake) as url:
        for key in ("key-a", "key-b", "key-a"):
            await ask(transport.client(base_url=f"{url}/v1", api_key=key, model="m"))
        await ask(transport.client(base_url=f"{url}/v1", api_key=None, model="m"))
        await transport.aclose()
    sent = [headers["authorization"] for headers in fake.headers]
    assert sent == ["Bearer key-a", "Bearer key-b", "Bearer key-a", "Bearer none"]


async def test_a_key_with_odd_characters_is_an_error_and_not_a_crash() -> None:
    async with client_of(FakeOpenAI(), key="käse\n") as client:
        error = await failure(client)
    assert "käse" not in str(error)


EVERYTHING = Sampling(max_tokens=5, n=3, top_logprobs=20, schema={"type": "object"})


async def test_several_replies_and_probabilities_are_read() -> None:
    fake = FakeOpenAI("capable")
    async with client_of(fake) as client:
        reply = await client.ask(ASKED, sampling=EVERYTHING, deadline_s=10)
    assert [choice.text for choice in reply.choices] == ["fine"] * 3
    (position,) = reply.positions
    assert (position.token, position.top) == ("fine", {"fine": -0.1, "else": -2.4})
    sent = fake.requests[0]
    assert (sent["n"], sent["logprobs"], sent["top_logprobs"]) == (3, True, 20)
    assert sent["response_format"]["json_schema"]["schema"] == {"type": "object"}


@pytest.mark.parametrize(
    ("mode", "requests", "left_out"),
    [
        ("rejects response_format", 2, {"response_format"}),
        ("few logprobs", 2, set()),
        ("plain only", 2, {"n", "logprobs", "top_logprobs", "response_format"}),
    ],
)
async def test_what_a_server_rejects_is_left_out_from_then_on(mode: str, requests: int, left_out: set[str]) -> None:
    fake = FakeOpenAI(mode)
    async with client_of(fake) as client:
        assert (await client.ask(ASKED, sampling=EVERYTHING, deadline_s=10)).text == "fine"
        assert len(fake.requests) == requests
        await client.ask(ASKED, sampling=EVERYTHING, deadline_s=10)
    assert len(fake.requests) == requests + 1, "remembered"
    assert set(fake.requests[0]) - set(fake.requests[-1]) == left_out
    if mode == "few logprobs":
        assert fake.requests[-1]["top_logprobs"] == 5


async def test_another_bad_request_is_told_and_nothing_is_held_against_the_settings() -> None:
    fake = FakeOpenAI("echoes the key")
    async with client_of(fake) as client:
        with pytest.raises(CallError):
            await client.ask(ASKED, sampling=EVERYTHING, deadline_s=10)
        fake.mode = "capable"
        assert len((await client.ask(ASKED, sampling=EVERYTHING, deadline_s=10)).choices) == 3


async def test_without_a_system_role_its_text_heads_the_users() -> None:
    fake = FakeOpenAI("no system")
    asked = [Message(role="system", content="Be brief."), *ASKED]
    async with client_of(fake) as client:
        assert (await client.ask(asked, sampling=Sampling(), deadline_s=10)).text == "fine"
    assert fake.requests[-1]["messages"] == [{"role": "user", "content": "Be brief.\n\nHé?"}]


async def test_a_filtered_question_is_named_and_a_thinking_model_noticed() -> None:
    async with client_of(FakeOpenAI("filtered")) as client:
        error = await failure(client)
    assert error.problem.reason is Reason.FILTERED
    assert not error.retryable
    async with client_of(FakeOpenAI("thinks")) as client:
        assert (await ask(client)).reasoned


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        ("capable", Capabilities(logprobs=True, several_choices=True, seed=True)),
        ("ok", Capabilities(seed=True)),
        ("plain only", Capabilities(seed=True)),
        ("no system", Capabilities(seed=True)),
        ("thinks", Capabilities(seed=True, reasoning=True)),
    ],
)
async def test_what_a_server_can_do_is_found_out_by_asking(mode: str, found: Capabilities) -> None:
    fake = FakeOpenAI(mode)
    async with client_of(fake) as client:
        told = await find_out(client, extra={}, deadline_s=10)
    assert told.capabilities == found
    assert told.reply.text == "fine"


async def test_a_server_that_cannot_be_asked_has_no_capabilities() -> None:
    async with client_of(FakeOpenAI("401")) as client:
        with pytest.raises(CallError):
            await find_out(client, extra={}, deadline_s=10)
