"""Runs every benchmark and prints one table."""

import asyncio
import platform

from rich.console import Console
from rich.table import Table

from benchmarks import calls, history, race, startup, statistics


def main() -> None:
    console = Console()
    table = Table(title=f"Selfwatch on Python {platform.python_version()}, {platform.machine()}")
    for column in ("what", "measured", "detail"):
        table.add_column(column)
    parts = (startup.rows, statistics.rows, lambda: asyncio.run(calls.rows()), history.rows, race.rows)
    for part in parts:
        for row in part():
            table.add_row(*row)
    console.print(table)


if __name__ == "__main__":
    main()
