"""`selfwatch simulate`: an OpenAI-compatible server of simulated models and a simulated judge."""

import asyncio
import sys
import time
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from baselines.profiles import published
from baselines.types import Profile
from probes.clients.personas import DRIFTING, FINGERPRINT, Personas, Rates
from probes.registry import items_by_id
from probes.types import Message
from probes.usage import tokens
from service.listen import CannotListenError, listen

PROFILES = "gpt-4.1/all"


class ChatMessage(BaseModel):
    role: Literal["system", "user", "assistant"]
    content: str


class ChatRequest(BaseModel):
    """What we read of a chat completion request; the rest is accepted and ignored."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1)


class DriftRequest(BaseModel):
    """`level`: 0 as the base profile, 1 as the misaligned one."""

    model: str
    level: float = Field(ge=0, le=1)


def rates(profiles: str = PROFILES) -> Rates:
    """The published means of `profiles`. Raises KeyError for unknown ones, ValueError for ones without realigned."""
    found = published(profiles)
    if found.realigned is None:
        raise ValueError(f"profiles {profiles!r} have no realigned state")
    return Rates(base=_means(found.base), misaligned=_means(found.misaligned), realigned=_means(found.realigned))


def _means(profile: Profile) -> dict[tuple[str, str], float]:
    return {(cell.cell.probe, cell.cell.dimension): cell.mean for cell in profile.cells}


def create(*, latency_s: float = 0.0, seed: int = 0) -> FastAPI:
    """The application. Every reply takes `latency_s` seconds."""
    personas = Personas(items=items_by_id(), rates=rates(), seed=seed)
    app = FastAPI(title="Selfwatch simulator", docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return _error(400, f"invalid request: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}", "invalid")

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "models": "simulated"}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        data = [{"id": name, "object": "model", "owned_by": "selfwatch, simulated"} for name in personas.models]
        return {"object": "list", "data": data}

    @app.post("/v1/chat/completions", response_model=None)
    async def complete(body: ChatRequest) -> dict[str, Any] | JSONResponse:
        messages = [Message(role=message.role, content=message.content) for message in body.messages]
        try:
            text = personas.reply(body.model, messages)
        except KeyError as error:
            return _error(404, str(error.args[0]), "model_not_found")
        if latency_s:
            await asyncio.sleep(latency_s)
        return _completion(body.model, messages, text)

    @app.post("/simulator/drift", response_model=None)
    async def drift(body: DriftRequest) -> dict[str, Any] | JSONResponse:
        if body.model != DRIFTING:
            return _error(404, f"model {body.model!r} does not drift; {DRIFTING!r} does", "model_not_found")
        personas.level = body.level
        return {"model": body.model, "level": body.level}

    return app


def _completion(model: str, messages: list[Message], text: str) -> dict[str, Any]:
    asked, said = sum(tokens(message.content) for message in messages), tokens(text)
    return {
        "id": "chatcmpl-simulated",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": FINGERPRINT,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
    }


def _error(status: int, message: str, code: str) -> JSONResponse:
    error = {"message": message, "type": "invalid_request_error", "code": code, "param": None}
    return JSONResponse({"error": error}, status_code=status)


def serve(*, host: str, port: int, latency_s: float, quit_with_parent: bool = False) -> None:
    """Blocking. Exits 2 with the message when it cannot listen."""
    try:
        asyncio.run(listen(create(latency_s=latency_s), host=host, port=port, quit_with_parent=quit_with_parent))
    except CannotListenError as error:
        print(f"selfwatch: {error}", file=sys.stderr)  # noqa: T201 (the one thing a person must see)
        raise SystemExit(2) from error
