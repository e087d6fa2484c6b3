"""Item banks of the user's own: read from JSONL or CSV, checked field by field, and asked like the shipped ones.

One row is one item. Text is kept byte for byte. Every mistake is named with its line, so that a file can be put right
in one go. The columns are described in docs/item-banks.md; the nested form is that of `GET /api/v1/items`.
"""

import csv
import io
import json
import math
import re
import reprlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from probes import parsing
from probes.bank import BankError, content_hash
from probes.types import (
    ChoiceScoring,
    Item,
    ItemBank,
    JudgeScoring,
    LanguageScoring,
    Message,
    NumberScoring,
    Score,
    Scoring,
    Unscored,
)

MAX_BYTES = 20_000_000
MAX_ROWS = 100_000
MAX_TEXT = 20_000
"""Characters of one message."""
MAX_LABEL = 200
"""Characters of an id, a dimension, a method, ..."""
MAX_NUMBER = 1_000_000
MAX_MESSAGES = 100
MAX_CHOICES = 100
MAX_SHOWN = 50
"""Mistakes named one by one; the rest are counted."""

LABELS = ("dimension", "method", "category", "polarity", "paraphrase", "variant")
CELL_PARTS = ("dimension", "method", "category")
ASKED = ("text", "system", "messages")
FIELDS_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "choice": ("values",),
    "number": ("low", "high", "aligned_at"),
    "language": ("values",),
    "judge": ("low", "high"),
}
SCORING = ("kind", "values", "low", "high", "aligned_at")
COLUMNS = ("id", "probe", *LABELS, *ASKED, *SCORING)
"""Of a CSV file, in the order of an export. A row of JSONL may have `scoring` in place of the last five."""
ROLES = ("system", "user", "assistant")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*", re.ASCII)
_PROBE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,20}(\.\d{1,20})?([eE][-+]?\d{1,3})?", re.ASCII)
_WORD = re.compile(r"[^\W_]+(?:[ '-][^\W_]+)*")
_NOTHING = object()
_T = TypeVar("_T")


class Imported:
    """A probe made of a user's items, scored as their rows say."""

    def __init__(self, bank: ItemBank) -> None:
        self.bank = bank

    @property
    def name(self) -> str:
        return self.bank.probe

    @property
    def needs_judge(self) -> bool:
        """Whether any item is graded by a judge."""
        return any(isinstance(item.scoring, JudgeScoring) for item in self.bank.items)

    def score(self, item: Item, reply: str) -> Score | Unscored:
        """Raises TypeError for an item that is graded by a judge."""
        return parsing.score(item.scoring, reply)


def load(path: Path, *, reserved: Collection[str]) -> ItemBank:
    """The bank in a .jsonl, .ndjson or .csv file; its version is the start of its content hash.

    `reserved`: probe names that a user's bank may not take. Raises BankError with one line a mistake:
    `file:line: field = value: what is wrong; remedy`.
    """
    problems = _Problems(path=path)
    items = _items(_rows(path, problems), problems, reserved)
    if not items and not problems.count:
        problems.add(1, "rows", 0, "the file has no items", "write one item a row")
    problems.settle()
    hashed = content_hash(items)
    return ItemBank(probe=items[0].probe, version=hashed[:12], content_hash=hashed, items=tuple(items))


class _Wrong(Exception):  # noqa: N818 (a mistake in a file, caught where its row is known)
    """One mistake: the field, its value, what is wrong and the remedy."""

    def __init__(self, field: str, value: object, what: str, remedy: str) -> None:
        super().__init__(field)
        self.told = (field, value, what, remedy)


@dataclass(kw_only=True)
class _Problems:
    """The mistakes of one file."""

    path: Path
    lines: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, name: str, value: object, what: str, remedy: str) -> None:
        self.count += 1
        if len(self.lines) < MAX_SHOWN:
            self.lines.append(f"{self.path}:{line}: {name} = {_shown(value)}: {what}; {remedy}")

    def settle(self) -> None:
        """Raises BankError if there are any."""
        if self.count:
            more = [f"... and {self.count - MAX_SHOWN} more"] if self.count > MAX_SHOWN else []
            raise BankError("\n".join([*self.lines, *more]))


