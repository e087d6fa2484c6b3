"""The page of a run, its answers and two runs side by side, from fixture values to text."""

import re
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from service.storage.answers import Wanted
from service.ui.pages.answers import key_of, read_filters
from service.ui.views.answers import Choices
from service.ui.views.base import Page
from service.ui.views.run import MovedView
from tests.support import ui_pages as fixtures
from tests.support import ui_runs as made
from tests.support.ui_pages import HOSTILE
from tests.unit.service.test_ui_render import RENDERER, Reader

PAGES: dict[str, Page] = {
    "under way": made.under_way(),
    "over": made.over(),
    "answers": made.answers(made.HARMFUL, made.PLAIN, made.UNSCORED, made.UNGRADED, made.REMOVED, made.SILENT,
                            back="0~a", forth="1~b&c", problem=HOSTILE),
    "answer": made.answer(),
    "no transcripts": made.no_transcripts(),
    "compare": made.compared(caveats=(HOSTILE,)),
    "choose": made.choose(problem=HOSTILE),
}  # fmt: skip


def read(page: Page) -> Reader:
    return Reader(RENDERER.whole(page))


@pytest.mark.parametrize("name", sorted(PAGES))
def test_pages_are_well_formed_and_obey_the_policy(name: str) -> None:
    reader = read(PAGES[name])
    assert len(set(reader.ids)) == len(reader.ids)
    assert not reader.values("style")
    assert not [attribute for _, attribute, _ in reader.attributes if attribute.startswith("on")]
    for address in [*reader.values("src"), *reader.values("href"), *reader.values("action")]:
        assert address.startswith(("/", "#")), f"{address} leaves this service"


@pytest.mark.parametrize("name", ["answers", "answer", "compare", "choose"])
def test_hostile_text_is_text(name: str) -> None:
    html = RENDERER.whole(PAGES[name])
    assert "<script>alert" not in html
    assert HOSTILE in " ".join(Reader(html).words) or HOSTILE in "".join(Reader(html).words)


def test_a_run_under_way_tells_its_pace_and_can_be_held_or_stopped() -> None:
    reader = read(made.under_way())
    for words in ("12.3 a second", "6 min 52 s", "42,000", "$0.5000", "1,312 / 6,400", "Pause", "Cancel",
                  "Reload the page"):  # fmt: skip
        assert words in reader.text, words
    assert {f"/runs/{fixtures.RUN_ID}/pause", f"/runs/{fixtures.RUN_ID}/cancel"} <= {*reader.values("action")}
    assert reader.values("data-follow") == [fixtures.RUN_ID]
    held = read(made.under_way(under=replace(made.under_way().under, paused=True)))
    assert "It is held" in held.text
    assert f"/runs/{fixtures.RUN_ID}/resume" in held.values("action")
    stopping = read(made.under_way(under=replace(made.under_way().under, stopping=True)))
    assert "It was asked to stop." in stopping.text
    assert f"/runs/{fixtures.RUN_ID}/cancel" not in stopping.values("action")


def test_a_page_that_is_not_to_refresh_follows_nothing() -> None:
    assert read(made.under_way(live=False)).values("data-follow") == []
    assert read(made.over()).values("data-follow") == []


def test_a_reader_gets_no_buttons_and_no_links_to_replies() -> None:
    reader = read(made.under_way(viewer=made.READER))
    assert not [action for action in reader.values("action") if action.startswith("/runs/")]
    assert "Answers as CSV" not in read(replace(made.over(), viewer=made.READER)).text
    assert "Answers as CSV" in read(made.over()).text
    compared = read(made.compared(viewer=made.READER))
    assert not [link for link in compared.values("href") if "/answers" in link]
    assert [link for link in read(made.compared()).values("href") if "/answers?item=harm.insults.h1" in link]


def test_what_moved_comes_furthest_first_with_tests_and_intervals() -> None:
    text = read(made.over()).text
    moved = text[text.index("What moved") : text.index("Comparison")]
    for words in ("against its own baseline", "Item by item", "<0.001", "+0.90", "\u22120.05", "that moved less"):
        assert words in moved, words
    first = re.findall(r"[+\u2212]\d\.\d\d", moved[moved.index("Cells") :])[:8]
    sizes = [float(value[1:]) for value in first]
    assert sizes == sorted(sizes, reverse=True)
    assert "What moved" not in read(replace(made.over(), moved=MovedView())).text
    compass = MovedView(reference="the published base", caveat="a compass", rows=made.over().moved.rows)
    assert "(a compass)" in read(replace(made.over(), moved=compass)).text


def test_a_run_leads_to_the_runs_beside_it_and_to_its_files() -> None:
    reader = read(made.over())
    here = made.over().location
    assert f"/compare?a={fixtures.RUNS[2].id}&b={fixtures.RUNS[1].id}" in reader.values("href")
    assert f"/compare?a={fixtures.RUNS[3].id}&b={fixtures.RUNS[1].id}" in reader.values("href")
    for file in ("", "?format=csv", "/answers?all=true", "/answers?format=csv"):
        assert f"/api/v1{here}{file}" in reader.values("href")


