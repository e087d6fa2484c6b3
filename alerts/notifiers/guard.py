"""Keeps a library that makes its own connections within the outbound policy.

Checking a URL before the library gets it is not enough: names resolve anew, and servers redirect. So the thread that
runs the library is guarded through the interpreter's audit events (PEP 578): every address is checked in the moment it
is connected to, and what would escape the check (another thread, another process, a local socket) is refused.
"""

import ipaddress
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ESCAPES = frozenset(
    {"_thread.start_new_thread", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"}
)
CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


class RefusedError(OSError):
    """A guarded thread tried what it may not."""


class Guard:
    """Watches one thread. `reason`: why it was refused something, None if it was not."""

    def __init__(self, check: Callable[[str, str], None]) -> None:
        self._check = check
        self._host = ""
        self.reason: str | None = None

    def see(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo":
            self._host = args[0].decode("utf-8", "replace") if isinstance(args[0], bytes) else str(args[0])
        elif event in CONNECTS:
            self._connect(args[1])
        elif event in ESCAPES:
            self._refuse("this service needs a thread or a process of its own, which cannot be held to the policy")

    def _connect(self, address: Any) -> None:
        if address is None:
            return  # a message on a socket that is connected already
        if not isinstance(address, tuple):
            self._refuse("this service talks to a local socket, which the outbound policy does not cover")
        target = str(address[0])
        try:
            ipaddress.ip_address(target.split("%", 1)[0])
        except ValueError:
            self._refuse("this service connects by name, so that its address cannot be checked")
        try:
            self._check(target, self._host or target)
        except Exception as error:
            self.reason = str(error)
            raise

    def _refuse(self, reason: str) -> None:
        self.reason = reason
        raise RefusedError(reason)


class _Here(threading.local):
    guard: Guard | None = None


_here = _Here()
_lock = threading.Lock()
_installed = False


def _audit(event: str, args: tuple[Any, ...]) -> None:
    guard = _here.guard
    if guard is not None:
        guard.see(event, args)


def _tell_of_threads() -> None:
    """Python 3.11 raises no audit event when a thread starts."""
    start = threading.Thread.start

    def told(thread: threading.Thread) -> None:
        _audit("_thread.start_new_thread", ())
        start(thread)

    setattr(threading.Thread, "start", told)  # noqa: B010 (an assignment to a method does not pass the type checker)


@contextmanager
def guarded(check: Callable[[str, str], None]) -> Iterator[Guard]:
    """Within it, this thread connects only to addresses that `check(address, host)` lets pass by not raising."""
    global _installed  # noqa: PLW0603 (an audit hook is for the whole process and cannot be taken out again)
    with _lock:
        if not _installed:
            sys.addaudithook(_audit)
            if sys.version_info < (3, 12):
                _tell_of_threads()
            _installed = True
    guard = Guard(check)
    _here.guard = guard
    try:
        yield guard
    finally:
        _here.guard = None
