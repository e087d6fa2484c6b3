"""A reader of server-sent events over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One event of a stream."""

    id: str
    kind: str
    data: dict[str, Any]


class Reader:
    """Reads one stream; `until` gives what came up to and with the first event that fits."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.comments: list[str] = []
        self.seen: list[Seen] = []

    async def next(self) -> Seen:
        """Raises StopAsyncIteration at the end of the stream."""
        fields: dict[str, str] = {}
        while True:
            line = await anext(self._lines)
            if line.startswith(":"):
                self.comments.append(line)
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                found = Seen(id=fields["id"], kind=fields["event"], data=json.loads(fields["data"]))
                self.seen.append(found)
                return found

    async def until(self, kind: str, deadline_s: float = 30, **data: Any) -> Seen:
        async with asyncio.timeout(deadline_s):
            while True:
                found = await self.next()
                if found.kind == kind and all(found.data.get(name) == value for name, value in data.items()):
                    return found

    async def ended(self, deadline_s: float = 10) -> None:
        """Returns once the server has ended the stream."""
        async with asyncio.timeout(deadline_s):
            while True:
                try:
                    await self.next()
                except StopAsyncIteration:
                    return


@asynccontextmanager
async def reading(url: str, last_id: str | None = None, **query: Any) -> AsyncIterator[Reader]:
    """An open stream of the service at `url`."""
    headers = {"Last-Event-ID": last_id} if last_id is not None else {}
    async with (
        httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False) as http,
        http.stream("GET", "/api/v1/events", params=query, headers=headers) as reply,
    ):
        assert reply.status_code == 200, await reply.aread()
        assert reply.headers["content-type"].startswith("text/event-stream")
        yield Reader(reply.aiter_lines())
