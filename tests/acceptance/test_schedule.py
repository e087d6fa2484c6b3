"""A schedule through the life of a real process: frozen, killed, started again. Each slot has one entry."""

import json
import signal
import time
import urllib.request
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from service.schedules import schedule_of
from tests.support.processes import environment, free_port, selfwatch, wait_for

pytestmark = pytest.mark.acceptance
STARTED = ("ran", "late")
CONFIG = """
plans:
  words: {{probes: {{intentions: {{questions: 1}}}}}}
endpoints:
  - name: prod
    base_url: {url}
    model: simulated/base
    schedules: {{words: PT1S}}
"""


def entries(url: str) -> list[dict[str, Any]]:
    """Oldest first."""
    with urllib.request.urlopen(f"{url}/api/v1/endpoints/prod/slots?limit=500", timeout=10) as reply:
        found: list[dict[str, Any]] = json.loads(reply.read())["slots"]
    return found[::-1]


def wait_until(true: Callable[[], bool], log: Path, deadline_s: float = 60) -> None:
    end = time.monotonic() + deadline_s
    while not true():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


def test_a_frozen_and_a_killed_process_account_for_every_slot(tmp_path: Path) -> None:
    port, models = free_port(), free_port()
    url, simulator_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{models}"
    config = tmp_path / "selfwatch.yaml"
    config.write_text(CONFIG.format(url=f"{simulator_url}/v1"))
    env = environment(SELFWATCH_DATA_DIR=str(tmp_path / "data"))
    logs = [tmp_path / name for name in ("simulator", "first", "second")]
    serve = ("serve", "--port", str(port), "--config", str(config))

    def seen(*wanted: str) -> bool:
        return set(wanted) <= {entry["reason"] or entry["state"] for entry in entries(url)}

    with selfwatch("simulate", "--port", str(models), log=logs[0]) as simulator:
        wait_for(f"{simulator_url}/healthz", simulator, logs[0])
        with selfwatch(*serve, log=logs[1], env=env) as first:
            wait_for(f"{url}/readyz", first, logs[1])
            wait_until(lambda: sum(entry["state"] in STARTED for entry in entries(url)) >= 2, logs[1])
            first.send_signal(signal.SIGSTOP)
            time.sleep(4)
            first.send_signal(signal.SIGCONT)
            wait_until(lambda: seen("overloaded"), logs[1])
            first.kill()
            first.wait()
        time.sleep(3)
        with selfwatch(*serve, log=logs[2], env=env) as second:
            wait_for(f"{url}/readyz", second, logs[2])
            wait_until(lambda: seen("not_running") and entries(url)[-2]["state"] in STARTED, logs[2])
            found = entries(url)
            second.send_signal(signal.SIGTERM)
            assert second.wait(15) == 0, logs[2].read_text()
    grid = schedule_of("PT1S", "prod", "words")
    for before, after in pairwise(found):
        assert datetime.fromisoformat(after["due"]) == grid.follow(datetime.fromisoformat(before["until"]))
    for reason, least in (("overloaded", 2), ("not_running", 1)):  # a busy machine may miss more
        assert max(entry["count"] for entry in found if entry["reason"] == reason) >= least, found
    assert all((entry["run"] is not None) == (entry["state"] != "skipped") for entry in found)
