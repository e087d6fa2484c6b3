"""The rules for Prometheus, by Prometheus's own tool."""

import subprocess
from pathlib import Path

import yaml

from service.metrics.snapshot import Snapshot
from service.metrics.text import families
from tests.support.prometheus import needed

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "selfwatch.rules.yaml"
CASES = Path(__file__).parent / "selfwatch.rules.test.yaml"
pytestmark = needed


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_the_rules_are_valid() -> None:
    done = promtool("check", "rules", "--lint-fatal", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 rules found" in done.stdout


def test_each_rule_fires_when_it_should_and_not_before(tmp_path: Path) -> None:
    cases = tmp_path / "cases.yaml"
    cases.write_text(CASES.read_text().replace("RULES", str(RULES)))
    done = promtool("test", "rules", str(cases))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_rule_is_tested_and_asks_for_metrics_that_there_are() -> None:
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    tested = {
        one["alertname"]
        for case in yaml.safe_load(CASES.read_text())["tests"]
        for one in case["alert_rule_test"]
        if one["exp_alerts"]
    }
    assert {rule["alert"] for rule in rules} == tested
    ours = {metric.name for metric in families(Snapshot())} | {"up"}
    for rule in rules:
        assert any(rule["expr"].startswith(name) for name in ours), rule["expr"]
