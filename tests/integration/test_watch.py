"""`selfwatch watch` as a process of its own, beside a real service."""

import asyncio
import io
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest
from rich.console import Console
from typer.testing import CliRunner

from service.cli import app
from service.simulator import create
from service.watch import Watch, WatchError, exit_code
from service.watch_screen import TerminalScreen
from tests.support.events import reading
from tests.support.live import Live, listening, live
from tests.support.processes import environment, free_port, selfwatch, wait_for

PLANS = {"slow": {"probes": {"intentions": {"questions": 30}}}, "words": {"probes": {"intentions": {"questions": 1}}}}


@asynccontextmanager
async def watched(tmp_path: Path, latency_s: float = 0.0) -> AsyncIterator[Live]:
    async with listening(create(latency_s=latency_s)) as simulator, live(tmp_path, plans=PLANS) as service:
        await service.register(base_url=f"{simulator}/v1", model="simulated/base")
        yield service


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service.cli", "watch", *arguments, env=environment(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip


async def watch(*arguments: str) -> tuple[int, str]:
    """Exit code and output of `selfwatch watch`."""
    process = await start(*arguments)
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.parametrize(
    ("state", "verdict", "code"),
    [
        ("succeeded", "steady", 0), ("partial", "steady", 0), ("succeeded", "realigned", 0),
        ("succeeded", "self_report_shift", 1), ("succeeded", "behaviour_shift", 1),
        ("succeeded", "coherent_misalignment", 1), ("partial", "inverted_persona", 1),
        ("succeeded", "insufficient_data", 2), ("failed", None, 2), ("cancelled", None, 2),
    ],
)  # fmt: skip
def test_exit_codes(state: str, verdict: str | None, code: int) -> None:
    assert exit_code(state, verdict) == code


async def test_a_run_is_followed_to_its_end(tmp_path: Path) -> None:
    async with watched(tmp_path, latency_s=0.3) as service:
        run_id = await service.start_run(plan="slow")
        code, said = await watch(run_id, "--url", service.url)
        run = await service.get(f"/api/v1/runs/{run_id}")
        assert run["verdict"] in said
        assert code == exit_code(run["state"], run["verdict"])
        assert "prod slow" in said
        assert "tokens" in said
        assert "\x1b" not in said  # plain lines: this is no terminal
        again = await watch(run_id, "--url", service.url)  # it is over: told at once
        assert again[0] == code
        assert run["verdict"] in again[1]


async def test_a_cancelled_run_was_not_measured(tmp_path: Path) -> None:
    async with watched(tmp_path, latency_s=0.5) as service:
        run_id = await service.start_run(plan="slow")
        process = await start(run_id, "--url", service.url)
        async with reading(service.url, run=run_id) as reader:
            await reader.until("progress", state="running")
            await service.http.post(f"/api/v1/runs/{run_id}/cancel")
            said, _ = await process.communicate()
        assert process.returncode == 2
        assert ": cancelled " in said.decode()


async def test_without_a_run_everything_of_an_endpoint_is_followed(tmp_path: Path) -> None:
    async with watched(tmp_path) as service:
        base_url = (await service.get("/api/v1/endpoints/prod"))["base_url"]
        await service.register("other", base_url=base_url, model="simulated/base")
        process = await start("--url", service.url, "--endpoint", "prod")
        async with asyncio.timeout(30):
            while not service.services.events.streams:
                await asyncio.sleep(0.05)
        await service.run("other", plan="words")
        await service.run("prod", plan="words")
        assert process.stdout is not None
        said = ""
        async with asyncio.timeout(30):
            while "insufficient_data" not in said and "steady" not in said:
                said += (await process.stdout.readline()).decode()
        process.send_signal(signal.SIGINT)
        await process.wait()
        assert "prod words" in said
        assert "other" not in said


async def test_it_outlasts_a_service_that_starts_anew(tmp_path: Path) -> None:
    """The service is killed in the middle of a run; the watcher comes back and sees the end of the resumed run."""
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    config = tmp_path / "config.yaml"
    config.write_text("plans: {slow: {probes: {intentions: {questions: 60}}}}\nretry_base_s: 0\n")
    env = environment(SELFWATCH_DATA_DIR=str(tmp_path / "data"))
    serve = ("serve", "--port", str(port), "--config", str(config))
    async with listening(create(latency_s=0.4)) as simulator:
        with selfwatch(*serve, log=log, env=env) as first:
            await asyncio.to_thread(wait_for, f"{url}/readyz", first, log)
            service = Live(url=url, http=_client(url), services=None)  # type: ignore[arg-type]
            await service.register(base_url=f"{simulator}/v1", model="simulated/base", limits={"concurrency": 4})
            run_id = await service.start_run(plan="slow")
            watcher = await start(run_id, "--url", url)
            async with reading(url, run=run_id) as reader:
                while (await reader.until("progress")).data["progress"]["answered"] < 4:
                    pass
            os.kill(first.pid, signal.SIGKILL)
            await asyncio.to_thread(first.wait)
        with selfwatch(*serve, log=log, env=env) as second:
            await asyncio.to_thread(wait_for, f"{url}/readyz", second, log)
            async with asyncio.timeout(120):
                said, _ = await watcher.communicate()
            run = await service.get(f"/api/v1/runs/{run_id}")
            assert "the connection is lost" in said.decode()
            assert "connected again" in said.decode()
            assert run["verdict"] in said.decode()
            assert watcher.returncode == exit_code(run["state"], run["verdict"])
            await service.http.aclose()


