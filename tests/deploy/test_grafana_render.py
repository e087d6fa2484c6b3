"""The pictures of the dashboards: a bad one is noticed, each panel can be drawn, the packages are pinned."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from deploy.grafana.render import shots
from deploy.grafana.render.stack import HERE
from tests.support.browser import chromium

GRAFANA = HERE.parent
PANEL = """<section data-panel="1" data-title="Harm" data-state="{state}" data-values="{values}"
    style="position:relative;width:400px;height:200px;font:16px/20px sans-serif">
    <h2 style="margin:0;font-size:16px">Harm</h2>{body}</section>"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_page(viewport={"width": 900, "height": 600})


def problems(page: Page, body: str, *, state: str = "done", values: int = 3, script: str = "") -> list[str]:
    page.set_content(PANEL.format(state=state, values=values, body=body))
    if script:
        page.evaluate(script)
    found: list[list[str]] = page.evaluate(shots.LOOK)
    assert all(title == "Harm" for title, _ in found)
    return [what for _, what in found]


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        pytest.param("<p>0.42</p>", None, id="well"),
        pytest.param('<p style="width:1px;height:1px;overflow:hidden">Series colour</p><p>1</p>', None, id="unseen"),
        pytest.param("<p>No data</p>", "has no data", id="no-data"),
        pytest.param("<canvas></canvas>", "shows nothing", id="blank-canvas"),
        pytest.param(
            '<p style="width:40px;overflow:hidden;white-space:nowrap;text-overflow:ellipsis">coherent misalignment</p>',
            'cuts off "coherent misalignment"',
            id="ellipsis",
        ),
        pytest.param(
            '<p style="display:inline-block;overflow:hidden;white-space:nowrap;text-overflow:ellipsis">steady</p>',
            None,
            id="ellipsis-not-needed",
        ),
        pytest.param(
            '<p style="position:absolute;left:360px;top:60px;white-space:nowrap">over the edge</p>',
            'cuts off "over the edge"',
            id="over-the-edge",
        ),
        pytest.param(
            '<p style="position:absolute;left:9px;top:60px">one</p>'
            '<p style="position:absolute;left:12px;top:64px">two</p>',
            'has "one" on the place of "two"',
            id="overlap",
        ),
        pytest.param(
            '<div style="height:40px;overflow-y:auto;line-height:20px">drifting<br>inverted<br>steady</div>',
            "hides 20 px below a scroll bar",
            id="scrolled",
        ),
    ],
)
def test_what_a_person_would_dislike_is_told(page: Page, body: str, wrong: str | None) -> None:
    found = problems(page, body)
    assert (wrong in found) if wrong else not found, found


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_a_panel_without_values_or_with_an_error_is_told(page: Page) -> None:
    assert problems(page, "<p>none yet</p>", values=0) == ["has no data"]
    [told] = problems(page, "<p>bad_data: parse error</p>", state="error")
    assert told.startswith("is in state error")
    assert "bad_data: parse error" in told


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_an_ellipsis_for_a_fraction_of_a_pixel_is_told(page: Page) -> None:
    text = '<p style="display:inline-block;overflow:hidden;white-space:nowrap;text-overflow:ellipsis">False alarms</p>'
    narrow = "(p => p.style.width = p.getBoundingClientRect().width - 0.3 + 'px')(document.querySelector('p'))"
    assert problems(page, text, script=narrow) == ['cuts off "False alarms"']


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_a_painted_canvas_is_content_and_no_panel_at_all_is_told(page: Page) -> None:
    paint = "document.querySelector('canvas').getContext('2d').fillRect(0, 0, 9, 9)"
    assert problems(page, "<canvas></canvas>", script=paint) == []
    page.set_content("<p>an empty dashboard</p>")
    assert page.evaluate(shots.LOOK) == [["", "the dashboard has no panel"]]


def panels(name: str) -> list[dict[str, Any]]:
    board = json.loads((GRAFANA / "dashboards" / f"{name}.json").read_text(encoding="utf-8"))
    return [inner for panel in board["panels"] for inner in (panel, *(panel.get("panels") or []))]


def test_every_committed_dashboard_is_drawn_and_every_kind_of_panel_can_be() -> None:
    assert set(shots.DASHBOARDS) == {path.stem for path in (GRAFANA / "dashboards").glob("*.json")}
    source = (GRAFANA / "render" / "src" / "PanelBox.tsx").read_text(encoding="utf-8")
    kinds = re.search(r"const KINDS[^{]*{([^}]*)}", source)
    assert kinds is not None
    drawn = {"row", *re.findall(r"^\s*'?([a-z-]+)'?:", kinds[1], re.MULTILINE)}
    for name in shots.DASHBOARDS:
        assert {panel["type"] for panel in panels(name)} <= drawn, name


def test_panels_that_may_be_empty_exist() -> None:
    for name, excused in shots.EMPTY_IN_DEMO.items():
        assert set(excused) <= {panel.get("title") for panel in panels(name)}, name


def test_the_renderer_pins_every_package_and_names_no_registry() -> None:
    folder = GRAFANA / "render"
    package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    wanted = package["dependencies"] | package["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values()), wanted
    locked = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert all("resolved" not in entry for entry in locked.values())
    assert all("integrity" in entry for name, entry in locked.items() if name)
