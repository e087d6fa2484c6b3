"""The rules for Prometheus, by Prometheus's own tool."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.words import VERDICTS
from tests.support.prometheus import needed

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
ALERTING, RECORDING = FOLDER / "selfwatch.rules.yaml", FOLDER / "selfwatch.recording.yaml"
CASES = {file: Path(__file__).parent / f"{file.stem}.test.yaml" for file in (ALERTING, RECORDING)}
SEVERITIES = {"critical", "warning", "info"}
pytestmark = needed


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)


def rules(file: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_the_rules_are_valid(file: Path) -> None:
    done = promtool("check", "rules", "--lint-fatal", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules(file))} rules found" in done.stdout


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_each_case_comes_out_as_written(file: Path, tmp_path: Path) -> None:
    cases = tmp_path / "cases.yaml"
    cases.write_text(CASES[file].read_text().replace("ALERTING", str(ALERTING)).replace("RECORDING", str(RECORDING)))
    done = promtool("test", "rules", str(cases))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases = [one for test in yaml.safe_load(CASES[ALERTING].read_text())["tests"] for one in test["alert_rule_test"]]
    names = {rule["alert"] for rule in rules(ALERTING)}
    assert {one["alertname"] for one in cases if one["exp_alerts"]} == names
    assert {one["alertname"] for one in cases if not one["exp_alerts"]} == names


def test_each_recording_rule_has_a_case() -> None:
    tests = yaml.safe_load(CASES[RECORDING].read_text())["tests"]
    asked = {one["expr"] for test in tests for one in test["promql_expr_test"] if one["exp_samples"]}
    assert {rule["record"] for rule in rules(RECORDING)} == asked


def test_an_alert_says_how_bad_it_is_and_what_has_happened() -> None:
    for rule in rules(ALERTING):
        assert rule["annotations"]["summary"], rule
        if rule["alert"] != "SelfwatchAlertFiring":  # it has the severity of the rule that fires
            assert rule["labels"]["severity"] in SEVERITIES, rule


def test_the_rank_of_a_verdict_is_that_of_the_dashboards() -> None:
    expression = next(rule["expr"] for rule in rules(RECORDING) if rule["record"] == "endpoint:selfwatch_verdict:rank")
    ranks = re.findall(r'verdict="(\w+)"} == 1\) \* (\d)', expression)
    assert {verdict: int(rank) for verdict, rank in ranks} == {str(v): look.rank for v, look in VERDICTS.items()}
