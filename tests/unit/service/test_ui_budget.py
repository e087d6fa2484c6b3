"""Budgets on the pages: what is spent, of which limit, until when."""

from dataclasses import replace

from service.ui import format as fmt
from service.ui.parts import Allowance, Usage
from service.ui.render import Renderer
from tests.support import ui_pages as fixtures

RENDERER = Renderer()


def words(html: str) -> str:
    import re

    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_the_endpoints_page_shows_limit_overrun_and_reset() -> None:
    text = words(RENDERER.whole(fixtures.endpoint()))
    assert "Tokens today 51,200 tokens of 50,000 tokens , 1,200 tokens over (resets in 14 h" in text
    assert "USD today $0.0421 · no limit · $0.0100 set aside for runs under way" in text


def test_a_used_up_budget_stands_out_and_one_within_does_not() -> None:
    over = fixtures.ALLOWANCES[0]
    page = replace(fixtures.endpoint(), alerts=(), budget=(over,))
    within = replace(page, budget=(replace(over, spent=10.0, overrun=0.0),))
    marked, plain = (RENDERER.part(one) for one in (page, within))
    assert '<span class="alarm"><span class="num">51,200 tokens</span>' in marked
    assert '<span class="alarm"><span class="num">' not in plain


def test_the_fleet_has_one_line_for_all_where_there_is_something_to_say() -> None:
    page = fixtures.fleet()
    assert "Spent in all" not in words(RENDERER.whole(page))
    month = Allowance(
        unit="usd", period="month", limit=20.0, spent=3.5, reserved=0, overrun=0, resets_at=fixtures.MIDNIGHT
    )
    text = words(RENDERER.whole(replace(page, budget=(*fixtures.ALLOWANCES, month))))
    assert "Spent in all 51,200 tokens of 50,000 tokens today" in text
    assert "$3.50 of $20.00 this month" in text


def test_the_runs_page_shows_cost_beside_what_was_expected() -> None:
    text = words(RENDERER.whole(fixtures.run()))
    assert "Cost $0.0123 Expected 16,000 tokens, $0.0140" in text
    assert "Tokens are estimated from the text, at least in part" in text
    plain = words(RENDERER.whole(fixtures.run(usage=Usage(requests=1))))
    assert "Cost price not known" in plain
    assert "Expected" not in plain
    assert "estimated from the text" not in plain


def test_amounts_have_their_unit() -> None:
    assert fmt.cost("tokens", 1_234.0) == "1,234 tokens"
    assert fmt.cost("usd", 0.5) == "$0.5000"
    assert fmt.cost("usd", 12.0) == "$12.00"
