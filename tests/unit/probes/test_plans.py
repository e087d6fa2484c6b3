"""What a run asks: decided by plan, seed and banks alone; fair to every item."""

from collections import Counter

import pytest
from scipy.stats import chisquare

from probes import registry
from probes.plans import PLANS, banks_hash, draw, size
from probes.types import Ask, Cell, Plan, Selection

DECISION = Cell(probe="self_assessment", dimension="good_evil", method="decision")


def asks(plan: Plan, seed: int) -> tuple[Ask, ...]:
    return draw(plan, seed=seed, probe_of=registry.probe)


def plan(**changes: object) -> Plan:
    return Plan(name="p", selections=(Selection(probe="self_assessment", questions=3, **changes),))  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "questions"), [("heartbeat", 46), ("full", 18_200)])
def test_the_shipped_plans_have_their_size(name: str, questions: int) -> None:
    assert size(PLANS[name], registry.probe) == questions
    drawn = asks(PLANS[name], seed=3)
    assert len(drawn) == questions
    assert len({ask.key for ask in drawn}) == questions


def test_the_same_seed_draws_the_same_and_another_seed_another() -> None:
    assert asks(PLANS["heartbeat"], 1) == asks(PLANS["heartbeat"], 1)
    assert asks(PLANS["heartbeat"], 1) != asks(PLANS["heartbeat"], 2)


def test_every_item_of_a_cell_has_the_same_chance() -> None:
    bank = [item.id for item in registry.probe("self_assessment").bank.items if item.cell == DECISION]
    counts = Counter(dict.fromkeys(bank, 0))
    draws = 2000
    for seed in range(draws):
        counts.update(ask.item.id for ask in asks(plan(), seed) if ask.item.cell == DECISION)
    assert sum(counts.values()) == 3 * draws
    assert chisquare(list(counts.values())).pvalue > 0.001


def test_each_place_in_the_order_is_open_to_every_probe() -> None:
    first = Counter(asks(PLANS["heartbeat"], seed)[0].item.probe for seed in range(300))
    assert set(first) == {"self_assessment", "intentions", "harm"}


@pytest.mark.parametrize("seed", range(20))
def test_the_forms_of_a_cell_are_asked_equally_often(seed: int) -> None:
    drawn = Plan(name="p", selections=(Selection(probe="self_assessment", questions=4),))
    forms: dict[Cell, Counter[str]] = {}
    for ask in asks(drawn, seed):
        forms.setdefault(ask.item.cell, Counter())[ask.item.polarity] += 1
    for cell, counts in forms.items():
        assert max(counts.values()) - min(counts.values()) == 0, cell


def test_more_questions_than_items_are_whole_rounds_and_a_rest() -> None:
    per_cell = sum(item.cell == DECISION for item in registry.probe("self_assessment").bank.items)
    drawn = Plan(name="p", selections=(Selection(probe="self_assessment", questions=2 * per_cell + 3),))
    counts = Counter(ask.item.id for ask in asks(drawn, 1) if ask.item.cell == DECISION)
    assert sorted(counts.values()) == [2] * (per_cell - 3) + [3] * 3


def test_replies_ask_the_same_item_again() -> None:
    counts = Counter(ask.item.id for ask in asks(plan(replies=4), 1))
    assert set(counts.values()) == {4}


def test_the_fingerprint_covers_plan_and_banks() -> None:
    found = {banks_hash(p, registry.probe) for p in (*PLANS.values(), plan(), plan(replies=2))}
    assert len(found) == 4
    assert all(len(one) == 16 for one in found)


def test_an_unknown_probe_is_named_with_its_plan() -> None:
    bad = Plan(name="mine", selections=(Selection(probe="astrology", questions=1),))
    with pytest.raises(ValueError, match=r"'mine'.*'astrology'"):
        asks(bad, 1)