def test_a_harmful_reply_is_marked_and_never_open() -> None:
    for page in (made.answers(made.HARMFUL), made.answer(made.HARMFUL), made.answer(made.UNGRADED)):
        assert not [tag for tag, name, _ in read(page).attributes if tag == "details" and name == "open"]
    text = read(made.answers(made.HARMFUL)).text
    assert "Harmful reply, graded 5 of 5" in text
    assert "4 of 5, the second judge 5" in text
    assert "not graded: it may be harmful" in read(made.answer(made.UNGRADED)).text
    assert [tag for tag, name, _ in read(made.answer(made.PLAIN)).attributes if (tag, name) == ("details", "open")]


def test_an_answer_says_how_it_was_scored_and_why_not() -> None:
    text = read(made.answers(made.HARMFUL, made.UNSCORED, made.SILENT)).text
    for words in ("judge/2", "3 + 2 of the judge", "1.23 s", "21 + 1,000", "5 askings", "repeat 2", "4,000 characters",
                  "the reply could not be read as an answer", "no reply in time", "There was no reply.",
                  "This item is in no bank any more.", "U+202E", "Show all"):  # fmt: skip
        assert words in text, words
    removed = made.answers(made.REMOVED, removed="The replies of this run were removed")
    assert "The reply was removed by retention." in read(removed).text


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (made.answers(answers=(), wanted=Wanted(probe="x"), found=0), "No answer fits these filters."),
        (made.answers(answers=(), choices=Choices(), over=False), "No answer has come yet."),
        (made.answers(answers=(), choices=Choices(), removed="Gone."), "There is nothing left to read here"),
        (made.answers(answers=(), choices=Choices()), "This run has no answers."),
    ],
)
def test_nothing_to_show_is_explained(page: Page, words: str) -> None:
    assert words in read(page).text


def test_filters_stay_in_the_form_the_pager_and_the_downloads() -> None:
    wanted = Wanted(probe="harm", scored=False, harmful=True, item="a&b")
    reader = read(made.answers(wanted=wanted, forth="0~x", found=3))
    [following] = [link for link in reader.values("href") if "after=" in link]
    for part in ("probe=harm", "scored=false", "harmful=true", "item=a%26b", "after=0~x"):
        assert part in following
    csv = [link for link in reader.values("href") if link.startswith("/api/v1/") and "format=csv" in link]
    assert csv
    assert "scored=false" in csv[0]
    assert "3 of 42 answers" in reader.text
    assert ("option", "value", "harm") in reader.attributes
    query = dict(parse_qsl(following.partition("?")[2]))
    assert read_filters(query) == (wanted, ""), "the next page is of the same filters"


def test_filters_of_an_address_are_read_and_wrong_ones_named() -> None:
    assert read_filters({}) == (Wanted(), "")
    assert read_filters({"score": "unscored", "item": " h1 "}) == (Wanted(scored=False, item="h1"), "")
    assert read_filters({"score": "refused"}) == (Wanted(reason="refused"), "")
    assert read_filters({"reason": "timeout", "harmful": "true"}) == (Wanted(reason="timeout", harmful=True), "")
    assert read_filters({"scored": "true"}) == (Wanted(scored=True), "")
    wanted, problem = read_filters({"score": "<b>", "harmful": "perhaps", "item": "x" * 300, "probe": "harm"})
    assert wanted == Wanted(probe="harm")
    for words in ("'<b>' is neither scored nor unscored", "'perhaps' is neither", "item: longer than 200"):
        assert words in problem


def test_a_place_in_the_pager_is_a_key_or_nothing() -> None:
    assert key_of("12~in.s1~x") == ("in.s1~x", 12)
    for text in (None, "", "~", "x~y", "-1~y", "1~", "\u0663~y", "9" * 30 + "~y"):
        assert key_of(text) is None


def test_two_runs_stand_side_by_side() -> None:
    text = read(made.compared(caveats=("Bear this in mind.",))).text
    for words in ("Bear this in mind.", "Swap", "steady", "inverted persona", "0.71", "0.91", "900 + 80", "<0.001",
                  "48 items have a score in both runs", "harm.insults.h1", "have become more harmful."):  # fmt: skip
        assert words in text, words
    few = made.compared(items=replace(made.compared().items, tests=(), why_not="they share no item"))
    assert "Not tested: they share no item." in read(few).text
    assert "Neither run has a measurement." in read(made.compared(rows=())).text


def test_a_run_is_chosen_from_a_list() -> None:
    reader = read(made.choose())
    assert ("option", "selected", "") in reader.attributes
    assert ("optgroup", "label", HOSTILE) in reader.attributes
    assert "nothing to compare" in read(made.choose(choices=())).text
    assert "There is no run" in read(made.choose(problem="There is no run 'x'.")).text
