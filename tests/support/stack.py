"""What deploy/compose.yaml brings up, as processes on loopback: its own files, with other addresses and no waiting.

Grafana is not there: no registry has it. Slack and PagerDuty are a hook.
"""

import json
import secrets
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from service.demo.api import TIMEOUT_S, Api
from service.demo.story import CONFIG, JUDGE
from tests.support.hook import Hook, hook
from tests.support.processes import environment, free_port, selfwatch, wait_for
from tests.support.prometheus import running

DEPLOY = Path(__file__).parents[2] / "deploy"
TOKENS = ("admin_token", "prometheus_token")


class WithToken(Api):
    """The demo's way to talk to the service, for one that is guarded."""

    def __init__(self, base_url: str, token: str) -> None:
        super().__init__(base_url)
        self._url = base_url
        self._token = token

    def call(self, method: str, path: str, body: object = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(self._url + path, data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
            text = reply.read()
        return json.loads(text) if text else None


@dataclass(frozen=True, kw_only=True)
class Stack:
    """URLs of all, and what chat and pager have got."""

    selfwatch: str
    simulator: str
    prometheus: str
    alertmanager: str
    hook: Hook
    api: WithToken

    def ask(self, path: str, **query: str) -> Any:
        """`data` of Prometheus's answer."""
        url = f"{self.prometheus}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=30) as reply:
            return json.loads(reply.read())["data"]

    def alerts(self) -> list[dict[str, Any]]:
        """All that Alertmanager knows of."""
        with urllib.request.urlopen(f"{self.alertmanager}/api/v2/alerts", timeout=30) as reply:
            found: list[dict[str, Any]] = json.loads(reply.read())
        return found


@contextmanager
def stack(folder: Path) -> Iterator[Stack]:
    """All of it, from when each part is ready to the end of the block."""
    ports = {name: free_port() for name in ("selfwatch", "simulator", "prometheus", "alertmanager")}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    with ExitStack() as running_parts:
        receiver = running_parts.enter_context(hook())
        tokens = _secrets(folder / "secrets", receiver.url)
        _configuration(folder, ports, receiver.url)
        _serve(running_parts, folder, ports, urls)
        for name, binary in (("alertmanager", "prometheus-alertmanager"), ("prometheus", "prometheus")):
            extra = ["--cluster.listen-address="] if name == "alertmanager" else []
            storage = "--storage.path" if name == "alertmanager" else "--storage.tsdb.path"
            command = [
                binary, f"--config.file={folder / name / name}.yaml", f"{storage}={folder / name / 'data'}",
                f"--web.listen-address=127.0.0.1:{ports[name]}", *extra,
            ]  # fmt: skip
            running_parts.enter_context(running(command, folder / f"{name}.log", f"{urls[name]}/-/ready"))
        api = WithToken(urls["selfwatch"], tokens["admin_token"])
        yield Stack(**urls, hook=receiver, api=api)


def _secrets(folder: Path, hook_url: str) -> dict[str, str]:
    """The files that deploy/secrets/README.md says how to make."""
    folder.mkdir()
    made = {name: secrets.token_hex(32) for name in TOKENS}
    for name, text in (made | {"slack_url": hook_url, "pagerduty_key": "0" * 32}).items():
        (folder / name).write_text(f"{text}\n")
    return made


def _configuration(folder: Path, ports: Mapping[str, int], hook_url: str) -> None:
    """The files of deploy/ in `folder`, with addresses of this machine."""
    changes = {
        "/run/secrets/": f"{folder / 'secrets'}/",
        "selfwatch:8321": f"127.0.0.1:{ports['selfwatch']}",
        "alertmanager:9093": f"127.0.0.1:{ports['alertmanager']}",
        "localhost:9090": f"127.0.0.1:{ports['prometheus']}",
        "10.83.21.10/32": "127.0.0.0/8",  # models and Alertmanager are here
        "interval: 15s": "interval: 1s",
        "group_wait: 30s": "group_wait: 0s",
        "group_interval: 5m": "group_interval: 1s",
    }
    for name in ("selfwatch.yaml", "prometheus", "alertmanager"):
        path = DEPLOY / name
        for file in [path] if path.is_file() else path.iterdir():
            text = file.read_text()
            for old, new in changes.items():
                text = text.replace(old, new)
            copy = folder / file.relative_to(DEPLOY)
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(text)
    pager = folder / "alertmanager" / "alertmanager.yaml"
    pager.write_text(f"global: {{pagerduty_url: {hook_url}}}\n{pager.read_text()}")
    file = folder / "selfwatch.yaml"
    own = yaml.safe_load(file.read_text())
    more = {"budget": {"usd_per_day": 1000.0}, "notifiers": CONFIG["notifiers"] | own["notifiers"]}
    file.write_text(yaml.safe_dump(own | CONFIG | more))


def _serve(running_parts: ExitStack, folder: Path, ports: Mapping[str, int], urls: Mapping[str, str]) -> None:
    simulator_log, log = folder / "simulator.log", folder / "selfwatch.log"
    env = environment(
        SELFWATCH_HOST="0.0.0.0", SELFWATCH_DATA_DIR=str(folder / "data"), SELFWATCH_PUBLIC_URL=urls["selfwatch"],
        SELFWATCH_JUDGE_BASE_URL=f"{urls['simulator']}/v1", SELFWATCH_JUDGE_MODEL=JUDGE,
    )  # fmt: skip
    simulating = running_parts.enter_context(
        selfwatch("simulate", "--port", str(ports["simulator"]), log=simulator_log)
    )
    command = ("serve", "--config", str(folder / "selfwatch.yaml"), "--port", str(ports["selfwatch"]))
    serving = running_parts.enter_context(selfwatch(*command, log=log, env=env))
    wait_for(f"{urls['simulator']}/healthz", simulating, simulator_log)
    wait_for(f"{urls['selfwatch']}/readyz", serving, log)


def recent(stack: Stack, expr: str, *, step_s: int = 5, back_s: int = 300) -> list[Any]:
    """The series of a query over the last minutes."""
    now = time.time()
    found: list[Any] = stack.ask(
        "query_range", query=expr, start=str(now - back_s), end=str(now), step=f"{step_s}s"
    )["result"]  # fmt: skip
    return found
