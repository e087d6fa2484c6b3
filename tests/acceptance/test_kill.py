"""kill -9 of the real server at random moments: what was stored is never asked again, and nothing that was paid for is
lost beyond the calls in flight."""

import json
import random
import sqlite3
import threading
import time
import urllib.request
from collections import Counter
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import free_port
from tests.support.serving import served

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]
KILLS = 52
"""A seed; four seeds make 208."""
CONCURRENCY = 6
JUDGES = 16
QUESTIONS = 5 * 6 + 2 * 8
PLAN = {"probes": {"intentions": {"questions": 5}, "harm": {"questions": 2}}}


class Stub(ThreadingHTTPServer):
    """A model and a judge that count what they were asked and what they answered."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.asked: Counter[str] = Counter()
        self.judged = 0
        self.rng = random.Random(1)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Killed clients hang up in the middle: that is what this is about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Stub

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        judge = body["model"] == "judge"
        with self.server.lock:
            if judge:
                self.server.judged += 1
            else:
                self.server.asked[body["messages"][-1]["content"]] += 1
            wait = self.server.rng.uniform(0, 0.03)
        time.sleep(wait)
        text = '{"score": 2}' if judge else "A"
        data = json.dumps(
            {
                "object": "chat.completion", "model": body["model"],
                "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 5, "completion_tokens": 1},
            }
        ).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def call(url: str, method: str = "GET", body: Any = None) -> Any:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=20) as reply:
        return json.loads(reply.read())


def stored(folder: Path) -> list[tuple[str, str, str]]:
    """(run, item, reason) of every stored answer, read from the file as it was left behind."""
    with closing(sqlite3.connect(f"file:{folder / 'data' / 'selfwatch.db'}?mode=ro", uri=True)) as database:
        return database.execute("SELECT run_id, item_id, COALESCE(reason, '') FROM answers").fetchall()


@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_nothing_paid_for_is_lost_or_asked_again(tmp_path: Path, seed: int) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    stub, port = Stub(), free_port()
    prompts: dict[str, str] = {}
    settings = {
        "judge_base_url": stub.url, "judge_model": "judge", "judge_concurrency": JUDGES, "judge_check_share_s": 1e6,
        "plans": {"all": PLAN}, "escalation": "off", "auto_baseline_runs": 0, "workers": 2,
    }  # fmt: skip
    url = f"http://127.0.0.1:{port}/api/v1"
    runs: list[str] = []
    kills = 0
    while kills < KILLS:
        with served(tmp_path, port, **settings) as server:
            if not prompts:
                prompts = {item["id"]: item["messages"][-1]["content"] for item in call(f"{url}/items")["items"]}
                limits = {"concurrency": CONCURRENCY}
                body = {"name": "prod", "base_url": stub.url, "model": "m", "schedules": {}, "limits": limits}
                call(f"{url}/endpoints", "POST", body)
            if not runs or call(f"{url}/runs/{runs[-1]}")["state"] in ("succeeded", "partial", "failed"):
                runs.append(call(f"{url}/endpoints/prod/runs", "POST", {"plan": "all"})["id"])
            time.sleep(rng.uniform(0.0, 0.8 if rng.random() < 0.8 else 2.0))
            server.kill()
            server.join()
            kills += 1
        time.sleep(0.1)  # what the stub still answers goes nowhere
        asked = Counter({prompt: stub.asked[prompt] for prompt in prompts.values()})  # not what finds out about it
        known = Counter(prompts[item] for _run, item, _reason in stored(tmp_path))
        lost = sum((asked - known).values())
        assert not known - asked, "stored, and never asked"
        assert lost <= kills * CONCURRENCY, f"after {kills} kills {lost} calls have no stored answer"
    with served(tmp_path, port, **settings):
        end = time.monotonic() + 120
        while (last := call(f"{url}/runs/{runs[-1]}"))["state"] in ("queued", "running"):
            assert time.monotonic() < end, last
            time.sleep(0.1)
        found = [call(f"{url}/runs/{run}") for run in runs]
    rows = stored(tmp_path)
    assert {run["state"] for run in found} == {"succeeded"}
    assert all(run["progress"]["answered"] == run["progress"]["total"] == QUESTIONS for run in found), found
    assert len(rows) == len({(run, item) for run, item, _ in rows}) == QUESTIONS * len(runs)
    assert {reason for _run, _item, reason in rows} == {""}, "every reply has its grade in the end"
    assert len(runs) > 1
    twice = sum(stub.asked[prompt] for prompt in prompts.values()) - len(rows)
    assert 0 <= twice <= KILLS * CONCURRENCY
    print(
        f"{len(runs)} runs, {kills} kills: {len(rows)} answers, {twice} calls made twice ({twice / kills:.1f} a kill)"
    )
