"""Dashboards, rules and documents name only metrics that there are; and each metric is documented, as it is."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.support.metric_names import exported, named, of_the_process, series

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "alerts" / "runbooks").glob("*.md"))]
DOCUMENTS = [ROOT / "README.md", *PAGES]
NO_METRICS = frozenset({"selfwatch_profiles"})
"""Named so, and something else: a key of an exported file of profiles."""
METRICS_PAGE = ROOT / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(?P<name>[a-z0-9_]+)` \| (?P<kind>\w+) \|(?P<labels>[^|]*)\| [^|]+ \| [^|]+ \|$")
"""Name, type, labels, meaning, unit."""
RECORDED_ROW = re.compile(r"^\| `([a-z_]+:[a-z0-9_]+:[a-z0-9_]+)` \| [^|]+ \| [^|]+ \|$", re.MULTILINE)


def rules() -> list[dict[str, str]]:
    files = [yaml.safe_load(path.read_text()) for path in sorted(PROMETHEUS.glob("selfwatch.*.yaml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def recorded() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def documented() -> dict[str, re.Match[str]]:
    rows = [match for line in METRICS_PAGE.read_text().splitlines() if (match := ROW.match(line))]
    names = [row["name"] for row in rows]
    assert len(names) == len(set(names)), "a metric is documented twice"
    return {row["name"]: row for row in rows}


def test_names_are_found_in_text() -> None:
    query = "60 * rate(selfwatch_runs_total{job='x'}[5m]) / endpoint:selfwatch_cost_usd:increase1h and up == 1"
    assert named(query) == {"selfwatch_runs_total", "endpoint:selfwatch_cost_usd:increase1h", "up"}
    assert named("the prefix `selfwatch_` may stand or not; selfwatch.rules.yaml; /work/selfwatch_x") == set()
    assert named("histogram_quantile(0.9, selfwatch_event_loop_lag_seconds_bucket)") <= series()


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_asks_only_for_what_there_is(path: Path) -> None:
    asked = named(json.dumps(json.loads(path.read_text())))
    assert len(asked) >= 10
    assert asked - series() - recorded() == set()


def test_a_rule_asks_only_for_what_there_is() -> None:
    for rule in rules():
        asked = named(rule["expr"])
        assert asked, rule
        assert asked - series() - recorded() == set(), rule


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_names_only_what_there_is(path: Path) -> None:
    asked = {name for name in named(path.read_text()) if "selfwatch_" in name} - NO_METRICS
    assert asked - series() - recorded() - exported().keys() == set()


def test_each_metric_is_documented_with_its_type_and_labels() -> None:
    rows = documented()
    assert rows.keys() == exported().keys()
    for name, family in exported().items():
        assert rows[name]["kind"] == family.kind, name
        assert tuple(re.findall(r"`(\w+)`", rows[name]["labels"])) == family.labels, name


def test_each_recorded_series_is_documented() -> None:
    assert set(RECORDED_ROW.findall(METRICS_PAGE.read_text())) == recorded()


def test_the_client_of_prometheus_adds_what_the_page_says_it_does() -> None:
    assert {name.split("_")[0] for name in of_the_process()} == {"process", "python"}


def test_the_page_about_deployment_names_each_alert_of_prometheus() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    assert set(re.findall(r"`(Selfwatch[A-Z]\w+)`", page)) == {rule["alert"] for rule in rules() if "alert" in rule}
