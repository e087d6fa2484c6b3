"""Everything together under the files of deploy/: the demo's endpoints watched, scraped, recorded, drawn, alerted."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from service.demo.api import Api
from service.demo.story import CAST, Story
from tests.support.prometheus import needed
from tests.support.stack import Stack, recent, stack

pytestmark = [*needed, pytest.mark.acceptance, pytest.mark.timeout(900)]
DASHBOARDS = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards"
DEADLINE_S = 300.0
WITHOUT_DATA: Mapping[tuple[str, str, str], str] = {
    ("endpoint", "Budget in USD", "B"): "the demo's endpoints have no limits of their own",
}
"""Queries (dashboard, panel, query) that have no series while all is well, and why."""
CHOICES: list[tuple[str, dict[str, str]]] = [
    ("fleet", {"endpoint": ".*"}),
    ("service", {"job": "selfwatch"}),
    *(("endpoint", {"endpoint": actor.name, "profiles": "gpt-4.1/all"}) for actor in CAST),
]
MISALIGNED = {"drifting", "inverted"}
GRAFANA = {"$__interval": "5s", "$__rate_interval": "1m"}


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DASHBOARDS / f"{name}.json").read_text())
    return found


def filled(text: str, chosen: Mapping[str, str]) -> str:
    """A query with the variables in place, as Grafana does it."""
    for name, value in (*GRAFANA.items(), *((f"${name}", value) for name, value in chosen.items())):
        text = text.replace(name, value)
    assert "$" not in text, text
    return text


def queries() -> Iterator[tuple[tuple[str, str, str], str, bool]]:
    """(dashboard, panel, query), the expression, and whether it is asked for now only."""
    for name, chosen in CHOICES:
        for panel in read(name)["panels"]:
            for target in panel.get("targets", []):
                key = (name, panel["title"], target["refId"])
                yield key, filled(target["expr"], chosen), bool(target["instant"])


def without_data(running: Stack) -> list[str]:
    """Queries that give nothing, though they should."""
    found = []
    for key, expr, instant in queries():
        if key not in WITHOUT_DATA:
            got = running.ask("query", query=expr)["result"] if instant else recent(running, expr)
            if not got:
                found.append(f"{key}: {expr}")
    return found


def not_told(running: Stack) -> list[str]:
    """Endpoints that have turned misaligned and of which Selfwatch has not told Alertmanager."""
    labels = [alert["labels"] for alert in running.alerts()]
    return sorted(MISALIGNED - {one["endpoint"] for one in labels if one.get("source") == "selfwatch"})


def told_twice(running: Stack) -> list[str]:
    """Alerts of Prometheus that tell what Selfwatch has told, and are not muted by it (yet)."""
    again = [alert for alert in running.alerts() if alert["labels"]["alertname"] == "SelfwatchModelMoved"]
    missing = MISALIGNED - {alert["labels"]["endpoint"] for alert in again}
    return sorted(missing) + [alert["labels"]["endpoint"] for alert in again if not alert["status"]["inhibitedBy"]]


def test_everything_together(tmp_path: Path) -> None:
    with stack(tmp_path) as running:
        story = Story(running.api, Api(running.simulator), running.simulator)
        story.register()

        def until_empty(look: Callable[[Stack], list[str]]) -> None:
            """Go on with the story until there is nothing left. Fails with what is."""
            end = time.monotonic() + DEADLINE_S
            while left := look(running):
                assert time.monotonic() < end, json.dumps(left, indent=1)
                story.tick()
                time.sleep(0.3)

        until_empty(not_told)
        until_empty(told_twice)
        until_empty(without_data)
        until_empty(not_in_chat)
        labels = {"alertname": "BehaviourDrift", "severity": "critical", "endpoint": "prod"}
        Api(running.alertmanager).post("/api/v2/alerts", [{"labels": labels}])
        until_empty(not_paged)
        nobody_gets_in_without_a_token(running)
        all_is_scraped_and_recorded(running)
        variables_have_values(running)
        changes_of_verdict_are_marked(running)


def not_in_chat(running: Stack) -> list[str]:
    """Endpoints that have turned misaligned and of which nobody has read in the chat."""
    read_there = [str(body["attachments"]) for body in running.hook.bodies if "attachments" in body]
    return sorted(name for name in MISALIGNED if not any(name in text for text in read_there))


def not_paged(running: Stack) -> list[str]:
    """Whether the pager was told; only of the endpoint that is not simulated."""
    summaries = [body["payload"]["summary"] for body in running.hook.bodies if "payload" in body]
    assert all("prod" in one for one in summaries), summaries
    return [] if summaries else ["pager"]


def nobody_gets_in_without_a_token(running: Stack) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{running.selfwatch}/metrics", timeout=10)
    with refused.value:  # it holds a connection
        assert refused.value.code == 401


def all_is_scraped_and_recorded(running: Stack) -> None:
    targets = running.ask("targets")["activeTargets"]
    assert {(one["labels"]["job"], one["health"]) for one in targets} == {
        ("selfwatch", "up"), ("prometheus", "up"), ("alertmanager", "up"),
    }  # fmt: skip
    rules = [rule for group in running.ask("rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 20
    assert {rule["health"] for rule in rules} == {"ok"}


def variables_have_values(running: Stack) -> None:
    for name, chosen in CHOICES:
        for variable in read(name)["templating"]["list"]:
            if variable["type"] == "query":
                series, label = variable["query"]["query"].removeprefix("label_values(").removesuffix(")").split(", ")
                match = {"match[]": filled(series, chosen)}
                values = running.ask(f"label/{label}/values", **match)
                assert values, variable["name"]
                value = chosen[variable["name"]]
                assert value == ".*" or value in values


def changes_of_verdict_are_marked(running: Stack) -> None:
    for name, chosen in (("fleet", {"endpoint": ".*"}), ("endpoint", {"endpoint": "drifting"})):
        (mark,) = read(name)["annotations"]["list"]
        found = [one["metric"] for one in recent(running, filled(mark["expr"], chosen))]
        moved = {one["verdict"] for one in found if one["endpoint"] == "drifting"}
        assert moved & {"self_report_shift", "behaviour_shift", "coherent_misalignment"}, found
