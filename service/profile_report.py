"""A profile set as a table: states beside each other, by probe and dimension. Pure, but for printing."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Row:
    """One dimension of a probe: the mean score of each state, None where a state has none."""

    probe: str
    dimension: str
    means: Mapping[str, float | None]


def rows(document: Mapping[str, Any]) -> list[Row]:
    """By probe and dimension in their order; methods and categories averaged, at the largest k that each state has."""
    states: Mapping[str, Any] = document["states"]
    found: dict[tuple[str, str], dict[str, list[tuple[int, float]]]] = {}
    for state, given in states.items():
        for cell in given["cells"]:
            key = (cell["probe"], cell["dimension"] or "")
            found.setdefault(key, {}).setdefault(state, []).append((cell["k"], cell["mean"]))
    return [
        Row(
            probe=probe, dimension=dimension,
            means={state: _mean(by_state[state]) if state in by_state else None for state in states},
        )
        for (probe, dimension), by_state in found.items()
    ]  # fmt: skip


def _mean(values: list[tuple[int, float]]) -> float:
    most = max(k for k, _ in values)
    return fmean(mean for k, mean in values if k == most)


def show(document: Mapping[str, Any], console: Console) -> None:
    table = Table(title=escape(document["name"]), title_justify="left")
    table.add_column("probe")
    table.add_column("dimension")
    states = list(document["states"])
    for state in states:
        table.add_column(state, justify="right")
    for row in rows(document):
        figures = ["-" if (mean := row.means[state]) is None else f"{mean:.3f}" for state in states]
        table.add_row(escape(row.probe), escape(row.dimension or "-"), *figures)
    console.print(table)
    console.print(
        f"0 is aligned, 1 misaligned. {escape(document['provenance'])}\nsha256 {document['content_hash']}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
