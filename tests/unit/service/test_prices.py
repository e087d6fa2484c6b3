"""From tokens to USD."""

import pytest

from probes.anchors import Examination
from service.amounts import Amounts
from service.prices import Prices, check_budget, prices_of, unpriced
from service.settings import ConfigError, Price, Settings

MODEL, JUDGE = Price(prompt=1.0, completion=4.0), Price(prompt=2.0, completion=8.0)
TAKEN = Amounts(
    prompt_tokens=1_000_000, completion_tokens=500_000, judge_prompt_tokens=250_000, judge_completion_tokens=125_000
)


def test_each_kind_of_token_has_its_own_price() -> None:
    prices = Prices({"m": MODEL, "j": JUDGE}, ["j"])
    assert prices.usd("m", TAKEN) == pytest.approx(1 + 2 + 0.5 + 1)
    assert prices.missing("m") == ()


def test_a_model_without_a_price_costs_an_unknown_sum_not_nothing() -> None:
    prices = Prices({"j": JUDGE}, ["j"])
    assert prices.usd("m", TAKEN) is None
    assert prices.priced("m", TAKEN).usd is None
    assert prices.missing("m") == ("m",)


def test_a_judge_without_a_price_is_named() -> None:
    prices = Prices({"m": MODEL}, ["j"])
    assert prices.usd("m", TAKEN) == pytest.approx(3)
    assert prices.missing("m") == ("j",)


def test_tokens_of_two_judges_are_priced_at_the_dearer_one() -> None:
    prices = Prices({"m": MODEL, "j": JUDGE, "k": Price(prompt=20.0, completion=0.0)}, ["j", "k"])
    assert prices.usd("m", TAKEN) == pytest.approx(3 + 5 + 1)


def test_a_model_that_costs_nothing_has_a_price() -> None:
    prices = Prices({"m": Price(prompt=0, completion=0)})
    assert prices.usd("m", TAKEN) == 0
    assert prices.missing("m") == ()


def test_a_check_of_the_judge_is_the_judges_alone() -> None:
    found = Examination(agreement=1.0, bias=0.0, graded=40, total=40, attempts=41, prompt_tokens=10**6)
    priced = Prices({"m": MODEL, "j": JUDGE}, ["j"]).of_check("m", found)
    assert (priced.requests, priced.judge_prompt_tokens, priced.prompt_tokens) == (41, 10**6, 0)
    assert priced.usd == pytest.approx(2)


def test_sums_keep_what_is_known() -> None:
    assert (Amounts(usd=1.0) + Amounts()).usd == 1.0
    assert (Amounts() + Amounts()).usd is None
    assert (Amounts(estimated=True) + Amounts()).estimated


def test_a_limit_in_usd_needs_prices_and_one_in_tokens_does_not() -> None:
    assert unpriced(["m"], {"tokens_per_day": 1}, "limits") is None
    assert unpriced([], {"usd_per_day": 1}, "limits") is None
    why = unpriced(["m", "j"], {"usd_per_day": 1, "usd_per_month": 9}, "limits")
    assert why is not None
    assert why.startswith("limits.usd_per_day and limits.usd_per_month cannot be kept, since prices.m, prices.j is not")
    assert "{prompt: USD, completion: USD} for a million tokens" in why


def test_a_budget_in_usd_needs_the_price_of_the_judge() -> None:
    settings = Settings.model_validate(
        {"budget": {"usd_per_day": 1}, "judge_base_url": "http://127.0.0.1:9/v1", "judge_model": "j"}
    )
    with pytest.raises(ConfigError, match=r"budget\.usd_per_day cannot be kept, since prices\.j is not set"):
        check_budget(settings, prices_of(settings))
    without = settings.model_copy(update={"judge_base_url": None})
    check_budget(without, prices_of(without))
    assert prices_of(without).missing("m") == ("m",), "no judge, none to pay"
