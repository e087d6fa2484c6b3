"""The dashboards are what their code says, and such that Grafana takes them."""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard as Model

from baselines.types import Verdict
from deploy.grafana.board import ENDPOINT, FLEET, SERVICE
from deploy.grafana.generate import DASHBOARDS, FOLDER, generated
from deploy.grafana.words import MOVED, VERDICTS, dimensions

Json = dict[str, Any]
UIDS = {"fleet": FLEET, "endpoint": ENDPOINT, "service": SERVICE}
BUILT_IN = {"__field", "__value", "__data", "__url_time_range", "__interval", "__rate_interval", "__all"}
UNITS = {"none", "percentunit", "currencyUSD", "s", "bytes", "short", "cpm"}
VARIABLE = re.compile(r"\$(?:\{(\w+)[^}]*\}|(\w+))")
COLUMNS = 24
each = pytest.mark.parametrize("name", DASHBOARDS)


def read(name: str) -> Json:
    found: Json = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def panels(board: Json) -> list[Json]:
    """Without the rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)


def variables(value: object) -> set[str]:
    return {a or b for text in strings(value) for a, b in VARIABLE.findall(text)}


@each
def test_the_committed_file_is_what_the_code_makes(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == generated(name), "run `make dashboards`"


def test_there_are_no_other_files() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(DASHBOARDS)


@each
def test_grafana_s_types_take_it_and_lose_nothing(name: str) -> None:
    register_default_plugins()
    board = read(name)
    again = json.loads(json.dumps(Model.from_json(board), cls=JSONEncoder))
    for annotation in board["annotations"].get("list", []):  # the library lacks the texts of Prometheus annotations
        for text in ("titleFormat", "textFormat", "tagKeys"):
            assert annotation.pop(text)
    for panel in again["panels"]:
        if panel["type"] == "table":  # reading adds the defaults of a cell
            assert panel["fieldConfig"]["defaults"].pop("custom") == {"align": "auto", "inspect": False}
    assert again == board


@each
def test_panels_are_told_apart_and_do_not_overlap(name: str) -> None:
    board = read(name)
    assert [panel["id"] for panel in board["panels"]] == list(range(1, len(board["panels"]) + 1))
    for row, inside in itertools.groupby(panels(board), key=lambda panel: panel["gridPos"]["y"]):
        assert sum(panel["gridPos"]["w"] for panel in inside) == COLUMNS, f"the row at {row} has a hole"
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= COLUMNS
        for cell in itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])):
            assert cell not in taken, f"{panel['title']} lies over {taken[cell]}"
            taken[cell] = panel["title"]


@each
def test_a_panel_says_what_it_shows_in_a_unit(name: str) -> None:
    board = read(name)
    for panel in panels(board):
        assert panel["title"], panel
        assert len(panel["description"]) > 10, panel["title"]
        assert panel["targets"], panel["title"]
        assert panel["fieldConfig"]["defaults"].get("unit", "none") in UNITS, panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs)), panel["title"]
        if panel["type"] == "timeseries":
            assert all(target["legendFormat"] != "__auto" for target in panel["targets"]), panel["title"]


@each
def test_the_data_source_is_the_reader_s_choice_everywhere(name: str) -> None:
    board = read(name)
    sources = [panel["datasource"] for panel in panels(board)]
    sources += [target["datasource"] for panel in panels(board) for target in panel["targets"]]
    sources += [annotation["datasource"] for annotation in board["annotations"].get("list", [])]
    sources += [v["datasource"] for v in board["templating"]["list"] if v["type"] == "query"]
    assert {(source["type"], source["uid"]) for source in sources} == {("prometheus", "${datasource}")}


@each
def test_each_variable_is_used_and_each_used_one_is_there(name: str) -> None:
    board = read(name)
    defined = [variable["name"] for variable in board["templating"]["list"]]
    used = variables({key: value for key, value in board.items() if key != "templating"})
    used |= variables(board["templating"]["list"])
    assert len(defined) == len(set(defined))
    assert used - BUILT_IN == set(defined)


@each
def test_links_lead_to_dashboards_that_there_are(name: str) -> None:
    board = read(name)
    assert board["uid"] == UIDS[name]
    for uid, rest in re.findall(r"/d/([\w-]+)\?([^\"]*)", "\n".join(strings(board))):
        assert uid in UIDS.values()
        target = next(key for key, value in UIDS.items() if value == uid)
        there = {variable["name"] for variable in read(target)["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=", rest)) <= there
        assert "${__url_time_range}" in rest
    (link,) = board["links"]
    assert (link["type"], link["tags"]) == ("dashboards", ["selfwatch"])
    assert board["tags"] == ["selfwatch"]


def test_the_fleet_leads_to_each_endpoint() -> None:
    leading = [panel["title"] for panel in panels(read("fleet")) if f"/d/{ENDPOINT}" in json.dumps(panel)]
    assert "Endpoints, worst first" in leading
    assert "Self-reported harm" in leading
    assert "Judged harm" in leading


@each
def test_an_override_is_about_something_that_can_be_there(name: str) -> None:
    """A pattern must fit a legend of its panel, or a value that a label of such a legend can have."""
    values = {*map(str, Verdict), *dimensions(), "base", "realigned", "misaligned"}
    for panel in panels(read(name)):
        if panel["type"] != "timeseries":
            continue
        legends = [target["legendFormat"] for target in panel["targets"]]
        for override in panel["fieldConfig"]["overrides"]:
            pattern = re.compile(override["matcher"]["options"].strip("/"))
            free = any("{{" in legend for legend in legends)
            assert free or any(pattern.search(name) for name in (*legends, *values)), (panel["title"], pattern)


def test_all_verdicts_have_a_look_and_the_worst_is_last() -> None:
    assert set(VERDICTS) == set(Verdict)
    assert sorted(look.rank for look in VERDICTS.values()) == list(range(len(Verdict)))
    assert set(MOVED) == {
        Verdict.SELF_REPORT_SHIFT, Verdict.BEHAVIOUR_SHIFT, Verdict.INVERTED_PERSONA, Verdict.COHERENT_MISALIGNMENT,
    }  # fmt: skip
    mapped = [panel for panel in panels(read("endpoint")) if panel["fieldConfig"]["defaults"].get("mappings")]
    (verdict,) = [panel for panel in mapped if (panel["title"], panel["type"]) == ("Verdict", "stat")]
    options = verdict["fieldConfig"]["defaults"]["mappings"][0]["options"]
    assert {int(rank): one["text"] for rank, one in options.items()} == {v.rank: v.text for v in VERDICTS.values()}


def test_the_fleet_table_shows_the_worst_first_and_names_each_column() -> None:
    (table,) = [panel for panel in panels(read("fleet")) if panel["type"] == "table"]
    assert table["options"]["sortBy"] == [{"desc": True, "displayName": "Verdict"}]
    organize = next(one for one in table["transformations"] if one["id"] == "organize")["options"]
    for target in table["targets"]:
        assert (target["instant"], target["format"]) == (True, "table")
        field = f"Value #{target['refId']}"
        assert field in organize["renameByName"] or organize["excludeByName"][field]
    named = {one["matcher"]["options"] for one in table["fieldConfig"]["overrides"]}
    assert named == set(organize["renameByName"].values())


def test_provisioning_finds_dashboards_and_data_source() -> None:
    folder = FOLDER.parent / "provisioning"
    (provider,) = yaml.safe_load((folder / "dashboards" / "selfwatch.yaml").read_text())["providers"]
    assert provider["options"]["path"] == "/etc/grafana/dashboards"  # compose.yaml mounts them there
    sources = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert [(source["type"], source.get("isDefault", False)) for source in sources] == [
        ("prometheus", True), ("alertmanager", False),
    ]  # fmt: skip
    every = yaml.safe_load((FOLDER.parents[1] / "prometheus" / "prometheus.yaml").read_text())["global"][
        "scrape_interval"
    ]
    assert sources[0]["jsonData"]["timeInterval"] == every
