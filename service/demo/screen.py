"""The demo in the terminal: one table, redrawn. Without a terminal, one line for each thing that changes."""

import time
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

STYLES = {
    "steady": "green",
    "realigned": "yellow",
    "self_report_shift": "dark_orange",
    "behaviour_shift": "dark_orange",
    "inverted_persona": "bold magenta",
    "coherent_misalignment": "bold red",
    "insufficient_data": "dim",
}
BAR = 8


def words(name: str | None) -> str:
    return (name or "not measured yet").replace("_", " ")


def render(
    endpoints: list[dict[str, Any]], comparisons: dict[str, Any], alerts: list[Any], phase: str, url: str
) -> RenderableType:
    """The whole screen."""
    table = Table(box=SIMPLE_HEAD, expand=True, pad_edge=False)
    for title in ("endpoint", "verdict", "self-report", "behaviour", "run"):
        table.add_column(title, no_wrap=True)
    for endpoint in endpoints:
        arms = (comparisons.get(endpoint["name"]) or {}).get("arms", {})
        verdict = endpoint["verdict"]
        table.add_row(
            Text(endpoint["name"]),
            Text(words(verdict), style=STYLES.get(verdict or "", "dim")),
            _arm(arms.get("self_report")),
            _arm(arms.get("behaviour")),
            _progress(endpoint["active_run"]),
        )
    head = Text.assemble(
        ("SIMULATED endpoints and judge: a demonstration, no real model is asked.\n", "bold yellow"),
        ("page ", "dim"), (url + "/", "underline"), ("   also ", "dim"), "/metrics and /docs",
        ("\nnow: ", "dim"), phase, ("   Ctrl-C ends it", "dim"),
    )  # fmt: skip
    return Group(Panel(head, title="Selfwatch"), table, _alerts(alerts))


def _arm(arm: dict[str, Any] | None) -> RenderableType:
    """Drift from 0 (base) to 1 (misaligned), and the evidence (log10) against what raises the alarm."""
    if not arm or arm.get("drift") is None:
        return Text("-", style="dim")
    drift = float(arm["drift"])
    filled = round(max(0.0, min(1.0, drift)) * BAR)
    style = "red" if arm["alarm"] else "green"
    evidence = (f"evidence {max(arm['evidence'], 0.0):.1f}/{arm['threshold']:.0f}", "red" if arm["alarm"] else "dim")
    return Text.assemble(
        ("█" * filled, style), ("░" * (BAR - filled), "dim"), f" {drift:+.2f}\n", evidence
    )  # fmt: skip


def _progress(run: dict[str, Any] | None) -> RenderableType:
    if not run:
        return Text("waits", style="dim")
    progress = run["progress"]
    bar = ProgressBar(total=progress["total"] or 1, completed=progress["answered"], width=BAR)
    return Group(Text(f"{progress['answered']}/{progress['total']}"), bar)


def _alerts(alerts: list[Any]) -> RenderableType:
    firing = [alert for alert in alerts if alert["state"] == "firing"]
    if not firing:
        return Panel(Text("no alert is firing", style="green"), title="alerts")
    lines = Text("\n").join(
        Text.assemble(
            (f"FIRING {a['rule']}", "bold red"), f" ({a['severity']}) {a['endpoint']}: {a['summary'].split(';')[0]}"
        )
        for a in firing
    )
    return Panel(lines, title=f"alerts: {len(firing)} firing", border_style="red")


def _first(summary: str) -> str:
    """Up to the figures."""
    return summary.split(";", maxsplit=1)[0]


class LineReporter:
    """For pipes and logs: prints what changed since the last call, and when (seconds)."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._said: dict[str, str] = {}

    def update(self, endpoints: list[dict[str, Any]], alerts: list[Any], phase: str) -> None:
        self._say("phase", phase.split(":", maxsplit=1)[0], f"now: {phase}")
        for endpoint in endpoints:
            name, verdict = endpoint["name"], words(endpoint["verdict"])
            because = endpoint["because"] or "its first run goes on"
            self._say(name, verdict, f"{name} (simulated): {verdict}: {because}")
        for alert in alerts:
            what = f"{alert['rule']} ({alert['severity']}) on {alert['endpoint']}"
            if alert["state"] != "inactive" or what in self._said:
                self._say(what, alert["state"], f"alert {alert['state']}: {what}")

    def _say(self, subject: str, state: str, text: str) -> None:
        """Print `text` if the state of `subject` is another than before."""
        if self._said.get(subject) != state:
            self._said[subject] = state
            elapsed = time.monotonic() - self._began
            self._console.print(f"[{elapsed:3.0f} s] {text}", markup=False, highlight=False, soft_wrap=True)
