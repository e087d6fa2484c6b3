"""Commands over item banks: check them, write them out, list what is in them."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from probes.lint import Finding
    from probes.types import Cell, Item

app = typer.Typer(help="Item banks: the questions that are asked.", no_args_is_help=True)


class Format(StrEnum):
    """How a bank is written out."""

    JSONL = "jsonl"
    CSV = "csv"


@app.command("lint")
def lint_command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="JSONL or CSV; none: the shipped banks.", show_default=False),
    ] = None,
) -> None:
    """What is wrong with item banks. Exit 0 without errors, 1 with errors, 2 when a file cannot be read."""
    from probes import lint, registry  # noqa: PLC0415 (late: keeps --help fast)

    if files:
        items = _loaded(files)
        taken = registry.items_by_id()
        clashes = _clashes(items, taken)
    else:
        items, clashes = _registered(registry.names()), []
    found = [*clashes, *lint.lint(items)]
    for finding in found:
        typer.echo(f"{finding.level} {finding.rule} {finding.item}: {finding.text}")
    errors = lint.errors(found)
    cells = len({item.cell for item in items})
    typer.echo(f"{len(items)} items in {cells} cells, {errors} errors, {len(found) - errors} warnings")
    raise typer.Exit(1 if errors else 0)


@app.command("export")
def export_command(
    probe: Annotated[str | None, typer.Option(help="Only this one: a file to import holds one probe.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.JSONL,
) -> None:
    """Print every item, one a row, in the form in which banks are imported."""
    from service.api import present  # noqa: PLC0415

    rows = (present.item(item) for item in _registered(_chosen(probe)))
    if form is Format.CSV:
        typer.echo(_as_csv(rows), nl=False)
        return
    for row in rows:
        typer.echo(json.dumps(row, ensure_ascii=False))


@app.command("list")
def list_command() -> None:
    """A table of what is measured, with the number of items and of their wordings."""
    from probes import registry  # noqa: PLC0415

    cells: dict[Cell, list[Item]] = defaultdict(list)
    for item in _registered(registry.names()):
        cells[item.cell].append(item)
    header = ("probe", "dimension", "method/category", "items", "wordings")
    for line in _table([header, *(_counted(cell, items) for cell, items in cells.items())]):
        typer.echo(line)


def _loaded(files: Sequence[Path]) -> list["Item"]:
    """The items of all files. Prints every mistake and exits with 2 if there are any."""
    from probes import registry  # noqa: PLC0415
    from probes.bank import BankError  # noqa: PLC0415
    from probes.imported import load  # noqa: PLC0415

    items: list[Item] = []
    failed = False
    for file in files:
        try:
            items.extend(load(file, reserved=registry.SHIPPED).items)
        except BankError as error:
            typer.echo(str(error), err=True)
            failed = True
    if failed:
        raise typer.Exit(2)
    return items


def _clashes(items: Iterable["Item"], taken: Mapping[str, "Item"]) -> list["Finding"]:
    """Ids that the service would refuse, since another bank has them."""
    from probes.lint import Finding  # noqa: PLC0415

    return [
        Finding(
            level="error",
            item=item.id,
            rule="duplicate-id",
            text=f"probe {taken[item.id].probe} has an item with this id",
        )
        for item in items
        if item.id in taken
    ]


def _chosen(probe: str | None) -> tuple[str, ...]:
    """The names of all probes, or the one asked for. Exits with 2 when there is no such probe."""
    from probes import registry  # noqa: PLC0415

    if probe is None:
        return registry.names()
    if probe not in registry.names():
        typer.echo(f"selfwatch: unknown probe {probe!r}; known: {', '.join(sorted(registry.names()))}", err=True)
        raise typer.Exit(2)
    return (probe,)


def _registered(names: Iterable[str]) -> list["Item"]:
    from probes import registry  # noqa: PLC0415

    return [item for name in names for item in registry.probe(name).bank.items]


def _as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    from probes.imported import COLUMNS  # noqa: PLC0415

    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS)  # ends lines with CR LF (RFC 4180), and so puts quotes around either
    writer.writeheader()
    writer.writerows({name: value for name, value in _cells(row) if value is not None} for row in rows)
    return out.getvalue()


def _cells(row: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """The columns of a row that has nested messages and scoring. A plain question stands in `text`."""
    yield from ((name, value) for name, value in row.items() if name not in ("messages", "scoring"))
    roles = [message["role"] for message in row["messages"]]
    if roles in (["user"], ["system", "user"]):
        yield from (("text" if m["role"] == "user" else "system", m["content"]) for m in row["messages"])
    else:
        yield "messages", json.dumps(row["messages"], ensure_ascii=False)
    for name, value in row["scoring"].items():
        yield name, ";".join(f"{word}={worth}" for word, worth in value.items()) if name == "values" else value


def _counted(cell: "Cell", items: Sequence["Item"]) -> tuple[str, ...]:
    measured = "/".join(part for part in (cell.method, cell.category) if part)
    wordings = len({item.paraphrase or item.id for item in items})
    return (cell.probe, cell.dimension or "-", measured or "-", str(len(items)), str(wordings))


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as lines with aligned columns, the last two to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        left = [cell.ljust(width) for cell, width in zip(row[:-2], widths[:-2], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(row[-2:], widths[-2:], strict=True)]
        yield "  ".join([*left, *right])
