"""The study's table, printed line by line as it comes."""

import time

from rich.console import Console

from service.study import rows

QUICK, FULL = 20_000, 1_000_000


def show(console: Console, *, seed: int, full: bool) -> bool:
    """Run every part; True when every goal was met."""
    started = time.monotonic()
    held = True
    console.print("| what | goal | measured |\n|---|---|---|", highlight=False, soft_wrap=True)
    for part in (
        rows.information_limits(seed, 2000 if full else 400),
        rows.delays(seed, 400 if full else 100),
        rows.personas(seed, 300 if full else 60),
        rows.false_alarms(seed, FULL if full else QUICK),
    ):
        for row in part:
            missed = " **missed**" if row.held is False else ""
            console.print(f"| {row.what} | {row.goal} | {row.measured}{missed} |", highlight=False, soft_wrap=True)
            held = held and row.held is not False
    console.print(f"\nseed {seed}, {time.monotonic() - started:.0f} s", highlight=False)
    return held
