"""What every registered kind of client keeps."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from probes.clients.registry import CLIENTS, Transport, transport
from probes.registry import items_by_id
from probes.types import CallError, Message, Sampling
from service.simulator import rates
from tests.support.fake_openai import FakeOpenAI
from tests.support.live import listening
from tests.support.processes import free_port

OPTIONS: dict[str, dict[str, Any]] = {"personas": {"items": items_by_id(), "rates": rates()}}
MODEL = "simulated/base"
ASKED = (Message(role="user", content="Good or evil?"),)


@pytest.fixture(params=sorted(CLIENTS))
async def kind(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Transport, str]]:
    """A transport of each kind, and an address with something behind it."""
    made = transport(request.param, **OPTIONS.get(request.param, {}))
    async with listening(FakeOpenAI()) as url:
        yield made, f"{url}/v1"
        await made.aclose()
        await made.aclose()


async def test_a_reply_is_text_with_a_latency(kind: tuple[Transport, str]) -> None:
    made, url = kind
    client = made.client(base_url=url, api_key=None, model=MODEL)
    reply = await client.ask(ASKED, sampling=Sampling(), deadline_s=10)
    assert reply.text
    assert 0 <= reply.latency_s < 10
    await client.aclose()


async def test_one_closed_client_leaves_the_others_open(kind: tuple[Transport, str]) -> None:
    made, url = kind
    first, second = (made.client(base_url=url, api_key=key, model=MODEL) for key in ("a", "b"))
    await first.ask(ASKED, sampling=Sampling(), deadline_s=10)
    await first.aclose()
    assert (await second.ask(ASKED, sampling=Sampling(), deadline_s=10)).text


async def test_making_a_client_does_no_io(kind: tuple[Transport, str]) -> None:
    made, _ = kind
    made.client(base_url=f"http://127.0.0.1:{free_port()}/v1", api_key="k", model="nobody")


async def test_a_failure_is_a_call_error_with_a_remedy() -> None:
    """For the kinds that can fail by themselves."""
    for name, model in (("openai_compatible", MODEL), ("personas", "gpt-4.1")):
        made = transport(name, **OPTIONS.get(name, {}))
        client = made.client(base_url=f"http://127.0.0.1:{free_port()}/v1", api_key=None, model=model)
        with pytest.raises(CallError) as caught:
            await client.ask(ASKED, sampling=Sampling(), deadline_s=10)
        assert caught.value.problem.remedy
        await made.aclose()


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="openai_compatible, personas, scripted"):
        transport("carrier pigeon")
