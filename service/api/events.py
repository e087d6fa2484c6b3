"""GET /api/v1/events: what happens, as server-sent events."""

import asyncio
import json
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from service.api.access import requires
from service.api.endpoints import known
from service.api.problems import ProblemError
from service.api.run_control import known_run
from service.events import Event, Events, Kind, Subscription, TooManyStreamsError, Wanted
from service.services import services_of

router = APIRouter(prefix="/api/v1", tags=["events"])
HEARTBEAT_S = 15.0
"""A comment after so much silence: proxies keep the stream open, and a dead reader is noticed."""
SEND_S = 30.0
"""A reader that takes nothing for so long is given up."""
RETRY_MS = 2000
"""After this a browser's EventSource comes back."""


class EventStream(Response):
    """One reader's stream. Ends with the reader, at shutdown, or when the reader takes nothing for SEND_S."""

    media_type = "text/event-stream"

    def __init__(self, events: Events, reader: Subscription) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._reader = reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(self._until_gone(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            text = f"retry: {RETRY_MS}\n: selfwatch events\n\n"
            while True:
                async with asyncio.timeout(SEND_S):
                    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
                if self._reader.closed:
                    break
                found = await self._reader.take(HEARTBEAT_S)
                text = "".join(self._format(event) for event in found) or ": still here\n\n"
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            return  # the server closes the connection of a reader that takes nothing
        finally:
            gone.cancel()
            self._events.leave(self._reader)

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._reader.close()

    def _format(self, event: Event) -> str:
        data = json.dumps(dict(event.data), ensure_ascii=False, separators=(",", ":"))
        return f"id: {self._events.id_of(event)}\nevent: {event.kind}\ndata: {data}\n\n"


@router.get(
    "/events",
    dependencies=[Depends(requires("read"))],
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def stream(
    request: Request,
    kind: Annotated[list[Kind] | None, Query(description="progress, verdict, flip; may be repeated")] = None,
    endpoint: Annotated[str | None, Query(max_length=63)] = None,
    run: Annotated[str | None, Query(max_length=32)] = None,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> Response:
    """Run progress, verdicts and flips as they happen; `Last-Event-ID` goes on from there.

    `lagged` says that events were missed: read what holds now with the other calls.
    """
    services = services_of(request)
    async with services.database.read() as session:
        if endpoint is not None:
            await known(session, endpoint)
        if run is not None:
            await known_run(session, run)
    wanted = Wanted(kinds=frozenset(kind or ()), endpoint=endpoint, run=run)
    try:
        reader = services.events.subscribe(wanted, last_event_id)
    except TooManyStreamsError as error:
        detail = f"{error}; close one, or raise event_streams (SELFWATCH_EVENT_STREAMS)"
        raise ProblemError(503, "too-many-streams", detail, headers={"Retry-After": "10"}) from None
    return EventStream(services.events, reader)
