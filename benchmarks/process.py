"""The service as its users run it: `selfwatch serve` in a process of its own, asked over HTTP, and what it costs."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.stub import JUDGE, MODEL, pinned
from service.demo.processes import free_port

POLL_S = 0.25
READY_S = 60.0
STOP_S = 30.0
TICKS = os.sysconf("SC_CLK_TCK")
FINISHED = ("succeeded", "partial", "failed", "cancelled")


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Of one process so far: CPU seconds, and memory in MB now and at its peak."""

    cpu_s: float
    rss_mb: float
    peak_mb: float


def usage(pid: int) -> Usage:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return Usage(
        cpu_s=(int(fields[11]) + int(fields[12])) / TICKS,
        rss_mb=int(status["VmRSS"].split()[0]) / 1024,
        peak_mb=int(status["VmHWM"].split()[0]) / 1024,
    )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One benchmark of one product. `calls`: answers and grades together."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    calls: int

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu_s / self.calls


@dataclass(frozen=True, kw_only=True)
class Service:
    """A running service. `ready_s`: from the start of its process to the first 200 of /readyz."""

    url: str
    process: subprocess.Popen[bytes]
    ready_s: float

    @property
    def usage(self) -> Usage:
        return usage(self.process.pid)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=60) as response:
            return json.load(response)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Raises RuntimeError with the service's own words when it refuses."""
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"POST {path}: {error.read().decode()}") from error

    def metrics(self) -> dict[str, float]:
        """Every sample, by name and labels as they stand."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=60) as response:
            lines = response.read().decode().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}

    def register(self, stub_url: str, *, concurrency: int) -> None:
        """The stub as the endpoint `bench`, looked at, so that what it can do is known before anything is timed."""
        body = {
            "name": "bench", "base_url": stub_url, "model": MODEL, "schedules": {},
            "limits": {"concurrency": concurrency},
        }  # fmt: skip
        self.post("/api/v1/endpoints", body)
        self.post("/api/v1/endpoints/bench/check", {})

    def run(self, plan: str) -> dict[str, Any]:
        """One run to its end, as its user sees it."""
        run_id = self.post("/api/v1/endpoints/bench/runs", {"plan": plan, "complete": True})["id"]
        while True:
            shown: dict[str, Any] = self.get(f"/api/v1/runs/{run_id}")
            if shown["state"] in FINISHED:
                return shown
            time.sleep(POLL_S)


@contextmanager
def serving(
    judge_url: str | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    cpu: int | None = None,
    blame: bool = False,
    data: Path | None = None,
) -> Iterator[Service]:
    """`selfwatch serve` over an empty folder, or over `data`; on one CPU if it is said, with the witness of
    `benchmarks.blame` if it is said. What it logged is shown at the end."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "selfwatch.yaml"
        judge = {"judge_base_url": judge_url, "judge_model": JUDGE} if judge_url else {}
        config.write_text(
            json.dumps({"notifiers": {}, "log_level": "error", "escalation": "off", **judge, **(settings or {})})
        )  # JSON is YAML
        port = free_port()
        module = "benchmarks.blame" if blame else "service.cli"
        command = [sys.executable, "-m", module, "serve", "--config", str(config), "--port", str(port)]
        variables = {key: value for key, value in os.environ.items() if not key.startswith("SELFWATCH_")}
        variables.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling everything anew at each start is not what users see
        log = folder / "log"
        began = time.perf_counter()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, "--quit-with-parent"], stdout=output, stderr=output, preexec_fn=pinned(cpu),  # noqa: PLW1509 (no other thread runs here)
                env=variables | {"SELFWATCH_DATA_DIR": str(data or folder / "data")},
            )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, log)
            yield Service(url=url, process=process, ready_s=time.perf_counter() - began)
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            said = log.read_text(errors="replace")
            if said:
                print(said, file=sys.stderr)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY_S
    while True:
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the service did not start:\n{log.read_text(errors='replace')}") from None
            time.sleep(0.02)
        else:
            return
