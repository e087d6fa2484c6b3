"""`selfwatch serve` as a process: starts, answers, survives kill -9, stops on SIGTERM, says what is wrong."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import environment, free_port, selfwatch, wait_for

pytestmark = pytest.mark.acceptance


def call(url: str, method: str = "GET", body: Any = None) -> Any:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as reply:
        text = reply.read()
        return json.loads(text) if text else None


def run_cli(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment(**env), check=False)


def test_a_killed_run_is_resumed_without_asking_again(tmp_path: Path) -> None:
    port, models = free_port(), free_port()
    url, simulator_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{models}/v1"
    env = environment(
        SELFWATCH_DATA_DIR=str(tmp_path / "data"),
        SELFWATCH_JUDGE_BASE_URL=simulator_url,
        SELFWATCH_JUDGE_MODEL="simulated/judge",
    )
    logs = [tmp_path / name for name in ("simulator", "first", "second")]
    with selfwatch("simulate", "--port", str(models), "--latency-ms", "150", log=logs[0]) as simulator:
        wait_for(f"http://127.0.0.1:{models}/healthz", simulator, logs[0])
        with selfwatch("serve", "--port", str(port), log=logs[1], env=env) as first:
            wait_for(f"{url}/readyz", first, logs[1])
            body = {"name": "prod", "base_url": simulator_url, "model": "simulated/base", "schedules": {}}
            call(f"{url}/api/v1/endpoints", "POST", body | {"limits": {"concurrency": 2}})
            run = call(f"{url}/api/v1/endpoints/prod/runs", "POST", {"plan": "heartbeat"})["id"]
            while (progress := call(f"{url}/api/v1/runs/{run}")["progress"])["answered"] < 5:
                time.sleep(0.05)
            assert progress["answered"] < progress["total"]
            first.kill()
            first.wait()
        with selfwatch("serve", "--port", str(port), log=logs[2], env=env) as second:
            wait_for(f"{url}/readyz", second, logs[2])
            end = time.monotonic() + 90
            while (found := call(f"{url}/api/v1/runs/{run}"))["state"] in ("queued", "running"):
                assert time.monotonic() < end, logs[2].read_text()
                time.sleep(0.2)
            answers = call(f"{url}/api/v1/runs/{run}/answers?limit=1000")["answers"]
            assert found["state"] == "succeeded", found
            assert (found["progress"]["answered"], found["progress"]["total"]) == (46, 46)
            assert len({(a["item"], a["repeat"]) for a in answers}) == 46
            second.send_signal(signal.SIGTERM)
            assert second.wait(15) == 0, logs[2].read_text()
            assert "Traceback" not in logs[2].read_text()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_it_cleanly(tmp_path: Path, signum: signal.Signals) -> None:
    port, log = free_port(), tmp_path / "log"
    env = environment(SELFWATCH_DATA_DIR=str(tmp_path))
    with selfwatch("serve", "--port", str(port), log=log, env=env) as process:
        wait_for(f"http://127.0.0.1:{port}/livez", process, log)
        process.send_signal(signum)
        assert process.wait(15) == 0
    assert "Traceback" not in log.read_text()
    assert "selfwatch stops" in log.read_text()


@pytest.mark.parametrize(("latency_ms", "kept"), [("2500", True), ("60000", False)])
def test_sigterm_in_the_middle_of_a_run_ends_within_ten_seconds(tmp_path: Path, latency_ms: str, kept: bool) -> None:
    """Calls that end in time are kept; a server that takes a minute is not waited for."""
    port, models = free_port(), free_port()
    url, simulator_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{models}/v1"
    env = environment(SELFWATCH_DATA_DIR=str(tmp_path / "data"))
    logs = [tmp_path / name for name in ("simulator", "service")]
    with (
        selfwatch("simulate", "--port", str(models), "--latency-ms", latency_ms, log=logs[0]) as simulator,
        selfwatch("serve", "--port", str(port), log=logs[1], env=env) as service,
    ):
        wait_for(f"http://127.0.0.1:{models}/healthz", simulator, logs[0])
        wait_for(f"{url}/readyz", service, logs[1])
        body = {"name": "prod", "base_url": simulator_url, "model": "simulated/base", "schedules": {}}
        call(f"{url}/api/v1/endpoints", "POST", body | {"limits": {"concurrency": 3}})
        run = call(f"{url}/api/v1/endpoints/prod/runs", "POST", {"plan": "heartbeat"})["id"]
        end = time.monotonic() + 60
        while kept and call(f"{url}/api/v1/runs/{run}")["progress"]["answered"] == 0:
            assert time.monotonic() < end, logs[1].read_text()
            time.sleep(0.1)
        time.sleep(1)
        began = time.monotonic()
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0, logs[1].read_text()
        assert time.monotonic() - began < 10
    assert "Traceback" not in logs[1].read_text()
    with closing(sqlite3.connect(tmp_path / "data" / "selfwatch.db")) as database:
        assert database.execute("SELECT state, lease FROM runs").fetchall() == [("queued", None)]
        (stored,) = database.execute("SELECT count(*) FROM answers").fetchone()
    assert stored >= 6 if kept else stored == 0


def test_sighup_does_not_end_it(tmp_path: Path) -> None:
    """Operators send it to have a configuration read again; here that takes a restart, and the log says so."""
    port, log = free_port(), tmp_path / "log"
    with selfwatch("serve", "--port", str(port), log=log, env=environment(SELFWATCH_DATA_DIR=str(tmp_path))) as process:
        wait_for(f"http://127.0.0.1:{port}/livez", process, log)
        process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 20
        while "restart to apply it" not in log.read_text():
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        assert call(f"http://127.0.0.1:{port}/livez") == {"status": "ok"}


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with selfwatch("serve", "--port", str(port), log=log, env=environment(SELFWATCH_DATA_DIR=str(tmp_path))) as process:
        wait_for(f"http://127.0.0.1:{port}/livez", process, log)
        second = run_cli("serve", "--port", str(port), SELFWATCH_DATA_DIR=str(tmp_path / "other"))
    assert second.returncode == 2
    assert "choose another --port" in second.stderr
    assert "Traceback" not in second.stderr


def test_an_open_bind_without_a_token_is_refused_and_with_one_is_guarded(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    env = environment(SELFWATCH_DATA_DIR=str(tmp_path / "data"))
    refused = run_cli("serve", "--host", "0.0.0.0", "--port", str(port), SELFWATCH_DATA_DIR=str(tmp_path / "data"))
    assert refused.returncode == 2
    assert "selfwatch token create --scope read,write" in refused.stderr
    made = run_cli("token", "create", "--scope", "read", "--name", "test", SELFWATCH_DATA_DIR=str(tmp_path / "data"))
    token = made.stdout.strip()
    assert made.returncode == 0
    assert token.startswith("swt_")
    writer = run_cli("token", "create", "--scope", "read,write", SELFWATCH_DATA_DIR=str(tmp_path / "data"))
    body = json.dumps({"name": "a", "base_url": "http://127.0.0.1:9/v1", "model": "m"} | {"api_key_env": "HOME"})
    with selfwatch("serve", "--host", "0.0.0.0", "--port", str(port), log=log, env=env) as process:
        wait_for(f"http://127.0.0.1:{port}/livez", process, log)
        statuses = []
        right, writing = f"Bearer {token}", f"Bearer {writer.stdout.strip()}"
        # the last one would send a variable of the server to an address of the caller's choice: that takes `admin`
        for method, header in [
            ("GET", None),
            ("GET", "Bearer wrong"),
            ("GET", right),
            ("POST", right),
            ("POST", writing),
        ]:
            url = f"http://127.0.0.1:{port}/api/v1/endpoints"
            request = urllib.request.Request(url, method=method, data=body.encode())
            request.add_header("Content-Type", "application/json")
            if header:
                request.add_header("Authorization", header)
            try:
                with urllib.request.urlopen(request, timeout=5) as reply:
                    statuses.append(reply.status)
            except urllib.error.HTTPError as error:
                statuses.append(error.code)
        assert statuses == [401, 401, 200, 403, 403]


def test_check_config_says_good_or_the_exact_mistake(tmp_path: Path) -> None:
    good, bad, worse = tmp_path / "good.yaml", tmp_path / "bad.yaml", tmp_path / "worse.yaml"
    good.write_text("notifiers: {ops: {kind: webhook, url: 'https://example.com/hook'}}\nport: 9000\n")
    bad.write_text("endpoints: [{name: a, base_url: 'http://x/v1', model: m, schedules: {weekly: P7D}}]\n")
    worse.write_text("notifiers: {ops: {kind: pigeon}}\n")
    found = run_cli("check-config", str(good))
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == f"{good}: good: endpoints: 0, notifiers: 1, own plans: 0, rules: 0, routes: 0\n", (
        "and no word of a database that nobody has made yet"
    )
    found = run_cli("check-config", str(bad))
    assert found.returncode == 2
    assert f"{bad}: endpoints.0.schedules = 'weekly': unknown plan; known: full, heartbeat" in found.stderr
    found = run_cli("check-config", str(worse))
    assert found.returncode == 2
    assert "'pigeon' is unknown; known: alertmanager, apprise, log, memory, webhook" in found.stderr
    assert "Traceback" not in found.stderr


def test_check_config_refuses_a_limit_in_usd_without_a_price(tmp_path: Path) -> None:
    bad, judge, good = tmp_path / "bad.yaml", tmp_path / "judge.yaml", tmp_path / "good.yaml"
    endpoint = "endpoints: [{name: a, base_url: 'http://x/v1', model: m, limits: {usd_per_day: 2}}]\n"
    prices = "prices: {m: {prompt: 1, completion: 2}}\n"
    bad.write_text(endpoint)
    judge.write_text("budget: {usd_per_month: 5}\njudge_base_url: http://x/v1\njudge_model: j\n" + prices)
    good.write_text(endpoint + prices)
    found = run_cli("check-config", str(bad))
    assert found.returncode == 2
    assert f"{bad}: endpoints.0: limits.usd_per_day cannot be kept, since prices.m is not set" in found.stderr
    found = run_cli("check-config", str(judge))
    assert found.returncode == 2
    assert f"{judge}: budget.usd_per_month cannot be kept, since prices.j is not set" in found.stderr
    served = run_cli("serve", "--config", str(judge), SELFWATCH_DATA_DIR=str(tmp_path / "data"))
    assert served.returncode == 2
    assert "prices.j is not set" in served.stderr
    assert "Traceback" not in served.stderr
    assert run_cli("check-config", str(good)).returncode == 0


def test_serve_with_a_bad_file_exits_2(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("prot: 8000\n")
    found = run_cli("serve", "--config", str(bad))
    assert found.returncode == 2
    assert f"{bad}: prot = 8000: remove it, or check its spelling" in found.stderr
    assert "Traceback" not in found.stderr
