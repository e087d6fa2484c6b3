"""Prometheus and Alertmanager, the real ones, as processes on loopback."""

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import free_port

BINARIES = ("prometheus", "prometheus-alertmanager", "promtool", "amtool")
MISSING = [name for name in BINARIES if shutil.which(name) is None]
needed = [
    pytest.mark.prometheus,
    pytest.mark.skipif(
        bool(MISSING) and os.environ.get("CI") is None,
        reason=f"{', '.join(MISSING)} missing: apt-get install prometheus prometheus-alertmanager (required in CI)",
    ),
    pytest.mark.xdist_group("prometheus"),
]
"""Marks of a test that needs them: left out where they are missing, but not in CI."""

ROUTES = """
route: {{receiver: hook, group_by: [alertname, endpoint], group_wait: 0s, group_interval: 1s, repeat_interval: 4h}}
receivers: [{{name: hook, webhook_configs: [{{url: "{hook}", send_resolved: true}}]}}]
"""
SCRAPE = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs: [{{job_name: selfwatch, static_configs: [{{targets: ["{target}"]}}]}}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}"]}}]}}]}}
"""


@contextmanager
def running(command: list[str], log: Path, ready: str, deadline_s: float = 60) -> Iterator[None]:
    """`command` from when `ready` answers to the end of the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + deadline_s
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            try:
                with urllib.request.urlopen(ready, timeout=2):
                    break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def alertmanager(folder: Path, hook: str, port: int | None = None) -> Iterator[str]:
    """An Alertmanager that tells everything to `hook` at once; gives its URL."""
    folder.mkdir(exist_ok=True)
    port = port or free_port()
    config, url = folder / "alertmanager.yaml", f"http://127.0.0.1:{port}"
    config.write_text(ROUTES.format(hook=hook))
    command = [
        "prometheus-alertmanager", f"--config.file={config}", f"--storage.path={folder / 'am'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with running(command, folder / "alertmanager.log", f"{url}/-/ready"):
        yield url


@contextmanager
def prometheus(folder: Path, *, target: str, alertmanager: str, rules: Path) -> Iterator[str]:
    """A Prometheus that scrapes `target` every second and alerts by `rules`; gives its URL."""
    folder.mkdir(exist_ok=True)
    config, url = folder / "prometheus.yaml", f"http://127.0.0.1:{free_port()}"
    hosts = {"target": target.removeprefix("http://"), "alertmanager": alertmanager.removeprefix("http://")}
    config.write_text(SCRAPE.format(rules=rules, **hosts))
    command = [
        "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={url.removeprefix('http://')}",
    ]  # fmt: skip
    with running(command, folder / "prometheus.log", f"{url}/-/ready"):
        yield url


def amtool(url: str, *arguments: str) -> str:
    command = ["amtool", f"--alertmanager.url={url}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
