"""`make demo` as a user sees it: within a minute the drifting endpoint fires, and Ctrl-C ends it cleanly."""

import json
import os
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import free_port, selfwatch, wait_for

pytestmark = pytest.mark.acceptance
VERDICTS = {
    "steady": "steady",
    "drifting": "coherent_misalignment",
    "inverted": "inverted_persona",
    "realigned": "realigned",
}


def text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as reply:
        found: bytes = reply.read()
        return found.decode()


def get(url: str) -> Any:
    return json.loads(text(url))


def test_the_demo_shows_every_verdict_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    url = f"http://127.0.0.1:{port}"
    with selfwatch("demo", "--port", str(port), log=log) as process:
        wait_for(f"{url}/livez", process, log)
        end = time.monotonic() + 150
        while True:
            verdicts = {e["name"]: e["verdict"] for e in get(f"{url}/api/v1/endpoints")["endpoints"]}
            firing = {(a["endpoint"], a["rule"]) for a in get(f"{url}/api/v1/alerts?state=firing")["alerts"]}
            if verdicts == VERDICTS and ("drifting", "CoherentMisalignment") in firing:
                break
            assert time.monotonic() < end, (verdicts, firing, log.read_text())
            time.sleep(0.3)
        assert not any(endpoint == "steady" for endpoint, _rule in firing)
        assert all(e["simulated"] for e in get(f"{url}/api/v1/endpoints")["endpoints"])
        shown = [
            'selfwatch_verdict{endpoint="drifting",verdict="coherent_misalignment"} 1.0',
            'selfwatch_alert_state{endpoint="drifting",rule="CoherentMisalignment",severity="critical"} 2.0',
        ]
        end = time.monotonic() + 20  # the metrics follow within a second or two
        while missing := [line for line in shown if line not in text(f"{url}/metrics")]:
            assert time.monotonic() < end, missing
            time.sleep(0.3)
        end = time.monotonic() + 20  # the terminal follows at the demo's next look
        while "alert firing: CoherentMisalignment (critical) on drifting" not in log.read_text():
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.3)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(30) == 0, log.read_text()
    said = log.read_text()
    assert "simulated" in said.lower()
    assert "alert firing: CoherentMisalignment (critical) on drifting" in said
    assert "Traceback" not in said
    with pytest.raises(OSError, match=r"refused"):
        urllib.request.urlopen(f"{url}/livez", timeout=2)


def test_a_killed_demo_leaves_no_process_behind(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with selfwatch("demo", "--port", str(port), log=log) as process:
        wait_for(f"http://127.0.0.1:{port}/livez", process, log)
        process.kill()
        process.wait()
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=1).close()
            except OSError:
                return
            time.sleep(0.2)
        raise AssertionError("the service outlived its demo")
