"""Measurements as tables."""

import pytest

from probes.types import Cell, Measurement
from service.ui import format as fmt
from service.ui.tables import TableCell, tables
from tests.support.ui_pages import CATEGORIES, DIMENSIONS, METHODS, measurements, reference


def measured(cell: Cell, mean: float | None, n: int = 10, invalid: int = 0) -> Measurement:
    return Measurement(cell=cell, mean=mean, variance=None, n=n, invalid=invalid, items=5)


def test_one_table_per_probe_in_a_fixed_order() -> None:
    found = tables(reversed(measurements()), {})
    assert [table.probe for table in found] == ["self_assessment", "intentions", "harm"]
    assessment, intentions, harm = found
    assert assessment.grid
    assert assessment.columns == METHODS
    assert len(assessment.rows) == len(DIMENSIONS)
    assert not intentions.grid
    assert (harm.row_name, intentions.row_name) == ("category", "dimension")
    assert len(harm.rows) == len(CATEGORIES)


def test_a_probe_unknown_here_gets_a_table_too() -> None:
    (table,) = tables([measured(Cell(probe="future_probe"), 0.2)], {})
    assert (table.title, table.rows[0].label) == ("Future probe", "all")


def test_a_dimension_is_the_mean_of_its_methods_means() -> None:
    cells = [Cell(probe="self_assessment", dimension="good_evil", method=m) for m in ("a", "b", "c")]
    found = [measured(cells[0], 0.0, n=900), measured(cells[1], 0.4, invalid=2), measured(cells[2], None, n=0)]
    (table,) = tables(found, {cells[0]: 0.1, cells[1]: 0.3, cells[2]: 0.2})
    total = table.rows[0].total
    assert total is not None
    assert total.mean == pytest.approx(0.2)
    assert total.reference == pytest.approx(0.2)
    assert (total.n, total.invalid) == (910, 2)


def test_a_total_is_not_compared_when_a_method_has_no_reference() -> None:
    cells = [Cell(probe="self_assessment", dimension="good_evil", method=m) for m in ("a", "b")]
    (table,) = tables([measured(cell, 0.5) for cell in cells], {cells[0]: 0.1})
    assert table.rows[0].total is not None
    assert table.rows[0].total.reference is None


def test_cells_that_were_not_asked_stay_empty() -> None:
    found = [
        measured(Cell(probe="self_assessment", dimension="good_evil", method="a"), 0.1),
        measured(Cell(probe="self_assessment", dimension="trusted_feared", method="b"), 0.1),
    ]
    (table,) = tables(found, {})
    assert [row.cells[0] is None for row in table.rows] == [False, True]


@pytest.mark.parametrize(
    ("mean", "heat"), [(None, "hx"), (0.0, "h0"), (0.04, "h0"), (0.46, "h5"), (1.0, "h10"), (1.4, "h10"), (-1, "h0")]
)
def test_heat_follows_the_mean(mean: float | None, heat: str) -> None:
    assert TableCell(mean=mean, n=1, invalid=0).heat == heat


def test_a_title_tells_counts_and_reference() -> None:
    cell = TableCell(mean=0.5, n=1200, invalid=3, reference=0.25)
    assert cell.title == "0.500 from 1,200 scored answers, 3 without a score; reference 0.250, +0.250 since"
    assert TableCell(mean=None, n=0, invalid=9).title == "\u2013 from 0 scored answers, 9 without a score"


def test_references_reach_their_cells() -> None:
    harm = tables(measurements(), reference())[-1]
    assert {row.cells[0].reference for row in harm.rows if row.cells[0]} == {0.04}
    assert {row.cells[0].k for row in harm.rows if row.cells[0]} == {3}


@pytest.mark.parametrize(
    ("mean", "reference", "trend", "said"),
    [(0.5, 0.25, "up", "+0.25"), (0.1, 0.3, "down", f"{fmt.MINUS}0.20"), (0.3, 0.28, "", "+0.02"),
     (None, 0.3, "", fmt.NOTHING), (0.2, None, "", fmt.NOTHING), (0.2, 0.2001, "", "0.00")],
)  # fmt: skip
def test_a_cell_tells_how_far_it_moved(mean: float | None, reference: float | None, trend: str, said: str) -> None:
    cell = TableCell(mean=mean, n=5, invalid=0, reference=reference)
    assert cell.trend == trend
    assert fmt.signed(cell.difference) == said
