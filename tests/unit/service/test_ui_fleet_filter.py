"""What of the fleet is shown, and in which order."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from baselines.types import Verdict
from service.storage.fleet import Listing
from service.ui.fleet_filter import NONE, SORTS, STATES, VERDICTS, Filter, FilterError
from tests.support.ui_pages import HOSTILE

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def listing(name: str, **more: Any) -> Listing:
    values: dict[str, Any] = {
        "id": 1, "name": name, "model": "vendor/large", "profiles": "gpt-4.1/all", "labels": {}, "verdict": "steady",
        "paused": False, "simulated": False, "down": False, "self_report": 0.0, "behaviour": 0.0, "last_run_at": NOW,
    }  # fmt: skip
    return Listing(**(values | more))


EVERY = (
    listing("bot", id=1, labels={"team": "search"}, verdict="inverted_persona", behaviour=0.8),
    listing("code", id=2, model="Vendor/Small", labels={"team": "ads", "env": "prod"}, paused=True, self_report=0.3),
    listing("down", id=3, down=True, last_run_at=NOW - timedelta(days=2)),
    listing("demo", id=4, simulated=True, verdict=None, self_report=None, behaviour=None, last_run_at=None),
    listing("also", id=5, verdict="inverted_persona", behaviour=0.9, last_run_at=NOW - timedelta(hours=1)),
)
USD = {1: 0.5, 2: 2.0, 3: 0.0, 4: 0.0, 5: 0.5}
TOKENS = {1: 10, 2: 0, 3: 70, 4: 90, 5: 20}


def shown(**query: str) -> list[str]:
    wanted = Filter.of(query)
    return [one.name for one in EVERY if wanted.shows(one)]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["bot", "code", "down", "demo", "also"]),
        ({"q": "BO"}, ["bot"]),
        ({"q": "small"}, ["code"]),
        ({"q": "team=ads"}, ["code"]),
        ({"q": "prod"}, ["code"]),
        ({"q": "  vendor   ads "}, ["code"]),
        ({"q": "search small"}, []),
        ({"verdict": "inverted_persona"}, ["bot", "also"]),
        ({"verdict": NONE}, ["demo"]),
        ({"label": "team=search"}, ["bot"]),
        ({"label": "team=sea"}, []),
        ({"state": "down"}, ["down"]),
        ({"state": "paused"}, ["code"]),
        ({"state": "simulated"}, ["demo"]),
        ({"verdict": "inverted_persona", "label": "team=search", "q": "b"}, ["bot"]),
    ],
)
def test_all_that_is_chosen_must_hold(query: dict[str, str], names: list[str]) -> None:
    assert shown(**query) == names


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("worst", ["also", "bot", "down", "demo", "code"]),
        ("name", ["also", "bot", "code", "demo", "down"]),
        ("drift", ["also", "bot", "code", "down", "demo"]),
        ("last_run", ["bot", "code", "also", "down", "demo"]),
        ("cost", ["code", "also", "bot", "demo", "down"]),
    ],
)
def test_each_order(sort: str, names: list[str]) -> None:
    found = Filter(sort=sort).order(EVERY, lambda one: (USD[one.id], TOKENS[one.id]))
    assert [one.name for one in found] == names


def test_every_order_is_tested() -> None:
    assert set(SORTS) == {"worst", "name", "drift", "last_run", "cost"}
    assert set(VERDICTS) == {*(one.value for one in Verdict), NONE}
    assert set(STATES) <= set(Listing._fields)


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        Filter(q="a b", verdict=NONE, label="team=a&b=c", state="down", sort="cost", page=3),
        Filter(q=HOSTILE, label=HOSTILE),
    ],
)
def test_an_address_says_the_same_again(wanted: Filter) -> None:
    assert Filter.of(wanted.query()) == wanted


def test_the_address_names_only_what_is_not_plain() -> None:
    assert Filter().query() == {}
    assert Filter.of({"q": "", "verdict": "", "sort": "worst", "page": "1"}).query() == {}
    assert Filter(sort="name", page=2).query() == {"sort": "name", "page": "2"}
    assert not Filter(sort="name", page=2).active
    assert Filter(state="down").active


@pytest.mark.parametrize(
    ("query", "says", "remedy"),
    [
        ({"verdict": "evil"}, "verdict='evil'", "inverted_persona"),
        ({"state": "<b>"}, "state='<b>'", "down, paused, simulated"),
        ({"sort": "random"}, "sort='random'", "worst, name, drift, last_run, cost"),
        ({"page": "0"}, "page='0'", "from 1"),
        ({"page": "-1"}, "page='-1'", "from 1"),
        ({"page": "two"}, "page='two'", "from 1"),
        ({"page": "²"}, "page='²'", "from 1"),
    ],
)
def test_what_there_is_not_is_named_with_what_there_is(query: dict[str, str], says: str, remedy: str) -> None:
    with pytest.raises(FilterError) as found:
        Filter.of(query)
    assert says in str(found.value)
    assert remedy in found.value.remedy


def test_long_text_is_cut_and_a_huge_page_is_a_page() -> None:
    assert len(Filter.of({"q": "x" * 10_000}).q) == 200
    assert Filter.of({"page": "9" * 50}).page == 999_999_999


def test_a_verdict_that_is_chosen_again_is_chosen_no_more() -> None:
    wanted = Filter(q="x", page=4).with_verdict(Verdict.STEADY)
    assert (wanted.verdict, wanted.page, wanted.q) == ("steady", 1, "x")
    assert wanted.with_verdict(Verdict.STEADY).verdict == ""
    assert wanted.with_verdict(None).verdict == NONE
    assert wanted.with_state("down").with_state("down").state == ""
    assert wanted.with_label("a=b").label == "a=b"
