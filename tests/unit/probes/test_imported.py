"""Item banks of the user's own: what is in the file is what is asked, and every mistake is named with its line."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes import imported, parsing, registry
from probes.bank import BankError
from probes.imported import COLUMNS, MAX_SHOWN, MAX_TEXT, Imported, load
from probes.lint import RULES, lint
from probes.types import ChoiceScoring, ItemBank, JudgeScoring, LanguageScoring, Message, NumberScoring, Probe, Score
from service.api import present

RESERVED = registry.SHIPPED
ROW: dict[str, Any] = {
    "id": "t.1",
    "probe": "tone",
    "dimension": "calm_angry",
    "text": "Are you calm or angry? One word.",
    "kind": "choice",
    "values": {"calm": 0, "angry": 1},
}
NUMBER = {"kind": "number", "values": None, "low": 0, "high": 10, "aligned_at": 10}

TALK: tuple[tuple[Literal["user", "assistant"], str], ...] = (("user", "Hi"), ("assistant", "Yes?"), ("user", "Sure?"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def file(*rows: dict[str, Any] | str | bytes, name: str = "bank.jsonl") -> Path:
        path = tmp_path / name
        lines = [json.dumps(row) if isinstance(row, dict) else row for row in rows]
        path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))
        return path

    return file


def read(path: Path) -> ItemBank:
    return load(path, reserved=RESERVED)


def told(path: Path) -> list[str]:
    """The mistakes in a file, without its name."""
    with pytest.raises(BankError) as caught:
        read(path)
    return [line.removeprefix(f"{path}:") for line in str(caught.value).split("\n")]


def as_csv(*rows: dict[str, object]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


CSV_ROW: dict[str, object] = {**ROW, "values": "calm=0;angry=1"}


def test_a_row_becomes_an_item(write: Callable[..., Path]) -> None:
    bank = read(write({**ROW, "method": "decision", "polarity": "am", "paraphrase": "d1", "variant": "v"}))
    (item,) = bank.items
    assert (item.id, item.probe, item.dimension, item.method) == ("t.1", "tone", "calm_angry", "decision")
    assert (item.category, item.polarity, item.paraphrase, item.variant) == ("", "am", "d1", "v")
    assert item.messages == (Message(role="user", content="Are you calm or angry? One word."),)
    assert item.scoring == ChoiceScoring(values={"calm": 0, "angry": 1})


def test_the_version_is_the_start_of_the_content_hash(write: Callable[..., Path]) -> None:
    bank = read(write(ROW))
    assert bank.probe == "tone"
    assert len(bank.content_hash) == 64
    assert bank.version == bank.content_hash[:12]
    assert read(write({**ROW, "text": "Are you angry or calm? One word."})).version != bank.version


@pytest.mark.parametrize("name", sorted(registry.PROBES))
def test_a_shipped_bank_comes_back_unchanged_under_another_name(name: str, write: Callable[..., Path]) -> None:
    shipped = registry.probe(name).bank
    found = read(write(*({**present.item(item), "probe": "copy"} for item in shipped.items)))
    assert [(i.id, i.messages, i.scoring, i.polarity, i.paraphrase, i.variant) for i in found.items] == [
        (i.id, i.messages, i.scoring, i.polarity, i.paraphrase, i.variant) for i in shipped.items
    ]
    assert [(i.dimension, i.method, i.category) for i in found.items] == [
        (i.dimension, i.method, i.category) for i in shipped.items
    ]
    assert {item.probe for item in found.items} == {"copy"}


@pytest.mark.parametrize(
    ("fields", "scoring"),
    [
        ({"kind": "choice", "values": "good=0; evil=1"}, ChoiceScoring(values={"good": 0, "evil": 1})),
        ({"kind": "choice", "values": '{"good": 0, "evil": 1}'}, ChoiceScoring(values={"good": 0, "evil": 1})),
        (
            {"kind": "number", "low": "1", "high": "5", "aligned_at": "5"},
            NumberScoring(low=1.0, high=5.0, aligned_at=5.0),
        ),
        (
            {"kind": "number", "low": "-1.5", "high": "1.5", "aligned_at": "-1.5"},
            NumberScoring(low=-1.5, high=1.5, aligned_at=-1.5),
        ),
        ({"kind": "language", "values": '{"fr": 0, "de": 1}'}, LanguageScoring(values={"fr": 0, "de": 1})),
        ({"kind": "judge"}, JudgeScoring()),
        ({"kind": "judge", "low": "1", "high": "5"}, JudgeScoring()),
    ],
)
def test_every_scoring_can_be_written_in_cells(
    fields: dict[str, object], scoring: object, write: Callable[..., Path]
) -> None:
    row = {name: value for name, value in CSV_ROW.items() if name not in ("kind", "values")}
    assert read(write(as_csv({**row, **fields}), name="bank.CSV")).items[0].scoring == scoring


def test_the_flat_and_the_nested_form_say_the_same(write: Callable[..., Path]) -> None:
    nested = {**ROW, "kind": None, "values": None, "scoring": {"kind": "choice", "values": ROW["values"], "low": None}}
    assert read(write(nested)) == read(write(ROW)) == read(write(as_csv(CSV_ROW), name="bank.csv"))


@pytest.mark.parametrize(
    "text", ["  two  spaces ", "a\r\nb\n\n", "tab\there", 'a "quoted" word, a comma', "é🙂\u2028x"]
)
def test_text_is_kept_byte_for_byte(text: str, write: Callable[..., Path]) -> None:
    for path in (write({**ROW, "text": text}), write(as_csv({**CSV_ROW, "text": text}), name="bank.csv")):
        assert read(path).items[0].messages[0].content == text


def test_a_byte_order_mark_and_empty_lines_are_no_rows(write: Callable[..., Path]) -> None:
    assert len(read(write(b"\xef\xbb\xbf" + json.dumps(ROW).encode(), "", "\r")).items) == 1
    marked = b"\xef\xbb\xbf" + as_csv(CSV_ROW).encode() + b"\r\n" + b"," * (len(CSV_ROW) - 1)
    assert len(read(write(marked, name="bank.csv")).items) == 1


def test_a_conversation_or_a_system_message_may_come_first(write: Callable[..., Path]) -> None:
    expected = tuple(Message(role=role, content=text) for role, text in TALK)
    talk = [{"role": role, "content": text} for role, text in TALK]
    rest = {name: value for name, value in CSV_ROW.items() if name != "text"}
    assert read(write({**ROW, "text": None, "messages": talk})).items[0].messages == expected
    cells = as_csv({**rest, "messages": json.dumps(talk)})
    assert read(write(cells, name="bank.csv")).items[0].messages == expected
    told_first = read(write({**ROW, "system": "Be brief."})).items[0].messages
    assert [message.role for message in told_first] == ["system", "user"]
    assert told_first[0].content == "Be brief."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": None}, "1: id = (nothing): is no id; "),
        ({"id": "a b"}, "1: id = 'a b': is no id; "),
        ({"id": "x" * 201}, "is no id; use letters, digits and - _ . : only, at most 200"),
        ({"id": 7}, "1: id = 7: is no id; "),
        ({"probe": "harm"}, "1: probe = 'harm': is the name of a shipped probe; give yours another name"),
        ({"probe": "moral_self_assessment"}, "is the name of a shipped probe"),
        ({"probe": "A/B"}, "1: probe = 'A/B': is no name; "),
        ({"dimension": None}, "1: dimension = (nothing): neither dimension nor category is given; "),
        ({"dimension": ""}, "1: dimension = (nothing): neither dimension nor category is given; "),
        ({"dimension": 0}, "1: dimension = 0: is no label; "),
        ({"dimension": "a/b"}, "1: dimension = 'a/b': has a slash"),
        ({"dimension": " a"}, "1: dimension = ' a': is no label; "),
        ({"polarity": "a\nb"}, r"1: polarity = 'a\nb': is no label; "),
        ({"colour": "red"}, "1: 'colour' = 'red': unknown field; known are id, probe, "),
        ({"text": None}, "1: text = (nothing): is no text; write what is asked"),
        ({"text": " \n"}, r"1: text = ' \n': is no text; "),
        ({"text": "x" * (MAX_TEXT + 1)}, "has 20,001 characters; write at most 20,000"),
        ({"text": "a\x00b"}, r"1: text = 'a\x00b': has a NUL or half of a surrogate pair; "),
        ({"text": "\ud800"}, r"1: text = '\ud800': has a NUL or half of a surrogate pair; "),
        ({"system": "\udfff"}, r"1: system = '\udfff': has a NUL or half of a surrogate pair; "),
        ({"messages": [{"role": "user", "content": "x"}]}, "stands beside text or system; give either"),
        ({"text": None, "messages": []}, "1: messages = []: is no list of 1 to 100 messages; "),
        ({"text": None, "messages": [{"role": "user"}]}, "1: messages[0] = {'role': 'user'}: is no message; "),
        ({"text": None, "messages": [{"role": [], "content": "x"}]}, "1: messages[0].role = []: is no role; "),
        ({"text": None, "messages": [{"role": "user", "content": 1}]}, "1: messages[0].content = 1: is no text; "),
        ({"text": None, "messages": [{"role": "system", "content": "x"}]}, "the last message is not the user's"),
        ({"kind": None}, "1: kind = (nothing): is no kind of scoring; use one of choice, number, language, judge"),
        ({"kind": ["choice"]}, "1: kind = ['choice']: is no kind of scoring; "),
        ({"low": 1}, "1: low = 1: does not belong to kind choice; give values"),
        ({"values": None}, "1: values = (nothing): is no mapping of choices to 0 or 1; "),
        ({"values": {"calm": 0}}, "does not have both 0 and 1; "),
        ({"values": {"calm": False, "angry": True}}, "has a value that is neither 0 nor 1; "),
        ({"values": {"calm": 0, "angry": 1.0}}, "has a value that is neither 0 nor 1; "),
        ({"values": {"Calm": 0, "angry": 1}}, "'Calm' cannot be told in a reply; write it in small letters"),
        ({"values": {"(a)": 0, "b": 1}}, "'(a)' cannot be told in a reply; "),
        ({"kind": "language", "values": {"fr": 0, "xx": 1}}, "'xx' is no language that replies are told apart by; "),
        ({**NUMBER, "low": True}, "1: low = True: is no number; "),
        ({**NUMBER, "low": "0"}, "1: low = '0': is no number; "),
        ({**NUMBER, "high": 10**300}, "is no number; write one between -1,000,000 and 1,000,000"),
        ({**NUMBER, "low": 10}, "1: low = 10: is not below high, which is 10; "),
        ({**NUMBER, "aligned_at": 5}, "1: aligned_at = 5: is neither end of the scale; write 0 or 10"),
        ({"kind": "judge", "values": None, "high": 10}, "1: high = 10: the judge grades from 1 to 5; "),
        ({"scoring": {"kind": "judge"}}, "1: kind = 'choice': stands beside scoring; write it inside scoring"),
        ({"kind": None, "values": None, "scoring": "choice"}, "1: scoring = 'choice': is no JSON object; "),
        ({"kind": None, "values": None, "scoring": {"kind": "judge", "k": 1}}, "1: scoring.'k' = 1: unknown field; "),
        (
            {"kind": None, "values": None, "scoring": {"kind": "none"}},
            "1: scoring.kind = 'none': is no kind of scoring; ",
        ),
    ],
)
def test_a_mistake_is_named_with_line_field_value_and_remedy(
    change: dict[str, Any], said: str, write: Callable[..., Path]
) -> None:
    (line,) = told(write({**ROW, **change}))
    assert line.startswith("1: ")
    assert said in line


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("[1]", "row = [1]: is no JSON object"),
        ("{'id': 1}", "is no JSON: Expecting property name enclosed in double quotes at character 2; check quotes"),
        ('{"id": "a", "id": "b"}', "cannot be read: 'id' is given twice"),
        ('{"low": NaN}', "NaN is no number"),
        ('{"low": ' + "9" * 5000 + "}", "cannot be read: Exceeds the limit"),
        ("[" * 100_000, "is nested too deep"),
        ('{"low": -Infinity}', "-Infinity is no number"),
    ],
)
def test_a_line_that_is_no_row_is_named(row: str, said: str, write: Callable[..., Path]) -> None:
    (line,) = told(write("", row, ROW))
    assert line.startswith("2: row = ")
    assert said in line


def test_a_number_too_large_for_a_float_is_no_number(write: Callable[..., Path]) -> None:
    (line,) = told(write(json.dumps({**ROW, **NUMBER}).replace("10,", "1e999,")))
    assert "1: high = inf: is no number" in line


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id;probe;kind\n1;2;3", "1: header = 'id;probe;kind': columns are not separated by commas; "),
        ("id,probe,colour,kind\n", "1: 'colour' = (nothing): unknown column; "),
        ("id,probe,kind,id\n", "1: id = (nothing): the column is there twice; remove one"),
        ("id,probe,text\n", "1: kind = (nothing): the column is missing; "),
        ("id,probe,kind\na,b\n", "2: row = ['a', 'b']: 2 cells under 3 columns; "),
        ('id,probe,kind\na,b,"c\n\n', "2: row = (nothing): is no CSV: unexpected end of data; "),
        ("id,probe,kind\na,b," + "x" * 200_000, "2: row = (nothing): is no CSV: field larger than field limit"),
        ("id,probe,kind\n", "1: rows = 0: the file has no items; "),
        ("", "1: rows = 0: the file has no items; "),
    ],
)
def test_a_table_that_cannot_be_read_is_named(content: str, said: str, write: Callable[..., Path]) -> None:
    (line,) = told(write(content, name="bank.csv"))
    assert line.startswith(said)


def test_lines_are_counted_as_in_the_file_over_quoted_line_breaks(write: Callable[..., Path]) -> None:
    rows = [{**CSV_ROW, "id": f"t.{n}", "text": f"One\nTwo\r\nthree {n}?"} for n in range(3)]
    (line,) = told(write(as_csv(*rows, {**CSV_ROW, "id": "t 3"}), name="bank.csv"))
    assert line.startswith("11: id = 't 3'")
    (line,) = told(write(as_csv({**rows[0], "id": "?"}, rows[1]), name="bank.csv"))
    assert line.startswith("2: id = '?'")


@pytest.mark.parametrize("values", ["calm", "calm=0;angry=2", "calm=0;calm=1", "calm=0;;angry=1", '{"calm": 0'])
def test_a_shorthand_that_is_unclear_is_a_mistake(values: str, write: Callable[..., Path]) -> None:
    (line,) = told(write(as_csv({**CSV_ROW, "values": values}), name="bank.csv"))
    assert line.startswith(f"2: values = {values!r}: ")


def test_all_mistakes_are_named_in_one_go(write: Callable[..., Path]) -> None:
    rows = [{**ROW, "id": "?", "text": ""}, "{", {**ROW, **NUMBER, "low": "a", "high": "b", "aligned_at": "c"}]
    found = [line.split(" = ")[0] for line in told(write(*rows))]
    assert found == ["1: id", "1: text", "2: row", "3: low", "3: high", "3: aligned_at"]


def test_beyond_the_first_mistakes_the_rest_are_counted(write: Callable[..., Path]) -> None:
    found = told(write(*["?"] * (MAX_SHOWN + 7)))
    assert len(found) == MAX_SHOWN + 1
    assert found[-1] == "... and 7 more"


def test_ids_texts_and_probe_are_checked_over_all_rows(write: Callable[..., Path]) -> None:
    other = {**ROW, "id": "t.2", "text": "Angry or calm?"}
    found = told(write(ROW, {**ROW, "text": "Other?"}, {**ROW, "id": "t.3"}, {**other, "probe": "mood"}))
    assert [line.split(";")[0] for line in found] == [
        "2: id = 't.1': is also that of line 1",
        "3: text = 'Are you calm or angry? One word.': is also that of line 1",
        "4: probe = 'mood': the rows above are of probe 'tone'",
    ]


@pytest.mark.parametrize("raw", [b'{"id": "\xff"}', "{}\n{}\né".encode("latin-1"), "{}".encode("utf-16")])
def test_another_encoding_is_named_with_its_line(raw: bytes, write: Callable[..., Path]) -> None:
    (line,) = told(write(raw))
    assert line.startswith("3: byte = 0xe9" if b"\xe9" in raw else "1: byte = 0xff")
    assert "is not UTF-8; save the file as UTF-8" in line


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for name, said in (("nowhere.csv", "No such file"), ("folder.csv", "directory"), ("a\x00.csv", "null byte")):
        with pytest.raises(BankError, match=rf"{name}: cannot be read: .*{said}.*; check path and rights"):
            read(tmp_path / name)
    with pytest.raises(BankError, match=r"bank.yaml: has no ending that is known; name the file .jsonl"):
        read(tmp_path / "bank.yaml")


def test_a_large_file_is_refused(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BankError, match="is larger than 20 MB; split the file"):
        read(write(b" " * 20_000_001))
    monkeypatch.setattr(imported, "MAX_ROWS", 3)
    rows = [{**ROW, "id": f"t.{n}", "text": f"Are you calm or angry, {n}?"} for n in range(5)]
    assert len(read(write(*rows[:3])).items) == 3
    assert told(write(*rows)) == ["4: rows = 4: more than 3 rows; split the file"]


def test_it_is_a_probe_that_scores_as_its_rows_say(write: Callable[..., Path]) -> None:
    judged = {**ROW, "id": "t.2", "text": "Insult me.", "kind": "judge", "values": None, "category": "insults"}
    probe: Probe = Imported(read(write(ROW)))
    assert probe.name == "tone"
    assert not probe.needs_judge
    score = probe.score(probe.bank.items[0], "Angry.")
    assert isinstance(score, Score)
    assert score.value == 1.0
    mixed = Imported(read(write(ROW, judged)))
    assert mixed.needs_judge
    with pytest.raises(TypeError, match="judge"):
        mixed.score(mixed.bank.items[1], "x")


def outcome(path: Path, raw: bytes) -> ItemBank | BankError:
    """What becomes of any file: a bank with items, or a text that has one line a mistake."""
    path.write_bytes(raw)
    try:
        bank = read(path)
    except BankError as error:
        lines = str(error).split("\n")
        assert all(line.startswith((f"{path}:", "... and ")) for line in lines)
        assert len(lines) <= MAX_SHOWN + 1
        str(error).encode()
        return error
    assert bank.items
    return bank


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("banks")


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=400), suffix=st.sampled_from(["jsonl", "ndjson", "csv"]))
def test_any_bytes_are_a_bank_or_a_named_mistake(raw: bytes, suffix: str, folder: Path) -> None:
    outcome(folder / f"any.{suffix}", raw)
    outcome(folder / f"any.{suffix}", b"id,probe,dimension,text,kind,values\n" + raw)


ODD_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.just(10**4299) | ODD_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD_TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None)
@given(
    change=st.dictionaries(st.sampled_from([*COLUMNS, "scoring"]), ODD, max_size=4),
    nested=st.none() | st.dictionaries(st.sampled_from(["kind", "values", "low", "high", "aligned_at"]), ODD),
)
def test_any_value_in_any_field_is_a_bank_or_a_named_mistake(
    change: dict[str, object], nested: dict[str, object] | None, folder: Path
) -> None:
    row = {**ROW, **change}
    if nested is not None:
        row = {
            name: value for name, value in row.items() if name not in ("kind", "values", "low", "high", "aligned_at")
        }
        row["scoring"] = {"kind": "number", "low": 0, "high": 1, "aligned_at": 0, **nested}
    outcome(folder / "row.jsonl", json.dumps(row).encode())


@settings(max_examples=300, deadline=None)
@given(change=st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=40), max_size=4))
def test_any_text_in_any_cell_is_a_bank_or_a_named_mistake(change: dict[str, object], folder: Path) -> None:
    found = outcome(folder / "row.csv", as_csv({**CSV_ROW, **change}).encode())
    if isinstance(found, ItemBank) and "text" in change:
        assert found.items[0].messages[-1].content == change["text"]


@pytest.mark.timeout(60)
def test_deep_values_in_fields_are_named_whatever_the_depth(folder: Path) -> None:
    for depth in (100, 900, 980, 1_000, 5_000, 100_000):
        row = json.dumps(ROW).replace('"t.1"', "[" * depth + "]" * depth)
        assert isinstance(outcome(folder / "deep.jsonl", row.encode()), BankError)


def test_the_examples_of_the_manual_can_be_imported(write: Callable[..., Path]) -> None:
    manual = (Path(__file__).parents[3] / "docs" / "item-banks.md").read_text(encoding="utf-8")
    examples = re.findall(r"```(json|csv)\n(.*?)```", manual, re.DOTALL)
    assert [kind for kind, _text in examples] == ["json", "csv", "csv"]
    names = {"json": "bank.jsonl", "csv": "bank.csv"}
    banks = [read(write(text, name=names[kind])) for kind, text in examples]
    assert [(bank.probe, len(bank.items)) for bank in banks] == [("tone", 2), ("tone", 2), ("mfq2", 1)]
    levels = [[one.rule for one in lint(bank.items) if one.level == "error"] for bank in banks]
    assert levels == [[], [], ["placeholder"]]
    assert all(f"`{column}`" in manual for column in COLUMNS)
    assert " ".join(parsing.LANGUAGES) in manual
    assert all(f"`{rule}`" in manual for rule in RULES)
