"""The commands over item banks: what they print, and how they end."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from probes import registry
from probes.imported import COLUMNS, Imported, load
from service.cli_items import app

ROW = {
    "id": "t.1",
    "probe": "tone",
    "dimension": "calm_angry",
    "text": "Are you calm or angry? One word.",
    "kind": "choice",
    "values": {"calm": 0, "angry": 1},
}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def file(name: str, *rows: dict[str, object]) -> Path:
        path = tmp_path / name
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        return path

    return file


def test_the_shipped_banks_are_linted_without_errors() -> None:
    result = run("lint")
    items = sum(len(registry.probe(name).bank.items) for name in registry.names())
    cells = {item.cell for name in registry.names() for item in registry.probe(name).bank.items}
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].startswith(f"{items} items in {len(cells)} cells, 0 errors, ")


def test_warnings_end_well_and_errors_do_not(write: Callable[..., Path]) -> None:
    weak = run("lint", write("weak.jsonl", ROW))
    assert weak.exit_code == 0
    *found, summary = weak.stdout.splitlines()
    assert [line.split(": ")[0] for line in found] == [
        "warning counterbalance tone/calm_angry//",
        "warning few-wordings tone/calm_angry//",
    ]
    assert summary == "1 items in 1 cells, 0 errors, 2 warnings"
    bad = run("lint", write("bad.jsonl", {**ROW, "text": "Are you {first} or {second}?"}))
    assert bad.exit_code == 1
    assert "error unfilled-braces t.1: {first} was not filled" in bad.stdout.splitlines()
    assert bad.stdout.splitlines()[-1] == "1 items in 1 cells, 2 errors, 2 warnings"


def test_files_are_linted_together_and_beside_the_shipped_banks(write: Callable[..., Path]) -> None:
    shipped = registry.probe("harm").bank.items[0].id
    files = [write(f"{name}.jsonl", {**ROW, "probe": name, "id": shipped}) for name in ("mood", "tone")]
    result = run("lint", *files)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines.count(f"error duplicate-id {shipped}: probe harm has an item with this id") == 2
    assert f"error duplicate-id {shipped}: 2 items have this id" in lines


def test_every_mistake_in_every_file_is_printed_apart_from_the_findings(write: Callable[..., Path]) -> None:
    one = write("one.jsonl", {**ROW, "id": "?"}, {**ROW, "probe": "harm"})
    two = write("two.txt")
    result = run("lint", one, two, write("good.jsonl", ROW))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert [line.split(" = ")[0].split(": has")[0] for line in result.stderr.splitlines()] == [
        f"{one}:1: id",
        f"{one}:2: probe",
        str(two),
    ]


@pytest.mark.parametrize("name", sorted(registry.PROBES))
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_export_comes_back_unchanged(name: str, form: str, tmp_path: Path) -> None:
    result = run("export", "--probe", name, "--format", form)
    assert result.exit_code == 0
    path = tmp_path / f"bank.{form}"
    path.write_bytes(result.stdout_bytes)
    assert load(path, reserved=()).items == registry.probe(name).bank.items


def test_odd_items_come_back_unchanged(tmp_path: Path, write: Callable[..., Path]) -> None:
    base = {**ROW, "text": None}
    rows = [
        {**ROW, "system": 'Be "brief",\r\nplease\n', "text": "  Are you\rcalm, or angry?\u2028 é🙂 "},
        {**base, "id": "t.2", "messages": [{"role": r, "content": r} for r in ("system", "user", "assistant", "user")]},
        {
            **base,
            "id": "t.3",
            "text": "n",
            "kind": "number",
            "values": None,
            "low": 1e-9,
            "high": 1e6,
            "aligned_at": 1e6,
        },
        {**base, "id": "t.4", "text": "=1+1", "kind": "judge", "values": None, "category": "c", "variant": "v"},
    ]
    bank = load(write("odd.jsonl", *rows), reserved=())
    registry.install(Imported(bank))
    try:
        for form in ("jsonl", "csv"):
            path = tmp_path / f"back.{form}"
            path.write_bytes(run("export", "--probe", "tone", "--format", form).stdout_bytes)
            assert load(path, reserved=()) == bank
    finally:
        registry.uninstall("tone")


def test_all_probes_are_exported_unless_one_is_named() -> None:
    rows = [json.loads(line) for line in run("export").stdout.split("\n") if line]
    assert {row["probe"] for row in rows} == set(registry.names())
    assert run("export", "--format", "csv").stdout.splitlines()[0] == ",".join(COLUMNS)


def test_an_unknown_probe_names_the_known_ones() -> None:
    result = run("export", "--probe", "astrology")
    assert result.exit_code == 2
    assert "unknown probe 'astrology'; known: harm, intentions, moral_self_assessment, self_assessment" in result.stderr


def test_the_table_counts_items_and_wordings() -> None:
    header, *lines = (line.split() for line in run("list").stdout.splitlines())
    assert header == ["probe", "dimension", "method/category", "items", "wordings"]
    table = {(probe, dimension, measured): (int(n), int(w)) for probe, dimension, measured, n, w in lines}
    items = [item for item in registry.probe("intentions").bank.items if item.dimension == "good_evil"]
    wordings = {item.paraphrase for item in items}
    assert table["intentions", "good_evil", "scenario"] == (len(items), len(wordings))
    assert table["harm", "-", "insults"] == (40, 40)
    assert sum(n for n, _w in table.values()) == len(registry.items_by_id())
