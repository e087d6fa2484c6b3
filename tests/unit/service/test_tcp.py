"""Can we reach an address? Over real sockets."""

import socket

from service.outbound import OutboundPolicy
from service.tcp import connects
from tests.support.processes import free_port

LOCAL = OutboundPolicy(loopback=True)


async def test_a_server_that_listens_can_be_reached_and_one_that_does_not_cannot() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert await connects("127.0.0.1", port, LOCAL) is True
        assert await connects("localhost", port, LOCAL) is True
    assert await connects("127.0.0.1", free_port(), LOCAL) is False


async def test_a_name_that_does_not_exist_cannot_be_reached() -> None:
    assert await connects("nobody.invalid", 443, LOCAL) is False


async def test_what_the_policy_forbids_is_not_tried_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        port = server.getsockname()[1]
        assert await connects("127.0.0.1", port, OutboundPolicy(loopback=False)) is None
        try:
            server.accept()
        except TimeoutError:
            return
    raise AssertionError("it was connected to")


async def test_an_address_that_swallows_everything_costs_no_more_than_the_deadline() -> None:
    with socket.socket() as full:  # a queue of one that nobody empties: further connections hang
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        try:
            assert await connects("127.0.0.1", full.getsockname()[1], LOCAL, deadline_s=0.2) is False
        finally:
            for one in waiting:
                one.close()
