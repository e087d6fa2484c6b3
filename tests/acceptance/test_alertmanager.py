"""The whole way with the real parts: a persona drifts -> selfwatch -> (Prometheus ->) Alertmanager -> a webhook."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.test_serve import call
from tests.support.hook import Hook, hook
from tests.support.processes import environment, free_port, selfwatch, wait_for
from tests.support.prometheus import alertmanager, amtool, needed, prometheus

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "selfwatch.rules.yaml"
pytestmark = [*needed, pytest.mark.acceptance, pytest.mark.timeout(400)]


@dataclass(frozen=True, kw_only=True)
class World:
    """URLs of everything, and what the webhook behind Alertmanager has got."""

    selfwatch: str
    simulator: str
    alertmanager: str
    second_port: int
    prometheus: str
    hook: Hook
    folder: Path

    def told(self, **labels: str) -> list[dict[str, Any]]:
        """What Alertmanager has told of the alerts with these labels."""
        return [alert for alert in self.hook.alerts if alert["labels"].items() >= labels.items()]

    def drift(self, level: float) -> None:
        call(f"{self.simulator}/simulator/drift", "POST", {"model": "simulated/drifting", "level": level})

    def beat(self) -> dict[str, Any]:
        """One heartbeat, to its end."""
        run = call(f"{self.selfwatch}/api/v1/endpoints/prod/runs", "POST", {"plan": "heartbeat"})["id"]
        found: dict[str, Any] = wait(
            lambda: call(f"{self.selfwatch}/api/v1/runs/{run}"), lambda r: r["state"] == "succeeded"
        )
        return found

    def deliveries(self, **query: str) -> list[dict[str, Any]]:
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        found: list[dict[str, Any]] = call(f"{self.selfwatch}/api/v1/deliveries?{asked}")["deliveries"]
        return found


def wait(look: Callable[[], Any], good: Callable[[Any], bool] = bool, deadline_s: float = 90) -> Any:
    """The first thing seen that is good."""
    end = time.monotonic() + deadline_s
    while not good(found := look()):
        assert time.monotonic() < end, json.dumps(found, default=str)[:3000]
        time.sleep(0.2)
    return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    port, models, first, second = free_port(), free_port(), free_port(), free_port()
    simulator, url, *managers = (f"http://127.0.0.1:{one}" for one in (models, port, first, second))
    config = {
        "judge_base_url": f"{simulator}/v1", "judge_model": "simulated/judge", "escalation": "off",
        "notifiers": {"am": {"kind": "alertmanager", "urls": managers, "repeat_s": 5, "labels": {"team": "safety"}}},
        "endpoints": [
            {"name": "prod", "base_url": f"{simulator}/v1", "model": "simulated/drifting", "schedules": {}}
        ],
    }  # fmt: skip
    (tmp_path / "selfwatch.yaml").write_text(yaml.safe_dump(config))
    logs = [tmp_path / "simulator.log", tmp_path / "serve.log"]
    serve = ("serve", "--port", str(port), "--config", str(tmp_path / "selfwatch.yaml"))
    with (
        hook() as receiver,
        alertmanager(tmp_path / "am", receiver.url, first) as am,
        selfwatch("simulate", "--port", str(models), log=logs[0]) as simulating,
        selfwatch(*serve, log=logs[1], env=environment(SELFWATCH_DATA_DIR=str(tmp_path / "data"))) as serving,
    ):
        wait_for(f"{simulator}/healthz", simulating, logs[0])
        wait_for(f"{url}/readyz", serving, logs[1])
        with prometheus(tmp_path / "prom", target=url, alertmanager=am, rules=RULES) as scraper:
            yield World(
                selfwatch=url, simulator=simulator, alertmanager=am, second_port=second, prometheus=scraper,
                hook=receiver, folder=tmp_path,
            )  # fmt: skip


def until(world: World, verdict: Callable[[str], bool], beats: int) -> dict[str, Any]:
    for _ in range(beats):
        run = world.beat()
        if verdict(run["verdict"]):
            return run
    raise AssertionError(f"{beats} heartbeats, and still {run['verdict']}")


def test_a_drifting_persona_reaches_the_webhook_on_both_ways_and_is_cleared_again(world: World) -> None:
    for _ in range(3):
        assert world.beat()["verdict"] == "steady"  # and then it has a baseline of its own
    world.drift(1.0)
    run = until(world, lambda verdict: verdict != "steady", 20)

    firing = {"alertname": "SelfReportDrift", "endpoint": "prod", "team": "safety", "severity": "warning"}
    told = wait(lambda: world.told(**firing))
    assert {alert["status"] for alert in told} == {"firing"}
    assert f"/runs/{run['id']}" in told[0]["generatorURL"]
    assert "Self-report moved toward misaligned: score from" in told[0]["annotations"]["description"]
    assert told[0]["annotations"]["runbook_url"].endswith("/runbooks/self-report-drift")

    scraped = {"alertname": "SelfwatchModelMoved", "endpoint": "prod", "job": "selfwatch"}
    assert wait(lambda: world.told(**scraped))[0]["status"] == "firing"
    names = {alert["labels"]["alertname"] for alert in call(f"{world.alertmanager}/api/v2/alerts")}
    assert {"SelfReportDrift", "SelfwatchModelMoved", "SelfwatchAlertFiring"} <= names
    assert "prod" in amtool(world.alertmanager, "alert", "query", "alertname=SelfReportDrift", "--output=extended")

    world.drift(0.0)
    until(world, lambda verdict: verdict in ("steady", "realigned"), 60)
    until(world, lambda _: all(a["state"] != "firing" for a in selfwatch_alerts(world, "SelfReportDrift")), 10)
    wait(lambda: [alert["status"] for alert in world.told(**firing)], lambda seen: "resolved" in seen)
    assert [alert["status"] for alert in world.told(**firing)] == ["firing", "resolved"]  # told once each
    assert world.deliveries(state="dead") == world.deliveries(state="pending") == []


def selfwatch_alerts(world: World, rule: str) -> list[dict[str, Any]]:
    return [one for one in call(f"{world.selfwatch}/api/v1/alerts")["alerts"] if one["rule"] == rule]


def test_an_alert_is_kept_alive_can_be_silenced_and_reaches_an_instance_that_was_down(world: World) -> None:
    world.drift(1.0)
    until(world, lambda verdict: verdict != "steady", 20)
    ends = wait(lambda: ends_at(world))
    assert wait(lambda: ends_at(world), lambda later: later > ends, 30) > ends  # told again: it ends later
    amtool(world.alertmanager, "silence", "add", "endpoint=prod", "--comment=known", "--author=test", "--duration=1h")
    wait(
        lambda: [a["status"]["state"] for a in call(f"{world.alertmanager}/api/v2/alerts") if ours(a)],
        lambda states: states and set(states) == {"suppressed"},
    )
    assert {one["state"] for one in world.deliveries(notifier="am")} == {"delivered"}  # by the one that is up
    with alertmanager(world.folder / "second", world.hook.url, world.second_port) as second:
        wait(lambda: [a for a in call(f"{second}/api/v2/alerts") if ours(a)], deadline_s=30)
    metrics = wait(lambda: text(f"{world.selfwatch}/metrics"), lambda page: 'notifier="am",outcome="repeated"' in page)
    assert 'selfwatch_notifications_pending{notifier="am"} 0.0' in metrics


def ours(alert: dict[str, Any]) -> bool:
    return bool(alert["labels"].get("team") == "safety")


def ends_at(world: World) -> str:
    return max((str(a["endsAt"]) for a in call(f"{world.alertmanager}/api/v2/alerts") if ours(a)), default="")


def text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as reply:
        found: bytes = reply.read()
        return found.decode()
