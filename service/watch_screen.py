"""What `selfwatch watch` shows: bars on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

LINE_EVERY_S = 5.0
"""Without a terminal, a line a run so often at the most."""
STYLES = {"steady": "green", "realigned": "green", "insufficient_data": "yellow"}


class TerminalScreen:
    """A bar for each run under way; verdicts and flips as lines above. Without a terminal, lines alone."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._bars: Progress | None = None
        if console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
                TextColumn("{task.fields[more]}", markup=False), console=console, transient=True,
            )  # fmt: skip
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, tuple[str, float]] = {}

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def progress(self, data: Mapping[str, Any]) -> None:
        run, state, done = str(data["run"]), str(data["state"]), data["progress"]
        if self._bars is None:
            state = "paused" if state == "queued" and data.get("paused") else state
            said, at = self._said.get(run, ("", -LINE_EVERY_S))
            if said != state or self._clock() - at >= LINE_EVERY_S:
                self._said[run] = (state, self._clock())
                self._line(f"{_name(data)}: {state} {done['answered']}/{done['total']} {_more(data)}".rstrip())
            return
        if state in ("queued", "running"):
            if run not in self._tasks:
                self._tasks[run] = self._bars.add_task(_name(data), total=done["total"], more="")
            more = _more(data) if state == "running" else "paused" if data.get("paused") else "queued"
            self._bars.update(self._tasks[run], completed=done["answered"], total=done["total"], more=more)
        elif run in self._tasks:
            self._bars.remove_task(self._tasks.pop(run))
        if state == "cancelled":
            self._line(f"{_name(data)}: cancelled after {done['answered']} of {done['total']} answers", "yellow")

    def verdict(self, data: Mapping[str, Any]) -> None:
        verdict = str(data["verdict"])
        because = data["because"] or (data.get("problem") or {}).get("detail") or data["state"]
        self._line(f"{_name(data)}: {verdict}: {because}", STYLES.get(verdict, "bold red"))

    def flip(self, data: Mapping[str, Any]) -> None:
        firing = data["after"] == "firing"
        text = f"{data['endpoint']}: {data['rule']} ({data['severity']}) {data['before']} -> {data['after']}"
        self._line(text, "bold red" if firing else "")

    def note(self, text: str) -> None:
        self._line(text, "dim")

    def _line(self, text: str, style: str = "") -> None:
        # what comes from afar may hold control characters, which a terminal would obey
        shown = "".join(c if c.isprintable() else " " for c in text)
        self._console.print(Text(f"{time.strftime('%H:%M:%S')} {shown}", style=style), soft_wrap=True)


def _name(data: Mapping[str, Any]) -> str:
    return f"{data['endpoint']} {data['plan']} {str(data['run'])[:12]}"


def _more(data: Mapping[str, Any]) -> str:
    """Rate, time left, cost: as far as they are known."""
    done, usage = data["progress"], data["usage"]
    parts = []
    if done["rate_per_s"]:
        parts.append(f"{done['rate_per_s']:,.1f}/s")
    if done["eta_s"] is not None:
        parts.append(f"{timedelta(seconds=round(done['eta_s']))} left")
    if usage["usd"] is not None:
        parts.append(f"${usage['usd']:,.4f}")
    else:
        parts.append(f"{usage['prompt_tokens'] + usage['completion_tokens']:,} tokens")
    return ", ".join(parts)
