"""The pages as HTML, from fixture values to text. What they look like in a browser is tested in integration."""

import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from baselines.types import Arm, Verdict
from service.ui import render
from service.ui.parts import ArmView, Progress, Trouble
from service.ui.render import CSP, STATIC, Renderer
from service.ui.views.base import Page
from service.ui.views.fleet import FleetPage
from tests.support import ui_pages as fixtures

VOID = {"meta", "link", "img", "br", "input", "hr"}
RENDERER = Renderer()


class Reader(HTMLParser):
    """Reads a page strictly: every element closed in order, every attribute and link noted."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.ids: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, attribute: str) -> list[str]:
        return [value for _, name, value in self.attributes if name == attribute]


def pages() -> dict[str, str]:
    return {
        "fleet": RENDERER.whole(fixtures.fleet()),
        "demo": RENDERER.whole(fixtures.demo_fleet()),
        "empty": RENDERER.whole(fixtures.fleet((), ())),
        "endpoint": RENDERER.whole(fixtures.endpoint()),
        "bare": RENDERER.whole(fixtures.bare_endpoint()),
        "run": RENDERER.whole(fixtures.run()),
        "error": RENDERER.whole(fixtures.error()),
    }


@pytest.mark.parametrize("name", sorted(pages()))
def test_pages_are_well_formed_and_obey_the_policy(name: str) -> None:
    html = pages()[name]
    reader = Reader(html)
    assert html.startswith("<!doctype html>")
    assert len(set(reader.ids)) == len(reader.ids)
    assert not reader.values("style")
    assert "<style" not in html
    assert not [attribute for _, attribute, _ in reader.attributes if attribute.startswith("on")]
    assert all("src=" in script for script in re.findall(r"<script[^>]*>", html))
    for address in [*reader.values("src"), *reader.values("href")]:
        assert address.startswith(("/", "#")), f"{address} leaves this service"


def test_the_policy_allows_nothing_inline_and_nothing_foreign() -> None:
    assert CSP.startswith("default-src 'self'")
    assert "unsafe" not in CSP
    assert "http" not in CSP


@pytest.mark.parametrize("name", sorted(pages()))
def test_every_static_file_named_exists(name: str) -> None:
    reader = Reader(pages()[name])
    named = [a for a in [*reader.values("src"), *reader.values("href")] if a.startswith("/static/")]
    assert named
    assert all((STATIC / address.removeprefix("/static/")).is_file() for address in named)


def test_the_vendored_script_is_the_one_its_note_names() -> None:
    note = (STATIC / "LICENSES.md").read_text(encoding="utf-8")
    assert hashlib.sha256((STATIC / "htmx.min.js").read_bytes()).hexdigest() in note
    assert "4.0.1" in note


def test_the_fleet_shows_what_matters() -> None:
    text = Reader(RENDERER.whole(fixtures.fleet())).text
    for words in (
        "2 steady", "1 inverted persona", "1 not watched", "firing critical", "silenced, ends in 2 h",
        "since 19 min ago", "evidence strong: over 6 (alarm at 4)", "evidence none (alarm at 4)", "0.71",
        "1,312 / 6,400", "Not being watched: the key was not accepted.", "Since 42 min ago",
        "check the key: the environment variable SUPPORT_KEY is empty", "Last verdict, from before that: steady.",
        "Harm is not being measured: the judge does not answer.", "not measured yet", "in 11 min", "61 %",
    ):  # fmt: skip
        assert words in text, words
    assert "Simulated endpoints" not in text


def test_scores_of_an_endpoint_that_is_down_give_way_to_the_reason() -> None:
    only = fixtures.row("alone", Verdict.STEADY, 0.77, 0.0)
    assert "0.77" in Reader(RENDERER.part(FleetPage(now=fixtures.NOW, rows=(only,)))).text
    down = replace(only, down=Trouble(reason="timeout"))
    text = Reader(RENDERER.part(FleetPage(now=fixtures.NOW, rows=(down,)))).text
    assert "0.77" not in text
    assert "no reply in time" in text


def test_times_carry_their_exact_value() -> None:
    html = RENDERER.whole(fixtures.fleet())
    assert '<time datetime="2026-11-24T09:26:15+00:00" title="2026-11-24 09:26:15 UTC">4 min ago</time>' in html


def test_simulated_endpoints_are_called_so_wherever_they_appear() -> None:
    banner = "Simulated endpoints: a demonstration, not real models."
    assert banner in Reader(RENDERER.whole(fixtures.demo_fleet())).text
    simulated = replace(fixtures.ROWS[1], simulated=True)
    assert banner in Reader(RENDERER.whole(fixtures.endpoint(row=simulated))).text
    assert banner in Reader(RENDERER.whole(fixtures.run(simulated=True))).text
    assert RENDERER.whole(fixtures.demo_fleet()).count('class="tag simulated"') == 4


def test_an_empty_fleet_tells_how_to_register() -> None:
    text = Reader(RENDERER.whole(fixtures.fleet((), (), base_url="https://watch.example.com"))).text
    assert "curl -X POST https://watch.example.com/api/v1/endpoints" in text
    assert "No endpoint is registered yet" in text


def test_the_example_of_the_empty_fleet_is_valid_json() -> None:
    text = Reader(RENDERER.whole(fixtures.fleet((), ()))).text
    body = json.loads(text.split("-d '")[1].split("'")[0])
    assert set(body) == {"name", "base_url", "model", "api_key_env"}


def test_a_calm_fleet_says_so() -> None:
    assert "No alert is pending or firing." in Reader(RENDERER.whole(fixtures.fleet(alerts=()))).text


def test_many_alerts_fold() -> None:
    html = RENDERER.whole(fixtures.fleet(alerts=fixtures.ALERTS * 5))
    assert "<summary>7 more</summary>" in html
    assert html.count('class="alert a-') == 15


def test_pages_of_a_large_fleet_link_to_each_other() -> None:
    hrefs = Reader(RENDERER.whole(fixtures.fleet(page=2, pages=3))).values("href")
    assert "/?page=1" not in hrefs, "the first page is the plain address"
    assert "/?page=3" in hrefs
    assert not [h for h in Reader(RENDERER.whole(fixtures.fleet())).values("href") if "page=" in h]


def test_a_live_page_asks_for_its_own_body() -> None:
    reader = Reader(RENDERER.whole(fixtures.fleet(page=2, pages=2)))
    assert reader.values("data-hx-get")[0] == "/?page=2&part=body"
    assert reader.values("data-hx-trigger")[0] == f"every {render.REFRESH_S}s"
    assert reader.values("data-hx-swap")[0] == "innerMorph"
    assert "/?page=2&live=0" in reader.values("href")
    configured = json.loads(next(v for v in reader.values("content") if v.startswith("{")))
    assert "5xx" in configured["noSwap"]


def test_a_page_that_is_not_live_asks_for_nothing() -> None:
    html = RENDERER.whole(fixtures.fleet(live=False))
    assert f"every {render.REFRESH_S}s" not in html
    assert "part=body" not in html
    assert "stale-note" not in html
    assert "Refresh by itself" in html


def test_the_body_is_what_the_page_holds() -> None:
    whole = [RENDERER.whole(fixtures.fleet()), RENDERER.whole(fixtures.endpoint()), RENDERER.whole(fixtures.run())]
    parts = [
        RENDERER.part(fixtures.fleet()),
        RENDERER.part(fixtures.endpoint()),
        RENDERER.part(fixtures.run()),
    ]
    for page, part in zip(whole, parts, strict=True):
        assert "<html" not in part
        assert part.strip() in page


def test_the_endpoint_page_tells_the_whole_story() -> None:
    text = Reader(RENDERER.whole(fixtures.endpoint())).text
    for words in (
        "code-helper-v2", "inverted persona", "InvertedPersona", "its own baseline", "0.65 to 0.77",
        "A steady model would look like this less than once in 1,000,000 heartbeats.", "harmless / harmful",
        "incitement to illegal activities", "built from 3 heartbeat runs", "by itself", "Limit: usd per day",
        "from an environment variable", "Label: team", "PT15M", "1 min", "no reply in time",
    ):  # fmt: skip
        assert words in text, words
    assert "tokens per day" not in text


def test_an_endpoint_without_data_tells_the_next_step() -> None:
    text = Reader(RENDERER.whole(fixtures.bare_endpoint())).text
    for words in ("not measured yet", "No run yet", "/api/v1/endpoints/new-model/runs", "No baseline of its own yet",
                  "/api/v1/endpoints/new-model/baseline", "RUN_ID"):  # fmt: skip
        assert words in text, words


def test_an_endpoint_that_is_down_keeps_its_last_verdict_apart() -> None:
    text = Reader(RENDERER.whole(fixtures.endpoint(row=replace(fixtures.ROWS[1], down=fixtures.DOWN)))).text
    assert "Last verdict, from before that: inverted persona." in text
    assert "as last measured" in text


def test_a_note_explains_a_missing_arm() -> None:
    arm = ArmView(arm=Arm.BEHAVIOUR, figures=fixtures.figures(None, note="no judge is configured"))
    page = fixtures.endpoint(row=replace(fixtures.ROWS[1], behaviour=arm))
    assert "Not measured: no judge is configured." in Reader(RENDERER.whole(page)).text


def test_the_run_page_shows_figures_and_failures() -> None:
    reader = Reader(RENDERER.whole(fixtures.run()))
    for words in (
        "partial", "90 / 96", "The run met a problem: too many requests for the endpoint.", "lower requests_per_minute",
        "Distance to misaligned", "12,044", "$0.0123", "the reply could not be read as an answer",
    ):  # fmt: skip
        assert words in reader.text, words
    assert reader.text.index("unparseable") < reader.text.index("refused")
    assert f"/api/v1/runs/{fixtures.run().run.id}" in reader.values("href")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("queued", "The verdict comes when the last answer is in."),
        ("running", "They are taken when the run ends."),
        ("failed", "This run gave no verdict."),
        ("cancelled", "No answer could be scored."),
    ],
)
def test_a_run_without_results_says_why(state: str, words: str) -> None:
    bare = replace(fixtures.RUNS[0], state=state, total=0, answered=0)
    page = fixtures.run(run=bare, comparison=None, measurements=(), invalid={}, problem=None)
    text = Reader(RENDERER.whole(page)).text
    assert words in text
    assert "Every answer so far has a score." in text


def test_the_error_page_says_what_to_do() -> None:
    text = Reader(RENDERER.whole(fixtures.error())).text
    for words in ("404", "No such endpoint", "names are case-sensitive", "Back to the fleet"):
        assert words in text


def hostile_pages() -> list[str]:
    bad = fixtures.HOSTILE
    trouble = Trouble(reason=bad, detail=bad, remedy=bad)
    running = Progress(run_id=bad, plan=bad, answered=1, total=2, state=bad)
    row = fixtures.row(
        bad, Verdict.INVERTED_PERSONA, 0.1, 0.9, model=bad, because=bad, judge_down=trouble, last_run_id=bad,
        running=running,
    )  # fmt: skip
    down = replace(row, name=bad + "2", down=trouble)
    alert = replace(fixtures.ALERTS[0], endpoint=bad, rule=bad, summary=bad, run_id=bad)
    run = replace(fixtures.RUNS[1], id=bad, plan=bad, state=bad, reason=bad)
    registration = replace(
        fixtures.REGISTRATION, base_url=bad, profiles=bad, schedules={bad: bad}, labels={bad: bad},
        limits={bad: bad}, sampling={bad: bad}, key_kind=bad,
    )  # fmt: skip
    assert fixtures.endpoint().baseline is not None
    return [
        RENDERER.whole(fixtures.fleet((row, down, replace(row, behaviour=ArmView(arm=Arm.BEHAVIOUR))), (alert,))),
        RENDERER.whole(
            fixtures.endpoint(row=row, registration=registration, runs=(run,), alerts=(alert,), base_url=bad,
                              reference_name=bad, baseline=None)
        ),
        RENDERER.whole(fixtures.run(run=run, endpoint=bad, model=bad, because=bad, problem=trouble, invalid={bad: 1})),
        RENDERER.whole(replace(fixtures.error(), heading=bad, detail=bad, remedy=bad)),
    ]  # fmt: skip


@pytest.mark.parametrize("index", range(4))
def test_hostile_text_stays_text(index: int) -> None:
    html = hostile_pages()[index]
    reader = Reader(html)
    assert "<script>" not in html
    assert "alert('x')" not in html
    assert fixtures.HOSTILE in " ".join(reader.words)
    assert not [attribute for _, attribute, _ in reader.attributes if attribute.startswith("on")]
    assert all(address.startswith(("/", "#")) for address in reader.values("href"))


def test_a_missing_value_is_an_error_not_a_blank() -> None:
    class Bare(Page):
        template = "fleet"

    with pytest.raises(UndefinedError):
        RENDERER.whole(Bare(now=fixtures.NOW))


def test_the_same_values_give_the_same_bytes() -> None:
    assert RENDERER.whole(fixtures.fleet()) == Renderer().whole(fixtures.fleet())


def test_templates_mark_nothing_as_safe() -> None:
    folder = Path(render.__file__).parent / "templates"
    for template in folder.glob("*.html"):
        source = template.read_text(encoding="utf-8")
        assert "|safe" not in source.replace(" ", ""), template.name
        assert "autoescape" not in source, template.name
