"""A model server that misbehaves on request, over a real socket."""

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

Reply = Callable[[dict[str, Any]], str]
HUGE = 5 * 1024 * 1024


def completion(content: Any, **message: Any) -> dict[str, Any]:
    return {
        "id": "x",
        "object": "chat.completion",
        "model": "fake-2026",
        "system_fingerprint": "fp_1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content} | message}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }


def error(status: int, message: str, code: str = "", headers: dict[str, str] | None = None) -> Response:
    body = {"error": {"message": message, "code": code, "type": code}}
    return JSONResponse(body, status_code=status, headers=headers)


class FakeOpenAI:
    """An ASGI application. `mode` may change while it runs; `requests` holds the body of every call received. `usage`:
    the tokens that it tells of each call; None: it tells none."""

    def __init__(self, mode: str = "ok", reply: str | Reply = "fine") -> None:
        self.mode = mode
        self.reply = reply
        self.failures_left = 0
        self.latency_s = 0.0
        self.usage: dict[str, int] | None = {"prompt_tokens": 7, "completion_tokens": 3}
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.in_flight = 0
        self.most_in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        body = json.loads(await request.body() or b"{}")
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.mode == "disconnect":
                await _half_an_answer(send)
                return
            response = await self._respond(request, body)
            await response(scope, receive, send)
        finally:
            self.in_flight -= 1

    async def _respond(self, request: Request, body: dict[str, Any]) -> Response:
        if self.mode in ("500", "429") and self.failures_left > 0:
            self.failures_left -= 1
            headers = {"retry-after": "0.05"} if self.mode == "429" else None
            return error(int(self.mode), "busy", headers=headers)
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        if self.mode == "hang":
            await asyncio.sleep(60)
        if self.mode == "echoes the key":
            return error(400, f"bad key {request.headers['authorization']}")
        if self.mode in FIXED:
            return FIXED[self.mode]()
        if (refused := _refusal(self.mode, body)) is not None:
            return refused
        text = self.reply(body) if callable(self.reply) else self.reply
        found = completion(text)
        found["usage"] = self.usage
        if self.mode == "capable":
            _add_what_is_asked_for(found, body, text)
        return JSONResponse(found)


def _refusal(mode: str, body: dict[str, Any]) -> Response | None:
    """A 400 for a setting that servers of this mode do not take."""
    told = {
        ("rejects max_tokens", "max_tokens"): "Unsupported parameter: 'max_tokens'; use 'max_completion_tokens'",
        ("rejects temperature", "temperature"): "Unsupported value: 'temperature' does not support 1.0",
        ("rejects response_format", "response_format"): "response_format is not supported by this model",
    }
    for (wanted, name), text in told.items():
        if mode == wanted and name in body:
            return error(400, text)
    if mode == "few logprobs" and body.get("top_logprobs", 0) > 5:
        return error(400, "Invalid value: 'top_logprobs' must be at most 5")
    if mode == "plain only" and set(body) & {"n", "logprobs", "top_logprobs", "response_format"}:
        return error(400, "unexpected field")
    if mode == "no system" and any(message["role"] == "system" for message in body["messages"]):
        return error(400, "System role not supported")
    return None


def _add_what_is_asked_for(found: dict[str, Any], body: dict[str, Any], text: str) -> None:
    choice = found["choices"][0]
    if body.get("logprobs"):
        tops = [{"token": text, "logprob": -0.1}, {"token": "else", "logprob": -2.4}][: body["top_logprobs"]]
        choice["logprobs"] = {"content": [{"token": text, "logprob": -0.1, "top_logprobs": tops}]}
    found["choices"] = [choice | {"index": index} for index in range(body.get("n", 1))]


async def _half_an_answer(send: Send) -> None:
    start: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]}
    await send(start)
    await send({"type": "http.response.body", "body": b'{"choices"', "more_body": False})


def _zipped() -> Response:
    packed = gzip.compress(json.dumps(completion("fine")).encode())
    return Response(packed, media_type="application/json", headers={"content-encoding": "gzip"})


FIXED: dict[str, Callable[[], Response]] = {
    "empty": lambda: JSONResponse(completion("")),
    "null": lambda: JSONResponse(completion(None)),
    "parts": lambda: JSONResponse(completion([{"type": "text", "text": "fi"}, {"type": "text", "text": "ne"}])),
    "refusal": lambda: JSONResponse(completion(None, refusal="I cannot help with that.")),
    "401": lambda: error(401, "Incorrect API key provided", "invalid_api_key"),
    "403": lambda: error(403, "forbidden"),
    "unknown model": lambda: error(404, "The model 'm' does not exist", "model_not_found"),
    "404 page": lambda: HTMLResponse("<h1>Not here</h1>", status_code=404),
    "html": lambda: HTMLResponse("<h1>Welcome</h1>"),
    "no choices": lambda: JSONResponse({"hello": "world"}),
    "filtered": lambda: error(400, "The response was filtered", "content_filter"),
    "thinks": lambda: JSONResponse(completion("fine", reasoning_content="Let me see.")),
    "quota": lambda: error(429, "You exceeded your current quota", "insufficient_quota"),
    "always 500": lambda: error(500, "boom"),
    "always 404": lambda: error(404, "no such hook"),
    "redirect": lambda: RedirectResponse("http://127.0.0.1:9/v1/chat/completions"),
    "huge": lambda: JSONResponse(completion("x" * HUGE)),
    "gzip": _zipped,
    "half a character": lambda: Response(  # escaped, as only JSON can write it
        json.dumps(completion("half \ud83d, whole \U0001f600")), media_type="application/json"
    ),
}
