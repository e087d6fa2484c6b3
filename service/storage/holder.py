"""Who holds a lease: named so that another process of the same machine can tell whether the holder still lives."""

import os
import socket
from functools import cache
from pathlib import Path

PROC = Path("/proc")
START_TIME = 19
"""Place of the start time, in clock ticks since boot, behind the command in /proc/PID/stat (proc(5), field 22)."""


@cache
def me() -> str:
    """This process: machine, boot and process namespace, process id, start time. A fork has a name of its own."""
    pid = os.getpid()
    return f"{_space()}/{pid}/{_started(pid) or 0}"


os.register_at_fork(after_in_child=me.cache_clear)


def is_gone(holder: str) -> bool:
    """Whether the process of that name has surely ended. False for one that cannot be seen from here."""
    space, _, rest = holder.partition("/")
    pid, _, started = rest.partition("/")
    if space != _space() or not pid.isdigit() or started in ("", "0"):
        return False
    return _started(int(pid)) != started


def _space() -> str:
    """The set of processes that can be seen from here. Empty names would match one another, so there are none."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()}:{boot}:{(PROC / 'self/ns/pid').stat().st_ino}".replace("/", "_")
    except OSError:  # not Linux: others cannot tell, and wait for the lease to run out
        return f"{socket.gethostname()}:{os.getpid()}:unknown".replace("/", "_")


def _started(pid: int) -> str | None:
    """The start time of a process that lives; None for one that does not, or is a zombie."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()
    return None if state in ("Z", "X") else fields[START_TIME - 1]
