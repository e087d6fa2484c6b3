"""Work that must not be left half done.

A cancelled database call leaves us not knowing what is stored, and its connection half closed: shutting down has been
seen to hang on that. So whoever may be cancelled lets the call end first. It is short, and bounded by the busy timeout.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. A cancellation meanwhile is raised once `work` has ended, in place of its result."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not warn
        raise cancelled
    return task.result()
