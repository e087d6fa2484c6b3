"""Runs the benchmarks, all or those named, and prints one table: `python -m benchmarks harm calls idle`."""

import os
import platform
import sys
import time
from importlib import import_module

from rich.console import Console
from rich.table import Table

PARTS = (
    "startup",
    "idle",
    "calls",
    "latency",
    "harm",
    "full",
    "statistics",
    "history",
    "delivery",
    "scrape",
    "pages",
    "race",
)


def main() -> None:
    chosen = sys.argv[1:] or PARTS
    if unknown := [name for name in chosen if name not in PARTS]:
        raise SystemExit(f"unknown benchmark {unknown[0]!r}; known: {', '.join(PARTS)}")
    console = Console(width=None if Console().is_terminal else 160)
    title = f"Selfwatch on Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs"
    table = Table(title=title, caption=_load())
    for column in ("what", "measured", "detail"):
        table.add_column(column)
    for name in chosen:
        began = time.perf_counter()
        for row in import_module(f"benchmarks.{name}").rows():
            table.add_row(*row)
            console.log(": ".join(row[:2]))  # a long one that is cut off has told what it found
        console.log(f"{name}: {time.perf_counter() - began:.0f} s; {_load()}")
    console.print(table)


def _load() -> str:
    """Of the machine: a benchmark that shared it says so."""
    return "load average {:.1f}, {:.1f}, {:.1f}".format(*os.getloadavg())


if __name__ == "__main__":
    main()
