"""The guard: whatever a library tries, it reaches only what the policy lets it reach."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alerts.notifiers.guard import RefusedError, guarded
from probes.clients.errors import OutboundDenied
from service.outbound import OutboundPolicy
from tests.unit.alerts.notifiers.server import receiver

CLOSED = OutboundPolicy(loopback=False)
OPEN = OutboundPolicy(loopback=True)
PORT_OF_NOBODY = 9


def within(check: Callable[[str, str], None], work: Callable[[], Any]) -> tuple[BaseException | None, str | None]:
    """What `work` raised in a guarded thread, and the reason that the guard has."""
    found: list[Any] = []

    def run() -> None:
        with guarded(check) as guard:
            try:
                work()
            except BaseException as error:
                found.append(error)
        found.append(guard.reason)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    return (None, found[0]) if len(found) == 1 else (found[0], found[1])


def connect(address: Any, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> None:
    with socket.socket(family, kind) as sock:
        sock.settimeout(2)
        sock.connect(address)


def send_datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("127.0.0.1", PORT_OF_NOBODY))


@pytest.mark.parametrize(
    ("work", "told"),
    [
        (lambda: connect(("127.0.0.1", PORT_OF_NOBODY)), "127.0.0.1 is at 127.0.0.1"),
        (lambda: connect(("169.254.169.254", 80)), "169.254.169.254 is at 169.254.169.254"),
        (lambda: connect(("::1", PORT_OF_NOBODY), socket.AF_INET6), "::1 is at ::1"),
        (lambda: socket.create_connection(("localhost", PORT_OF_NOBODY), timeout=2), "localhost is at"),
        (lambda: urllib.request.urlopen("http://localhost:9/", timeout=2), "localhost is at"),
        (send_datagram, "127.0.0.1 is at 127.0.0.1"),
    ],
    ids=["loopback", "metadata", "loopback v6", "by name", "through a library", "a datagram"],
)
def test_an_address_that_the_policy_denies_is_not_connected_to(work: Callable[[], Any], told: str) -> None:
    error, reason = within(CLOSED.check, work)
    assert isinstance(error, OSError)
    assert reason is not None
    assert reason.startswith(told)
    assert ("SELFWATCH_OUTBOUND_ALLOW" in reason) is not reason.startswith("169.254"), "no setting opens the last"


def test_cloud_metadata_is_denied_even_where_loopback_is_open() -> None:
    error, _ = within(OPEN.check, lambda: connect(("169.254.169.254", 80)))
    assert isinstance(error, OutboundDenied)


async def test_an_address_that_the_policy_allows_is_reached() -> None:
    async with receiver() as server:
        error, reason = await asyncio.to_thread(
            within, OPEN.check, lambda: urllib.request.urlopen(server.url, timeout=5).close()
        )
        assert (error, reason) == (None, None)
        assert len(server.got) == 1


def test_a_name_that_resolves_otherwise_the_second_time_is_still_caught() -> None:
    """DNS rebinding: what counts is the address connected to."""
    asked: list[str] = []

    def check(address: str, host: str) -> None:
        asked.append(address)
        CLOSED.check(address, host)

    def rebound() -> None:
        socket.getaddrinfo("8.8.8.8", 80)  # looked at, and good
        connect(("127.0.0.1", PORT_OF_NOBODY))  # connected to, and not

    error, _ = within(check, rebound)
    assert isinstance(error, OutboundDenied)
    assert asked == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("work", "told"),
    [
        (lambda: threading.Thread(target=print).start(), "a thread or a process of its own"),
        (lambda: subprocess.run([sys.executable, "-V"], check=False), "a thread or a process of its own"),
        (lambda: os.system("true"), "a thread or a process of its own"),
        (lambda: connect("/run/nobody.sock", socket.AF_UNIX), "a local socket"),
        (lambda: connect(("localhost", PORT_OF_NOBODY)), "connects by name"),
    ],
    ids=["thread", "process", "shell", "unix socket", "name"],
)
def test_what_would_escape_the_check_is_refused(work: Callable[[], Any], told: str) -> None:
    error, reason = within(OPEN.check, work)
    assert isinstance(error, RefusedError | RuntimeError)
    assert told in str(reason)


def test_other_threads_and_later_work_are_left_alone(tmp_path: Path) -> None:
    done = threading.Event()
    with guarded(CLOSED.check):
        assert not done.is_set()
    threading.Thread(target=done.set).start()
    assert done.wait(5)
    with pytest.raises(ConnectionRefusedError):
        connect(("127.0.0.1", PORT_OF_NOBODY))
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        connect(path, socket.AF_UNIX)
