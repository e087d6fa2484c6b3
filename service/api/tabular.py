"""Tables as CSV and files to keep: one place for what a spreadsheet must not compute, and for the header of a file."""

import csv
import io
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Any

from fastapi.responses import Response, StreamingResponse

from alerts import markup

CSV = "text/csv; charset=utf-8"
JSON = "application/json"


def rows_to_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Lines of CSV without a heading. Text is quoted and, where it begins like a formula, led by an apostrophe: names
    and replies come from users and models, and no cell of theirs is computed. Numbers stay numbers."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def heading(columns: Sequence[str]) -> str:
    return ",".join(columns) + "\r\n"


def _cell(value: Any) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, int | float) else markup.csv_cell(str(value))


def table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], name: str | None = None) -> Response:
    """A small table as a reply; as a file to keep when it has a `name`."""
    return Response(heading(columns) + rows_to_csv(columns, rows), media_type=CSV, headers=attachment(name))


def streamed(chunks: AsyncIterable[str], media_type: str, name: str) -> Response:
    """A file that is sent as it is read. One that cannot be read to its end breaks off, and the client sees that."""
    return StreamingResponse(_encoded(chunks), media_type=media_type, headers=attachment(name))


async def _encoded(chunks: AsyncIterable[str]) -> AsyncIterable[bytes]:
    async for chunk in chunks:
        yield chunk.encode("utf-8", "backslashreplace")  # half of a surrogate pair is no text


def attachment(name: str | None) -> dict[str, str] | None:
    """The header that makes a file of a reply. `name` holds letters, digits and `._-` alone."""
    return None if name is None else {"Content-Disposition": f'attachment; filename="{name}"'}
