"""The two processes of the demo, each in a session of its own so that Ctrl-C reaches only the parent."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

STOP_S = 10.0


class StartError(Exception):
    """A process did not come up; the text holds the end of its log."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def refuse_busy(port: int) -> None:
    """Raises StartError when something listens on the port already."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise StartError(f"port {port} is taken; run with another: make demo DEMO_FLAGS='--port 0'")


@contextmanager
def child(
    name: str, arguments: list[str], log: Path, extra_env: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """`selfwatch <arguments>` with its output in `log`; asked to stop on leaving, and made to after STOP_S."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("SELFWATCH_")}
    command = [sys.executable, "-m", "service.cli", *arguments, "--quit-with-parent"]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 (our own module)
            command, stdout=output, stderr=subprocess.STDOUT, env=inherited | dict(extra_env), start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(ready: "object", process: subprocess.Popen[bytes], log: Path, deadline_s: float) -> None:
    """Poll `ready()` until it is true. Raises StartError when the process ends first, or in time."""
    if not callable(ready):
        raise TypeError("ready must be callable")
    end = time.monotonic() + deadline_s
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise StartError(f"{' '.join(map(str, process.args))} did not come up:\n{tail}")  # type: ignore[arg-type]
        time.sleep(0.1)
