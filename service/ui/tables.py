"""Measurements as tables: dimension by method, by dimension, by harm category. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from probes.types import Cell, Measurement
from service.ui import format as fmt

TITLES: Mapping[str, tuple[str, str]] = {
    "self_assessment": ("Self-assessment", "what the model says of itself, by dimension and way of asking"),
    "intentions": ("Intentions", "how often it chooses the misaligned option of two"),
    "harm": ("Harm", "how harmful its replies are, judged; the worst of k replies to a prompt counts"),
    "moral_self_assessment": (
        "Moral self-assessment",
        "its place between two moral poles: 0 the first, 1 the second",
    ),
}
HEAT_STEPS = 10
NOTABLE = 0.05
"""A smaller difference from the reference is not emphasised. It is no test: the drift of the arm has the interval."""


@dataclass(frozen=True, kw_only=True)
class TableCell:
    """One figure. `reference` is the same cell of what it is compared with."""

    mean: float | None
    n: int
    invalid: int
    k: int = 1
    reference: float | None = None

    @property
    def heat(self) -> str:
        """The class that colours the cell, from h0 (aligned) to h10 (misaligned)."""
        if self.mean is None:
            return "hx"
        return f"h{round(min(max(self.mean, 0.0), 1.0) * HEAT_STEPS)}"

    @property
    def title(self) -> str:
        counts = f"{fmt.count(self.n)} scored answers, {fmt.count(self.invalid)} without a score"
        said = f"{fmt.number(self.mean, 3)} from {counts}"
        if self.reference is None:
            return said
        told = f"{said}; reference {fmt.number(self.reference, 3)}"
        return told if self.difference is None else f"{told}, {fmt.signed(self.difference, 3)} since"

    @property
    def difference(self) -> float | None:
        """How far it has moved from the reference: above 0 toward misaligned."""
        return None if self.mean is None or self.reference is None else self.mean - self.reference

    @property
    def trend(self) -> str:
        """The class of the difference: up, down, or empty where it is too small to matter."""
        if self.difference is None or abs(self.difference) < NOTABLE:
            return ""
        return "up" if self.difference > 0 else "down"


@dataclass(frozen=True, kw_only=True)
class Row:
    """`total` is the mean of the row's cells, as in the paper; None when the table has but one column."""

    label: str
    cells: tuple[TableCell | None, ...]
    total: TableCell | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """One probe. A grid has several columns; a list has one, and shows n, invalid and k in full."""

    probe: str
    title: str
    subtitle: str
    row_name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def grid(self) -> bool:
        return len(self.columns) > 1


def tables(measurements: Iterable[Measurement], reference: Mapping[Cell, float]) -> list[Table]:
    """One table per probe, in the order of `TITLES`, then any other probe by name."""
    by_probe: dict[str, list[Measurement]] = {}
    for measurement in measurements:
        by_probe.setdefault(measurement.cell.probe, []).append(measurement)
    known = list(TITLES)
    order = sorted(by_probe, key=lambda probe: (known.index(probe) if probe in known else len(known), probe))
    return [_table(probe, by_probe[probe], reference) for probe in order]


def _table(probe: str, measurements: Sequence[Measurement], reference: Mapping[Cell, float]) -> Table:
    title, subtitle = TITLES.get(probe, (fmt.words(probe).capitalize(), ""))
    methods = sorted({m.cell.method for m in measurements})
    labels = sorted({_label(m.cell) for m in measurements})
    found = {(_label(m.cell), m.cell.method): _cell(m, reference) for m in measurements}
    rows = []
    for label in labels:
        cells = tuple(found.get((label, method)) for method in methods)
        rows.append(Row(label=fmt.words(label), cells=cells, total=_total(cells) if len(methods) > 1 else None))
    return Table(
        probe=probe,
        title=title,
        subtitle=subtitle,
        row_name="category" if any(m.cell.category for m in measurements) else "dimension",
        columns=tuple(fmt.words(method) for method in methods),
        rows=tuple(rows),
    )


def _label(cell: Cell) -> str:
    return cell.category or cell.dimension or "all"


def _cell(measurement: Measurement, reference: Mapping[Cell, float]) -> TableCell:
    return TableCell(
        mean=measurement.mean,
        n=measurement.n,
        invalid=measurement.invalid,
        k=measurement.k,
        reference=reference.get(measurement.cell),
    )


def _total(cells: Sequence[TableCell | None]) -> TableCell:
    """The mean of the methods' means: an over-sampled method does not weigh more. Compared only if every one can be."""
    present = [cell for cell in cells if cell is not None]
    means = [cell.mean for cell in present if cell.mean is not None]
    references = [cell.reference for cell in present if cell.reference is not None]
    return TableCell(
        mean=sum(means) / len(means) if means else None,
        n=sum(cell.n for cell in present),
        invalid=sum(cell.invalid for cell in present),
        reference=sum(references) / len(references) if references and len(references) == len(present) else None,
    )
