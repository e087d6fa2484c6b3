"""Tables as CSV: what a spreadsheet opens computes nothing, and nothing is lost."""

import pytest

from service.api import tabular
from tests.support.hostile import REPLIES
from tests.support.tables import read_csv

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def read(columns: list[str], *rows: dict[str, object]) -> list[dict[str, str]]:
    return read_csv(tabular.heading(columns) + tabular.rows_to_csv(columns, rows))


@pytest.mark.parametrize("text", REPLIES)
def test_no_cell_begins_like_a_formula_and_none_loses_text(text: str) -> None:
    [row] = read(["reply"], {"reply": text})
    assert not row["reply"].startswith(FORMULA)
    assert row["reply"] == (f"'{text}" if text.startswith(FORMULA) else text)


def test_text_is_quoted_so_that_no_other_separator_makes_a_cell_of_it() -> None:
    assert tabular.rows_to_csv(["a", "b"], [{"a": "x; =1+1", "b": "tab\tx"}]) == '"x; =1+1","tab\tx"\r\n'


def test_numbers_stay_numbers_also_below_zero() -> None:
    row = {"a": -0.25, "b": 3, "c": True, "d": None}
    assert tabular.rows_to_csv(["a", "b", "c", "d", "e"], [row]) == '-0.25,3,"true","",""\r\n'


def test_a_file_has_a_name_and_a_table_without_rows_a_heading() -> None:
    reply = tabular.table(["a", "b"], [], "runs.csv")
    assert reply.body == b"a,b\r\n"
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["content-disposition"] == 'attachment; filename="runs.csv"'
    assert "content-disposition" not in tabular.table(["a"], []).headers
