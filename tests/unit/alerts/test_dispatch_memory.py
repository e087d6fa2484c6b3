"""What the in-memory outbox shows beyond its contract."""

from datetime import timedelta

import pytest

from alerts.dispatch import Delivery
from alerts.dispatch_memory import EntryState, MemoryOutbox
from tests.unit.alerts.facts import AT, notice


@pytest.mark.parametrize("settle", ["delivered", "dead"])
async def test_how_a_delivery_fared_is_open_to_look_at(settle: str) -> None:
    outbox = MemoryOutbox()
    delivery = outbox.add("chat", notice(), AT)
    await outbox.claim(AT, "chat", 9)
    await outbox.retry(delivery, "503", AT + timedelta(seconds=2))
    assert outbox.entry(delivery).error == "503"
    if settle == "delivered":
        await outbox.delivered(delivery, AT)
    else:
        await outbox.dead(delivery, "404", AT)
    assert outbox.entry(delivery).state is EntryState(settle)


def test_a_lane_is_notifier_endpoint_and_rule() -> None:
    delivery = Delivery(id="1", notifier="chat", notice=notice())
    assert delivery.lane == ("chat", "support-bot", "BehaviourDrift")
