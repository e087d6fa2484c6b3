"""Which askings go together."""

from collections import Counter

import pytest

from probes import registry
from probes.batches import AT_ONCE, batches
from probes.plans import PLANS, draw
from probes.types import Capabilities

ASKS = draw(PLANS["full"], seed=3, probe_of=registry.probe)
NOTHING = Capabilities()


@pytest.mark.parametrize(
    "can",
    [
        NOTHING,
        Capabilities(logprobs=True),
        Capabilities(several_choices=True),
        Capabilities(logprobs=True, several_choices=True),
    ],
)
def test_every_ask_is_in_one_batch_of_its_item(can: Capabilities) -> None:
    found = list(batches(ASKS, can, plain=True))
    assert Counter(ask.key for batch in found for ask in batch.asks) == Counter(ask.key for ask in ASKS)
    assert all(len({ask.item.id for ask in batch.asks}) == 1 for batch in found)
    assert all([a.repeat for a in batch.asks] == sorted(a.repeat for a in batch.asks) for batch in found)


def test_without_capabilities_the_shuffled_order_stays() -> None:
    alone = [batch.asks[0] for batch in batches(ASKS, NOTHING, plain=True) if not batch.asks[0].item.category]
    assert alone == [ask for ask in ASKS if not ask.item.category]


def test_the_replies_to_a_harm_prompt_are_one_batch() -> None:
    harm = [batch for batch in batches(ASKS, NOTHING, plain=True) if batch.asks[0].item.category]
    assert len(harm) == 320
    assert {len(batch.asks) for batch in harm} == {10}


def test_probabilities_are_read_of_closed_questions_at_temperature_one() -> None:
    can = Capabilities(logprobs=True)
    closed = {b.asks[0].item.method for b in batches(ASKS, can, plain=True) if b.expected}
    assert closed == {"decision", "numerical", "likert", "scenario"}
    assert not any(batch.expected for batch in batches(ASKS, can, plain=False))


def test_several_replies_a_call_are_bounded() -> None:
    found = list(batches(ASKS, Capabilities(several_choices=True), plain=True))
    assert {batch.at_once for batch in found} == {AT_ONCE}
    assert max(len(batch.asks) for batch in found) == AT_ONCE
