"""The bus: order, history, slow readers."""

import asyncio

import pytest

from service.events import KEPT, LAGGED, Event, Events, TooManyStreamsError, Wanted

NOW = 0.05


def bus(max_streams: int = 4) -> Events:
    return Events(max_streams=max_streams)


async def numbers(events: Events, last_id: str | None) -> list[tuple[str, int]]:
    reader = events.subscribe(Wanted(), last_id)
    found = await reader.take(NOW)
    events.leave(reader)
    return [(one.kind, one.number) for one in found]


async def test_a_reader_gets_what_is_published_while_it_listens_in_order() -> None:
    events = bus()
    events.publish("progress", {"run": "a"})
    reader = events.subscribe(Wanted())
    events.publish("flip", {"run": "a"})
    events.publish("progress", {"run": "a"})
    events.publish("verdict", {"run": "a"})
    assert [one.kind for one in await reader.take(NOW)] == ["flip", "progress", "verdict"]
    assert await reader.take(NOW) == []


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), {1, 2, 3}),
        (Wanted(kinds=frozenset({"verdict", "flip"})), {2, 3}),
        (Wanted(endpoint="prod"), {1, 2}),
        (Wanted(run="r2"), {3}),
        (Wanted(endpoint="prod", run="r2"), set()),
    ],
)
async def test_a_reader_gets_what_it_wants(wanted: Wanted, expected: set[int]) -> None:
    events = bus()
    reader = events.subscribe(wanted)
    events.publish("progress", {"run": "r1", "endpoint": "prod"})
    events.publish("verdict", {"run": "r1", "endpoint": "prod"})
    events.publish("flip", {"run": "r2", "endpoint": "other"})
    assert {one.number for one in await reader.take(NOW)} == expected


async def test_a_slow_reader_loses_the_oldest_progress_and_is_told() -> None:
    events = bus()
    reader = events.subscribe(Wanted())
    events.publish("verdict", {"run": "r"})
    for _ in range(KEPT["progress"] + 7):
        events.publish("progress", {"run": "r"})
    events.publish("flip", {"run": "r"})
    lagged, *rest = await reader.take(NOW)
    assert (lagged.kind, lagged.data["missed"]) == (LAGGED, {"progress": 7})
    assert "GET /api/v1/runs" in lagged.data["resync"]
    assert [one.kind for one in rest] == ["verdict", *["progress"] * KEPT["progress"], "flip"]
    assert rest[1].number == 9  # the seven oldest are gone
    events.publish("flip", {"run": "r"})
    assert [one.kind for one in await reader.take(NOW)] == ["flip"]  # told once


async def test_no_verdict_is_lost_in_silence() -> None:
    events = bus()
    reader = events.subscribe(Wanted())
    for _ in range(KEPT["verdict"] + 3):
        events.publish("verdict", {"run": "r"})
    lagged, *rest = await reader.take(NOW)
    assert lagged.data["missed"] == {"verdict": 3}
    assert len(rest) == KEPT["verdict"]


async def test_a_reader_that_comes_back_gets_what_it_missed() -> None:
    events = bus()
    for _ in range(3):
        events.publish("verdict", {"run": "r"})
    second = events.id_of(Event(number=2, kind="verdict", data={}))
    events.publish("progress", {"run": "r"})
    assert await numbers(events, second) == [("verdict", 3), ("progress", 4)]
    assert await numbers(events, None) == []


@pytest.mark.parametrize("last_id", ["", "7", "x-y", "deadbeef-2", "99999999999999-"])
async def test_a_reader_of_another_process_is_told_that_it_missed_something(last_id: str) -> None:
    events = bus()
    events.publish("verdict", {"run": "r"})
    assert await numbers(events, last_id) == [(LAGGED, 0)]


async def test_dropped_progress_is_no_loss_and_a_dropped_verdict_is() -> None:
    events = bus()
    events.publish("verdict", {"run": "r"})
    first = events.id_of(Event(number=1, kind="verdict", data={}))
    for _ in range(KEPT["progress"] + 5):
        events.publish("progress", {"run": "r"})
    found = await numbers(events, first)
    assert [kind for kind, _ in found] == ["progress"] * KEPT["progress"]
    for _ in range(KEPT["verdict"] + 1):
        events.publish("verdict", {"run": "r"})
    reader = events.subscribe(Wanted(), first)
    lagged = (await reader.take(NOW))[0]
    assert (lagged.kind, lagged.data["missed"]) == (LAGGED, None)


async def test_there_is_an_end_to_streams() -> None:
    events = bus(max_streams=2)
    one, _two = events.subscribe(Wanted()), events.subscribe(Wanted())
    with pytest.raises(TooManyStreamsError, match="2 event streams"):
        events.subscribe(Wanted())
    events.leave(one)
    three = events.subscribe(Wanted())
    events.close()
    async with asyncio.timeout(1):
        assert await three.take(30) == []
    assert three.closed
    events.leave(three)
    assert events.subscribe(Wanted()).closed  # a latecomer at shutdown does not stay


async def test_publishing_waits_for_nobody() -> None:
    """Readers that never read hold up neither the publisher nor each other."""
    events = bus()
    asleep, awake = events.subscribe(Wanted()), events.subscribe(Wanted())
    for _ in range(5 * KEPT["progress"]):
        events.publish("progress", {"run": "r"})
        assert len(await awake.take(NOW)) == 1
    assert len(await asleep.take(NOW)) == KEPT["progress"] + 1