def _client(url: str) -> Any:
    return httpx2.AsyncClient(base_url=url, timeout=20, trust_env=False)


class Heard:
    """A screen that keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def progress(self, data: dict[str, Any]) -> None:
        pass

    verdict = flip = progress


class Streams:
    """A server whose streams end at once; it can be taken down and up again on its port."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.status = 200
        self._running: tuple[ThreadingHTTPServer, threading.Thread] | None = None

    def __enter__(self) -> Self:
        self.resume()
        return self

    def __exit__(self, *_: object) -> None:
        self.pause()

    def resume(self) -> None:
        streams = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status = streams.status if self.path.startswith("/api") else 200
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"{}" if status == 200 else b"")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        self._running = server, thread

    def pause(self) -> None:
        if self._running is not None:
            server, thread = self._running
            self._running = None
            server.shutdown()
            thread.join()
            server.server_close()


async def test_one_outage_is_two_lines_however_often_it_tries(tmp_path: Path) -> None:
    """The service is gone for five tries, then back, and then full: each is told once, and only when it is so."""
    heard, port = Heard(), free_port()
    waits: list[list[str]] = []
    with Streams(port) as server:

        def sleep(_: float) -> None:
            waits.append(list(heard.notes))
            if len(waits) == 1:
                server.pause()
            elif len(waits) == 6:
                server.resume()
            elif len(waits) == 7:
                server.status = 503
            elif len(waits) == 10:
                server.status = 410

        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            watching = Watch(http, heard, sleep=sleep)
            with pytest.raises(WatchError):
                await asyncio.to_thread(watching.follow)
    lost = "the connection is lost (ConnectError); trying again"
    assert waits[1:6] == [[lost]] * 5, "gone"
    assert waits[6] == [lost, "connected again"]
    assert heard.notes[2:] == ["the service has as many readers as it takes; trying again"], "full, three times"


def test_what_cannot_be_followed_is_told_with_exit_2(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["watch", "--url", f"http://127.0.0.1:{free_port()}"])
    assert done.exit_code == 2
    assert "selfwatch serve" in done.output


async def test_an_unknown_run_is_told_with_exit_2(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        code, said = await watch("nothing", "--url", service.url)
    assert code == 2
    assert "no run 'nothing'" in said


def shown(data: dict[str, Any]) -> dict[str, Any]:
    """An event of a run half way, with `data` in place."""
    half = {
        "run": "0123456789abcdef", "endpoint": "prod", "plan": "full", "state": "running", "paused": False,
        "progress": {"answered": 50, "total": 100, "rate_per_s": 12.5, "eta_s": 4.0},
        "usage": {"requests": 50, "prompt_tokens": 900, "completion_tokens": 100, "usd": None},
    }  # fmt: skip
    return half | data


def test_a_terminal_shows_bars_with_rate_time_left_and_cost() -> None:
    out = io.StringIO()
    with TerminalScreen(Console(file=out, force_terminal=True, width=160)) as screen:
        screen.progress(shown({"usage": {"prompt_tokens": 1, "completion_tokens": 1, "usd": 0.0123}}))
        assert screen._bars is not None
        screen._bars.refresh()
        text = out.getvalue()
        screen.progress(shown({"state": "succeeded"}))
    assert "prod full 0123456789ab" in text
    assert "12.5/s, 0:00:04 left, $0.0123" in text
    assert "50/100" in text


def test_a_run_that_is_held_is_called_paused() -> None:
    out = io.StringIO()
    with TerminalScreen(Console(file=out, width=200), clock=lambda: 0.0) as screen:
        for held in (False, True, False):
            screen.progress(shown({"state": "queued", "paused": held}))
        screen.progress(shown({"paused": True}))
    lines = [line[9:].split()[3] for line in out.getvalue().splitlines()]
    assert lines == ["queued", "paused", "queued", "running"], "a run that still asks is running"


def test_lines_are_few_and_hold_no_control_characters() -> None:
    out, now = io.StringIO(), [0.0]
    with TerminalScreen(Console(file=out, width=200), clock=lambda: now[0]) as screen:
        for second in range(12):
            now[0] = second
            screen.progress(shown({}))
        screen.verdict(shown({"verdict": "steady", "because": "all \x1b[31mwell\r\n[bold]here", "state": "succeeded"}))
        screen.flip({"endpoint": "prod", "rule": "Relapse", "severity": "page", "before": "pending", "after": "firing"})
    lines = [line[9:] for line in out.getvalue().splitlines()]
    assert lines == [
        *["prod full 0123456789ab: running 50/100 12.5/s, 0:00:04 left, 1,000 tokens"] * 3,
        "prod full 0123456789ab: steady: all  [31mwell  [bold]here",
        "prod: Relapse (page) pending -> firing",
    ]
