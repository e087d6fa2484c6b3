"""The price of a plan, as the command line says it."""

from datetime import timedelta

from probes import registry
from probes.plans import PLANS, draw
from service import plan_report, quote
from service.prices import prices_of
from service.quoting import cost
from service.settings import Price, Settings

HEARTBEAT = PLANS["heartbeat"]
ASKS = draw(HEARTBEAT, seed=0, probe_of=registry.probe)
CHEAP, DEAR = Price(prompt=0.1, completion=0.4), Price(prompt=10.0, completion=40.0)


def quoted() -> quote.Quote:
    return quote.Quote(
        plan="heartbeat", every=timedelta(hours=1), calls=62, a_run=plan_report.amounts_of(ASKS, HEARTBEAT),
        check=plan_report.check_amounts(), runs_per_month=720, reference="planned", arms={},
    )  # fmt: skip


def test_without_a_model_each_that_has_a_price_is_told_and_the_judge_is_none_of_them() -> None:
    settings = Settings(prices={"small": CHEAP, "large": DEAR, "gpt-4.1": DEAR}, judge_base_url="http://127.0.0.1:9/v1")
    found = quoted()
    small, large = (found.usd_per_month(prices_of(settings), name) for name in ("small", "large"))
    assert small is not None
    assert large is not None
    assert small < large
    assert cost(found, settings, None) == f"about {small:,.2f} USD with small, about {large:,.2f} USD with large"
    assert cost(found, settings, "small") == f"about {small:,.2f} USD with small"


def test_a_model_without_a_price_is_told_to_have_none() -> None:
    assert cost(quoted(), Settings(prices={"small": CHEAP}), "other") == "no price in the settings (prices)"
    assert cost(quoted(), Settings(), None) == "no price in the settings (prices)"


def test_the_judges_share_is_in_it() -> None:
    alone = Settings(prices={"small": CHEAP})
    judged = Settings(prices={"small": CHEAP, "gpt-4.1": DEAR}, judge_base_url="http://127.0.0.1:9/v1")
    found = quoted()
    without, with_judge = (found.usd_per_month(prices_of(one), "small") for one in (alone, judged))
    assert (with_judge or 0) > 10 * (without or 0) > 0
