"""`selfwatch` as a process of its own, as a user starts it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(**changes: str) -> dict[str, str]:
    """This process's variables without any SELFWATCH_ ones, and with `changes`."""
    return {k: v for k, v in os.environ.items() if not k.startswith("SELFWATCH_")} | changes


@contextmanager
def selfwatch(*arguments: str, log: Path, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A running `selfwatch ...`; killed at the end if it is still there."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env) if env is not None else environment(),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, deadline_s: float = 60) -> None:
    """Wait until a GET of `url` succeeds. Fails with the process's log."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer in {deadline_s} s:\n{log.read_text()}")
