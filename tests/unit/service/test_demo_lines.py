"""What the demo writes to a pipe: changes, and nothing of alerts that have never been anything but at rest."""

import io
from typing import Any

from rich.console import Console

from service.demo.screen import LineReporter


def alert(state: str) -> dict[str, Any]:
    return {"rule": "RunOverdue", "severity": "warning", "endpoint": "steady", "state": state}


def lines(*states: str) -> list[str]:
    out = io.StringIO()
    reporter = LineReporter(Console(file=out, width=200))
    for state in states:
        reporter.update([], [alert(state)], "heartbeats: all as it was")
    return [line.split("] ", 1)[1] for line in out.getvalue().splitlines() if "alert" in line]


def test_an_alert_at_rest_is_no_news() -> None:
    assert lines("inactive", "inactive") == []


def test_each_change_is_told_once() -> None:
    what = "RunOverdue (warning) on steady"
    assert lines("inactive", "pending", "pending", "inactive", "firing", "resolved") == [
        f"alert pending: {what}", f"alert inactive: {what}", f"alert firing: {what}", f"alert resolved: {what}",
    ]  # fmt: skip
