"""CSV as a program reads it."""

import csv
import io

csv.field_size_limit(10_000_000)  # a reply may be longer than the reader expects


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))
