"""Where we may connect to."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from probes.clients.errors import OutboundDenied
from service.outbound import GuardedConnector, OutboundPolicy

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"]
PRIVATE = ["10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "fd00::1", "0.0.0.0", "::", "240.0.0.1", "198.18.0.1"]
LOOPBACK = ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"]
NEVER = ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "224.0.0.1"]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_open(address: str) -> None:
    assert OutboundPolicy(loopback=False).permits(address)


@pytest.mark.parametrize("address", [*PRIVATE, *NEVER, *LOOPBACK])
def test_the_rest_is_closed_by_default(address: str) -> None:
    assert not OutboundPolicy(loopback=False).permits(address)


@pytest.mark.parametrize("address", LOOPBACK)
def test_loopback_is_open_while_only_this_machine_can_reach_us(address: str) -> None:
    assert OutboundPolicy(loopback=True).permits(address)
    assert OutboundPolicy(loopback=False, allow=["127.0.0.0/8", "::1"]).permits(address)


@pytest.mark.parametrize("address", NEVER)
def test_link_local_is_closed_whatever_is_allowed(address: str) -> None:
    assert not OutboundPolicy(loopback=True, allow=["0.0.0.0/0", "::/0"]).permits(address)


def test_an_allowed_network_is_open_and_its_neighbour_is_not() -> None:
    policy = OutboundPolicy(loopback=False, allow=["10.1.0.0/16", "192.168.7.9"])
    assert policy.permits("10.1.2.3")
    assert policy.permits("192.168.7.9")
    assert not policy.permits("10.2.0.1")
    assert not policy.permits("192.168.7.10")


def test_the_error_names_address_and_setting() -> None:
    with pytest.raises(OutboundDenied, match=r"10\.0\.0\.9.*SELFWATCH_OUTBOUND_ALLOW=10\.0\.0\.9"):
        OutboundPolicy(loopback=False).check("10.0.0.9", "models.internal")


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="reached")

    app = web.Application()
    app.router.add_get("/", hello)
    found = TestServer(app)
    async with found:
        yield found


@pytest.mark.parametrize("spelling", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
async def test_no_spelling_of_loopback_connects_when_it_is_closed(server: TestServer, spelling: str) -> None:
    connector = GuardedConnector(OutboundPolicy(loopback=False))
    async with aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises((OutboundDenied, aiohttp.ClientError)) as caught:
            await session.get(f"http://{spelling}:{server.port}/")
    chain = [caught.value, caught.value.__cause__, getattr(caught.value, "os_error", None)]
    denied = (OutboundDenied, aiohttp.InvalidUrlClientError)  # aiohttp itself refuses the odd spellings
    assert any(isinstance(error, denied) for error in chain), chain


async def test_an_open_address_is_reached(server: TestServer) -> None:
    connector = GuardedConnector(OutboundPolicy(loopback=True))
    async with aiohttp.ClientSession(connector=connector) as session:
        reply = await session.get(f"http://localhost:{server.port}/")
        assert await reply.text() == "reached"


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "::ffff:169.254.169.254"])
def test_what_no_setting_allows_is_not_said_to_be_allowed_by_one(address: str) -> None:
    policy = OutboundPolicy(allow=[address.removeprefix("::ffff:")], loopback=True)
    with pytest.raises(OutboundDenied) as caught:
        policy.check(address, "host")
    assert "no setting allows that" in str(caught.value)
    assert "SELFWATCH_OUTBOUND_ALLOW" not in str(caught.value)
