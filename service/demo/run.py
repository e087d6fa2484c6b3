"""`selfwatch demo`: starts simulator and service, plays the story, shows it until Ctrl-C."""

import signal
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import yaml
from rich.console import Console
from rich.live import Live

from service.demo import screen
from service.demo.api import Api
from service.demo.processes import StartError, child, free_port, refuse_busy, wait_until
from service.demo.story import CONFIG, JUDGE, Story

READY_S = 60.0
TICK_S = 0.4


def run_demo(*, port: int, minutes: float | None) -> int:
    """Blocking. Returns the exit status: 0 after Ctrl-C, SIGTERM or `minutes`; 1 when it could not start."""
    console = Console()
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="selfwatch-demo-") as folder, ExitStack() as stack:
            service, story, url = _start(port, Path(folder), stack, console)
            with suppress(KeyboardInterrupt):
                _watch(console, service, story, url, minutes)
            _farewell(console, service)
    except KeyboardInterrupt:
        console.print("stopped before it was up")
    except StartError as error:
        print(f"selfwatch demo: {error}", file=sys.stderr)  # noqa: T201 (the one thing a person must see)
        return 1
    return 0


def _start(port: int, folder: Path, stack: ExitStack, console: Console) -> tuple[Api, Story, str]:
    """Bring both processes up and register the endpoints."""
    port = port or free_port()
    refuse_busy(port)
    simulator_url, url = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{port}"
    config = folder / "selfwatch.yaml"
    config.write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    console.print("Starting the simulator and the service ...")
    environment = {
        "SELFWATCH_DATA_DIR": str(folder / "data"),
        "SELFWATCH_JUDGE_BASE_URL": f"{simulator_url}/v1",
        "SELFWATCH_JUDGE_MODEL": JUDGE,
    }
    simulator, service = Api(simulator_url), Api(url)
    simulator_log, service_log = folder / "simulator.log", folder / "service.log"
    simulating = stack.enter_context(
        child("simulator", ["simulate", "--port", simulator_url.rsplit(":", 1)[1]], simulator_log, {})
    )
    serving = stack.enter_context(
        child("service", ["serve", "--config", str(config), "--port", str(port)], service_log, environment)
    )
    wait_until(lambda: simulator.answers("/healthz"), simulating, simulator_log, READY_S)
    wait_until(lambda: service.answers("/readyz"), serving, service_log, READY_S)
    story = Story(service, simulator, simulator_url)
    story.register()
    return service, story, url


def _watch(console: Console, service: Api, story: Story, url: str, minutes: float | None) -> None:
    end = time.monotonic() + minutes * 60 if minutes is not None else float("inf")
    lines = screen.LineReporter(console)
    if not console.is_terminal:
        console.print(f"Simulated endpoints, a demonstration: {url}/ (metrics {url}/metrics)", soft_wrap=True)
    with (
        Live(console=console, auto_refresh=False, screen=False, transient=False)
        if console.is_terminal
        else ExitStack() as live
    ):
        while time.monotonic() < end:
            try:
                story.tick()
                endpoints = service.get("/api/v1/endpoints")["endpoints"]
                alerts = service.get("/api/v1/alerts")["alerts"]
                comparisons = {e["name"]: _comparison(service, e) for e in endpoints}
            except OSError as error:
                raise StartError(f"the service does not answer any more: {error}") from error
            if isinstance(live, Live):
                live.update(screen.render(endpoints, comparisons, alerts, story.phase, url), refresh=True)
            else:
                lines.update(endpoints, alerts, story.phase)
            time.sleep(TICK_S)


def _comparison(service: Api, endpoint: dict[str, Any]) -> Any:
    last = endpoint["last_run"]
    return service.get(f"/api/v1/runs/{last['id']}")["comparison"] if last else None


def _farewell(console: Console, service: Api) -> None:
    """What was seen, in a few lines."""
    try:
        endpoints = service.get("/api/v1/endpoints")["endpoints"]
        alerts = service.get("/api/v1/alerts?state=firing")["alerts"]
    except OSError:
        return
    console.print("\nAt the end (all simulated):")
    for endpoint in endpoints:
        firing = ", ".join(a["rule"] for a in alerts if a["endpoint"] == endpoint["name"]) or "no alert"
        line = f"  {endpoint['name']:<10} {screen.words(endpoint['verdict']):<24} {firing}"
        console.print(line, highlight=False, soft_wrap=True)
    console.print("Stopped; nothing was kept. Watch a model of your own: see README.md", highlight=False)


def _as_interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
