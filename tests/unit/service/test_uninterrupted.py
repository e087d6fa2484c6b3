"""What was begun is ended, however often one is cancelled meanwhile."""

import asyncio

import pytest

from service.uninterrupted import uninterrupted


async def test_it_gives_the_result_or_the_error() -> None:
    async def works() -> int:
        return 7

    async def fails() -> int:
        raise ValueError("no")

    assert await uninterrupted(works()) == 7
    with pytest.raises(ValueError, match="no"):
        await uninterrupted(fails())


@pytest.mark.parametrize("cancellations", [1, 3])
async def test_a_cancelled_caller_waits_for_the_end(cancellations: int) -> None:
    ended = False

    async def slow() -> None:
        nonlocal ended
        await asyncio.sleep(0.1)
        ended = True

    task = asyncio.create_task(uninterrupted(slow()))
    for _ in range(cancellations):
        await asyncio.sleep(0.01)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended
