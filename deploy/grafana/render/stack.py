"""What the pictures show: the demo, a Prometheus that scrapes it, and the page that draws its dashboards."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from service.demo.processes import free_port

HERE = Path(__file__).parent
RULES = HERE.parents[1] / "prometheus"
READY_S = 120.0
STOP_S = 15.0


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Where the processes are, and since when (Unix time in seconds) Prometheus scrapes."""

    service: str
    prometheus: str
    page: str
    since: float


@contextmanager
def up(folder: Path) -> Iterator[Stack]:
    """All of it, with logs in `folder`; stopped at the end. Raises RuntimeError with the log of what does not start."""
    ports = {name: free_port() for name in ("service", "prometheus", "page")}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    config = folder / "prometheus.yaml"
    config.write_text(yaml.safe_dump(_scraping(ports["service"])), encoding="utf-8")
    demo = [sys.executable, "-m", "service.cli", "demo", "--port", str(ports["service"])]
    scraper = [
        "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
    ]  # fmt: skip
    page = ["node", "node_modules/vite/bin/vite.js", "preview", "--host", "127.0.0.1", "--port", str(ports["page"])]
    with ExitStack() as stack:
        _build()
        stack.enter_context(_running(demo, folder / "demo.log", f"{urls['service']}/readyz"))
        stack.enter_context(_running(scraper, folder / "prometheus.log", f"{urls['prometheus']}/-/ready"))
        since = time.time()
        stack.enter_context(
            _running(page, folder / "page.log", urls["page"], cwd=HERE, PROMETHEUS_URL=urls["prometheus"])
        )
        yield Stack(since=since, **urls)


def _scraping(port: int) -> dict[str, Any]:
    """One scrape a second and the committed rules, so that a few minutes give lines a shape."""
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in sorted(RULES.glob("selfwatch.r*.yaml"))],
        "scrape_configs": [{"job_name": "selfwatch", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}],
    }


def _build() -> None:
    """The page, checked by the TypeScript compiler and bundled; its packages are installed once."""
    lock, installed = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        _npm("ci", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund")
    _npm("run", "check")
    _npm("run", "build")


def _npm(*arguments: str) -> None:
    subprocess.run(["npm", "--silent", *arguments], cwd=HERE, check=True, stdout=subprocess.DEVNULL)  # noqa: S603, S607 (fixed words)


@contextmanager
def _running(command: list[str], log: Path, ready: str, cwd: Path | None = None, **env: str) -> Iterator[None]:
    """`command` from when `ready` answers to the end of the block."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SELFWATCH_")} | env
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 (fixed words)
            command, stdout=output, stderr=subprocess.STDOUT, cwd=cwd, env=environment
        )
    try:
        end = time.monotonic() + READY_S
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{' '.join(command)} did not come up:\n{log.read_text(errors='replace')}")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 (loopback, our own port)
            return True
    except OSError:
        return False