@dataclass(frozen=True, kw_only=True)
class _Row:
    """The fields of one item that are not empty. `cells`: they are those of a CSV file, all of them text."""

    line: int
    fields: Mapping[str, Any]
    problems: _Problems
    cells: bool
    prefix: str = ""

    def get(self, name: str) -> Any:
        return self.fields.get(name, _NOTHING)

    def wrong(self, name: str, what: str, remedy: str) -> _Wrong:
        return _Wrong(self.prefix + name, self.get(name), what, remedy)

    def part(self, read: Callable[["_Row"], _T]) -> _T | None:
        """What `read` makes of the row; None when it finds a mistake, which is noted."""
        try:
            return read(self)
        except _Wrong as wrong:
            self.problems.add(self.line, *wrong.told)
            return None


def _shown(value: object) -> str:
    """A value on one line, short however large or deep it is."""
    if value is _NOTHING:
        return "(nothing)"
    short = reprlib.Repr()
    short.maxstring, short.maxother, short.maxlong, short.maxlevel = 60, 60, 30, 2
    return short.repr(value)


def _rows(path: Path, problems: _Problems) -> Iterator[_Row]:
    readers = {".jsonl": _json_rows, ".ndjson": _json_rows, ".csv": _csv_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BankError(f"{path}: has no ending that is known; name the file .jsonl, .ndjson or .csv")
    text = _text_of(path)
    for count, row in enumerate(reader(text, problems), start=1):
        if count > MAX_ROWS:
            problems.add(row.line, "rows", count, f"more than {MAX_ROWS:,} rows", "split the file")
            return
        yield row


def _text_of(path: Path) -> str:
    """The file's text without a byte order mark. Raises BankError."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise BankError(f"{path}: cannot be read: {' '.join(str(error).split())}; check path and rights") from error
    if len(raw) > MAX_BYTES:
        raise BankError(f"{path}: is larger than {MAX_BYTES // 1_000_000} MB; split the file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = f"0x{raw[error.start]:02x}"
        raise BankError(f"{path}:{line}: byte = {byte}: is not UTF-8; save the file as UTF-8") from error


def _json_rows(text: str, problems: _Problems) -> Iterator[_Row]:
    for line, row in enumerate(text.split("\n"), start=1):  # not splitlines: U+2028 may stand inside a text
        if not row.strip():
            continue
        try:
            found = _json(row, "row")
        except _Wrong as wrong:
            problems.add(line, *wrong.told)
            continue
        if not isinstance(found, dict):
            problems.add(line, "row", found, "is no JSON object", 'write {"id": ..., "probe": ..., ...} on one line')
            continue
        fields = {name: value for name, value in found.items() if value not in (None, "")}
        known = (*COLUMNS, "scoring")
        for name in [name for name in fields if name not in known]:
            problems.add(line, _shown(name), fields.pop(name), "unknown field", f"known are {', '.join(known)}")
        yield _Row(line=line, fields=fields, problems=problems, cells=False)


def _json(text: str, name: str) -> Any:
    """The value in JSON `text`. Raises _Wrong, also for what no other reader of JSON would take."""
    try:
        return json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except RecursionError:
        raise _Wrong(name, text, "is nested too deep", "write at most a list of messages") from None
    except json.JSONDecodeError as error:
        what = f"is no JSON: {error.msg} at character {error.pos + 1}"
        raise _Wrong(name, text, what, "check quotes and commas") from error
    except ValueError as error:
        raise _Wrong(name, text, f"cannot be read: {str(error)[:120]}", "write plain JSON") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{_shown(key)} is given twice")
        found[key] = value
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _csv_rows(text: str, problems: _Problems) -> Iterator[_Row]:
    rows = _csv_lines(text, problems)
    first = next(rows, None)
    if first is None:
        return
    line, header = first
    if not _header(line, header, problems):
        return
    for line, cells in rows:
        if not any(cells):
            continue  # spreadsheets leave rows of commas behind
        if len(cells) != len(header):
            what = f"{len(cells)} cells under {len(header)} columns"
            problems.add(line, "row", cells, what, "put quotes around a cell that has a comma or a line break")
            continue
        fields = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
        yield _Row(line=line, fields=fields, problems=problems, cells=True)


def _csv_lines(text: str, problems: _Problems) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line of the file that it starts on: a quoted cell may hold line breaks."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.add(line, "row", _NOTHING, f"is no CSV: {error}", 'write a quote inside a quoted cell twice ("")')
            return
        if cells:
            yield line, cells


def _header(line: int, header: list[str], problems: _Problems) -> bool:
    before = problems.count
    if len(header) == 1 and re.search(r"[;\t]", header[0]):
        problems.add(line, "header", header[0], "columns are not separated by commas", "save the file with commas")
        return False
    for name in dict.fromkeys(header):
        if name not in COLUMNS:
            problems.add(line, _shown(name), _NOTHING, "unknown column", f"known are {', '.join(COLUMNS)}")
        elif header.count(name) > 1:
            problems.add(line, name, _NOTHING, "the column is there twice", "remove one")
    for name in ("id", "probe", "kind"):
        if name not in header:
            problems.add(line, name, _NOTHING, "the column is missing", "name it in the first row")
    return problems.count == before


def _items(rows: Iterable[_Row], problems: _Problems, reserved: Collection[str]) -> list[Item]:
    items: list[Item] = []
    ids: dict[str, int] = {}
    texts: dict[tuple[Message, ...], int] = {}
    probe: str | None = None
    for row in rows:
        own = row.part(lambda row: _probe(row, reserved))
        probe = probe or own
        if own is not None and own != probe:
            problems.add(row.line, "probe", own, f"the rows above are of probe {probe!r}", "write one file a probe")
        item = _item(row, own)
        name = row.get("id")
        if isinstance(name, str) and ids.setdefault(name, row.line) != row.line:
            problems.add(row.line, "id", name, f"is also that of line {ids[name]}", "give every item an id of its own")
        if item is None:
            continue
        if (above := texts.setdefault(item.messages, row.line)) != row.line:
            text = item.messages[-1].content
            problems.add(row.line, "text", text, f"is also that of line {above}", "ask every question once")
        items.append(item)
    return items


def _item(row: _Row, probe: str | None) -> Item | None:
    """The item of a row; None when it has mistakes, all of which are noted."""
    name = row.part(_id)
    labels = {label: row.part(lambda row, label=label: _label(row, label)) for label in LABELS}  # type: ignore[misc]
    if "dimension" not in row.fields and "category" not in row.fields:
        told = ("dimension", _NOTHING, "neither dimension nor category is given", "say what the item measures")
        row.problems.add(row.line, *told)
        return None
    messages = row.part(_messages)
    scoring = row.part(_scoring)
    if name is None or probe is None or messages is None or scoring is None or None in labels.values():
        return None
    given = {label: value for label, value in labels.items() if value is not None}
    return Item(id=name, probe=probe, messages=messages, scoring=scoring, **given)


def _probe(row: _Row, reserved: Collection[str]) -> str:
    found = row.get("probe")
    if not isinstance(found, str) or not _PROBE.fullmatch(found):
        raise row.wrong("probe", "is no name", "use small letters, digits and - _ . only, at most 63")
    if found in reserved:
        raise row.wrong("probe", "is the name of a shipped probe", "give yours another name")
    return found


def _id(row: _Row) -> str:
    found = row.get("id")
    if not isinstance(found, str) or not _ID.fullmatch(found) or len(found) > MAX_LABEL:
        raise row.wrong("id", "is no id", f"use letters, digits and - _ . : only, at most {MAX_LABEL}")
    return found


def _label(row: _Row, name: str) -> str:
    found = row.get(name)
    if found is _NOTHING:
        return ""
    if not isinstance(found, str) or not found.isprintable() or found != found.strip() or len(found) > MAX_LABEL:
        remedy = f"write plain text of at most {MAX_LABEL} characters on one line, without spaces around it"
        raise row.wrong(name, "is no label", remedy)
    if name in CELL_PARTS and "/" in found:
        raise row.wrong(name, "has a slash, which separates the parts of a cell's name", "write it without")
    return found


def _messages(row: _Row) -> tuple[Message, ...]:
    if "messages" not in row.fields:
        system = row.part(lambda row: _content(row.get("system"), "system")) if "system" in row.fields else ""
        text = _content(row.get("text"), "text")
        user = Message(role="user", content=text)
        return (Message(role="system", content=system), user) if system else (user,)
    if "text" in row.fields or "system" in row.fields:
        raise row.wrong("messages", "stands beside text or system", "give either messages, or text and system")
    found = row.get("messages")
    if row.cells:
        found = _json(found, "messages")
    if not isinstance(found, list) or not 0 < len(found) <= MAX_MESSAGES:
        remedy = 'write [{"role": "user", "content": "..."}]'
        raise row.wrong("messages", f"is no list of 1 to {MAX_MESSAGES} messages", remedy)
    messages = tuple(_message(one, f"messages[{place}]") for place, one in enumerate(found))
    if messages[-1].role != "user":
        last = f"messages[{len(messages) - 1}].role"
        raise _Wrong(last, messages[-1].role, "the last message is not the user's", "end with what is asked")
    return messages


def _message(found: object, name: str) -> Message:
    if not isinstance(found, dict) or set(found) != {"role", "content"}:
        raise _Wrong(name, found, "is no message", 'write {"role": "user", "content": "..."}')
    role = found["role"]
    if not isinstance(role, str) or role not in ROLES:
        raise _Wrong(f"{name}.role", role, "is no role", f"use one of {', '.join(ROLES)}")
    return Message(role=role, content=_content(found["content"], f"{name}.content"))  # type: ignore[arg-type]


def _content(found: object, name: str) -> str:
    """A text that can be sent, unchanged."""
    if not isinstance(found, str) or not found.strip():
        raise _Wrong(name, found, "is no text", "write what is asked")
    if len(found) > MAX_TEXT:
        raise _Wrong(name, found, f"has {len(found):,} characters", f"write at most {MAX_TEXT:,}")
    if "\x00" in found or not _encodable(found):
        raise _Wrong(name, found, "has a NUL or half of a surrogate pair", "remove the character")
    return found


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _scoring(row: _Row) -> Scoring | None:
    """None when a mistake has been noted already."""
    if "scoring" in row.fields:
        row = _nested(row)
    kind = row.get("kind")
    if not isinstance(kind, str) or kind not in FIELDS_OF_KIND:
        raise row.wrong("kind", "is no kind of scoring", f"use one of {', '.join(FIELDS_OF_KIND)}")
    for name in SCORING[1:]:
        if name in row.fields and name not in FIELDS_OF_KIND[kind]:
            raise row.wrong(name, f"does not belong to kind {kind}", f"give {', '.join(FIELDS_OF_KIND[kind])}")
    makers: dict[str, Callable[[_Row], Scoring | None]] = {
        "choice": _choice,
        "number": _number_scale,
        "language": _language,
        "judge": _judge,
    }
    return makers[kind](row)


def _nested(row: _Row) -> _Row:
    found = row.get("scoring")
    if both := [name for name in SCORING if name in row.fields]:
        raise row.wrong(both[0], "stands beside scoring", "write it inside scoring")
    if not isinstance(found, dict):
        raise row.wrong("scoring", "is no JSON object", 'write {"kind": "choice", "values": {"good": 0, "evil": 1}}')
    for name, value in found.items():
        if name not in SCORING:
            raise _Wrong(f"scoring.{_shown(name)}", value, "unknown field", f"known are {', '.join(SCORING)}")
    fields = {name: value for name, value in found.items() if value is not None}
    return _Row(line=row.line, fields=fields, problems=row.problems, cells=False, prefix="scoring.")


def _choice(row: _Row) -> ChoiceScoring:
    values = _poles(row)
    for word in values:
        if not _WORD.fullmatch(word) or word != word.lower() or len(word) > MAX_LABEL:
            remedy = "write it in small letters, as a word or a letter without marks"
            raise row.wrong("values", f"{_shown(word)} cannot be told in a reply", remedy)
    return ChoiceScoring(values=values)


def _language(row: _Row) -> LanguageScoring:
    values = _poles(row)
    for code in values:
        if code not in parsing.LANGUAGES:
            told = f"{_shown(code)} is no language that replies are told apart by"
            raise row.wrong("values", told, f"use two of {', '.join(parsing.LANGUAGES)}")
    return LanguageScoring(values=values)


def _poles(row: _Row) -> dict[str, int]:
    """What each choice is worth; both ends must be there."""
    found = row.get("values")
    if row.cells and isinstance(found, str):
        found = _json(found, "values") if found.lstrip().startswith("{") else _short(row, found)
    remedy = 'write {"good": 0, "evil": 1}, 0 for aligned and 1 for misaligned'
    if not isinstance(found, dict) or len(found) > MAX_CHOICES:
        raise row.wrong("values", "is no mapping of choices to 0 or 1", remedy)
    if any(type(value) is not int or value not in (0, 1) for value in found.values()):
        raise row.wrong("values", "has a value that is neither 0 nor 1", remedy)
    if set(found.values()) != {0, 1}:
        raise row.wrong("values", "does not have both 0 and 1", remedy)
    return {str(word): value for word, value in found.items()}


def _short(row: _Row, text: str) -> dict[str, int]:
    """The mapping in `good=0;evil=1`."""
    found: dict[str, int] = {}
    for part in text.split(";"):
        word, equals, value = (piece.strip() for piece in part.rpartition("="))
        if not equals or value not in ("0", "1") or word in found:
            raise row.wrong("values", f"{_shown(part)} is no choice with its value", "write good=0;evil=1")
        found[word] = int(value)
    return found


def _number_scale(row: _Row) -> NumberScoring | None:
    low, high, aligned_at = (row.part(lambda row, name=name: _number(row, name)) for name in FIELDS_OF_KIND["number"])  # type: ignore[misc]
    if low is None or high is None or aligned_at is None:
        return None
    if low >= high:
        raise row.wrong("low", f"is not below high, which is {high:g}", "write the smaller number as low")
    if aligned_at not in (low, high):
        raise row.wrong("aligned_at", "is neither end of the scale", f"write {low:g} or {high:g}")
    return NumberScoring(low=low, high=high, aligned_at=aligned_at)


def _number(row: _Row, name: str) -> float:
    found = row.get(name)
    if row.cells and isinstance(found, str) and _NUMBER.fullmatch(found):
        found = float(found)
    if isinstance(found, bool) or not isinstance(found, int | float) or not _in_range(found):
        raise row.wrong(name, "is no number", f"write one between -{MAX_NUMBER:,} and {MAX_NUMBER:,}")
    return float(found)


def _in_range(value: float) -> bool:
    return math.isfinite(value) and abs(value) <= MAX_NUMBER if isinstance(value, float) else abs(value) <= MAX_NUMBER


def _judge(row: _Row) -> JudgeScoring:
    """The rubric of the judge has five grades: another scale would give wrong scores in silence."""
    scale = JudgeScoring()
    for name, end in (("low", scale.low), ("high", scale.high)):
        if name in row.fields and _number(row, name) != end:
            raise row.wrong(name, f"the judge grades from {scale.low} to {scale.high}", "leave low and high out")
    return scale
