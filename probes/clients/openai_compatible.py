"""The client for OpenAI-compatible APIs: the only module that knows the `openai` package.

One transport for the whole process: a client of its own for each endpoint would cost 45 ms and 0.9 MB each. Calls go
through the raw response, which is half the CPU time of `chat.completions.create` at the same bytes on the wire.
"""

import asyncio
import json
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from probes.clients import diagnose
from probes.clients.errors import ReplyTooLarge
from probes.loading import load
from probes.types import CallError, Choice, Message, Position, Reason, Reply, Sampling

MAX_REPLY_BYTES = 4 * 1024 * 1024
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
NO_KEY = "none"
"""Sent when an endpoint needs no key: the package insists on one."""

LOGPROB_POSITIONS = 4
"""So many tokens are looked at: enough for any of our closed answers."""
FEW_LOGPROBS = 5
"""What servers allow that do not allow 20."""
OPTIONAL = ("n", "top_logprobs", "logprobs", "response_format")
"""Settings that only save calls: a server that refuses a request with them is asked without."""

Quirks = dict[tuple[str, str], set[str]]


class Transport:
    """One connection pool for all endpoints. `connector` makes the aiohttp connector that guards connections."""

    def __init__(self, connector: Callable[[], aiohttp.BaseConnector] | None = None) -> None:
        self._connector = connector or aiohttp.TCPConnector
        self._shared: Any = None
        self._loading: asyncio.Future[None] | None = None
        self._quirks: Quirks = {}

    def client(self, *, base_url: str, api_key: str | None, model: str) -> "OpenAICompatible":
        """A client for one model behind `base_url`."""
        return OpenAICompatible(self, base_url=base_url, api_key=api_key, model=model)

    async def ready(self) -> None:
        """The packages are loaded, once, in a thread: that takes 1.6 s, in which others must not wait."""
        if self._loading is None:
            self._loading = asyncio.ensure_future(asyncio.to_thread(_load))
        if not self._loading.done():
            await asyncio.shield(self._loading)

    def connect(self, base_url: str, api_key: str | None) -> Any:
        """The shared `openai.AsyncOpenAI`, for this address and key."""
        if self._shared is None:
            self._shared = _make_shared(self._connector)
        return self._shared.with_options(base_url=base_url, api_key=api_key or NO_KEY)

    def quirks(self, base_url: str, model: str) -> set[str]:
        """Settings that this model was found to reject. Shared by all clients of the model: add to it what is known."""
        return self._quirks.setdefault((base_url, model), set())

    async def aclose(self) -> None:
        if self._shared is not None:
            await self._shared.close()
            self._shared = None


class OpenAICompatible:
    """One model behind an OpenAI-compatible API."""

    def __init__(self, transport: Transport, *, base_url: str, api_key: str | None, model: str) -> None:
        self._transport = transport
        self._base_url = base_url
        self._host = urlsplit(base_url).netloc
        self._api_key = api_key
        self._model = model
        self._openai: Any = None

    async def ask(self, messages: Sequence[Message], *, sampling: Sampling, deadline_s: float) -> Reply:
        """One chat completion. A setting that the model is found to reject is left out, then and from then on."""
        if self._api_key is not None and not (self._api_key.isascii() and self._api_key.isprintable()):
            raise diagnose.call_error(Reason.UNAUTHORIZED, "the API key has characters that no HTTP header can carry")
        quirks = self._transport.quirks(self._base_url, self._model)
        end = time.monotonic() + deadline_s
        suspects: set[str] = set()  # left out of the next try without the server having named them
        while True:
            body = _body(self._model, messages, sampling, quirks | suspects)
            try:
                reply = await self._call(body, end - time.monotonic(), deadline_s)
            except CallError as error:
                found = _rejected(error, body)
                if found is not None and found not in quirks:
                    quirks.add(found)
                    continue
                optional = set(OPTIONAL) & set(body)
                if error.problem.reason is not Reason.BAD_REQUEST or not optional:
                    raise
                suspects |= optional
            else:
                quirks |= suspects
                return reply

    async def aclose(self) -> None:
        """Nothing to close: the connections belong to the transport."""

    async def _call(self, body: dict[str, Any], remaining_s: float, deadline_s: float) -> Reply:
        await self._transport.ready()
        import httpx2  # noqa: PLC0415 (with openai: when first needed)
        import openai  # noqa: PLC0415

        if self._openai is None:
            self._openai = self._transport.connect(self._base_url, self._api_key)
        began = time.monotonic()
        try:
            async with asyncio.timeout(max(remaining_s, 0.001)):
                response = await self._openai.post("/chat/completions", body=body, cast_to=httpx2.Response)
        except (TimeoutError, openai.APITimeoutError) as error:
            if any(isinstance(one, httpx2.ConnectTimeout) for one in diagnose.chain(error)):
                raise diagnose.connection(error, self._host, self._api_key) from None
            detail = f"{self._host} did not answer within {deadline_s:g} s"
            raise diagnose.call_error(Reason.TIMEOUT, detail, secret=self._api_key) from None
        except (openai.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
            raise diagnose.connection(error, self._host, self._api_key) from None
        except openai.APIStatusError as error:
            parsed = _json(error.response.content)
            raise diagnose.status(
                error.status_code, error.response.headers, parsed, self._host, self._api_key
            ) from None
        return self._reply(response, time.monotonic() - began)

    def _reply(self, response: Any, latency_s: float) -> Reply:
        if not 200 <= response.status_code < 300:
            parsed = _json(response.content)
            raise diagnose.status(response.status_code, response.headers, parsed, self._host, self._api_key)
        data = _json(response.content)
        try:
            first, *rest = (_choice(one) for one in data["choices"])
            message = data["choices"][0]["message"]
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):
            kind = response.headers.get("content-type", "no content type")
            detail = f"{self._host} answered {response.status_code} ({kind}) without choices[0].message.content"
            raise diagnose.call_error(Reason.NOT_OPENAI_COMPATIBLE, detail, secret=self._api_key) from None
        usage = data.get("usage") if isinstance(data.get("usage"), dict) else {}
        return Reply(
            text=first.text,
            latency_s=latency_s,
            model=_short(data.get("model")),
            system_fingerprint=_short(data.get("system_fingerprint")),
            finish_reason=first.finish_reason,
            refusal=first.refusal,
            more=tuple(rest),
            positions=_positions(data["choices"][0].get("logprobs")),
            reasoned=_reasoned(message, usage),
            prompt_tokens=_count(usage.get("prompt_tokens")),
            completion_tokens=_count(usage.get("completion_tokens")),
        )


def _body(model: str, messages: Sequence[Message], sampling: Sampling, quirks: set[str]) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "messages": _messages(messages, folded="system" in quirks)}
    settings = {"temperature": sampling.temperature, "max_tokens": sampling.max_tokens, "seed": sampling.seed}
    for name, value in settings.items():
        if value is None:
            continue
        if name not in quirks:
            body[name] = value
        elif name == "max_tokens" and "max_completion_tokens" not in quirks:
            body["max_completion_tokens"] = value
    return body | _optional(sampling, quirks) | dict(sampling.extra)


def _optional(sampling: Sampling, quirks: set[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if sampling.n > 1 and "n" not in quirks:
        found["n"] = sampling.n
    if sampling.top_logprobs and "logprobs" not in quirks:
        limit = FEW_LOGPROBS if "top_logprobs" in quirks else sampling.top_logprobs
        found |= {"logprobs": True, "top_logprobs": min(sampling.top_logprobs, limit)}
    if sampling.schema is not None and "response_format" not in quirks:
        schema = {"name": "answer", "strict": True, "schema": dict(sampling.schema)}
        found["response_format"] = {"type": "json_schema", "json_schema": schema}
    return found


def _messages(messages: Sequence[Message], *, folded: bool) -> list[dict[str, str]]:
    """As they are sent; `folded`: what the system would say stands at the head of the user's first message."""
    if not folded:
        return [{"role": m.role, "content": m.content} for m in messages]
    rules = "\n\n".join(m.content for m in messages if m.role == "system")
    rest = [{"role": m.role, "content": m.content} for m in messages if m.role != "system"]
    if rules and rest:
        rest[0]["content"] = f"{rules}\n\n{rest[0]['content']}"
    return rest


def _rejected(error: CallError, body: dict[str, Any]) -> str | None:
    """The setting of ours that a 400 complains about."""
    if error.problem.reason is not Reason.BAD_REQUEST:
        return None
    detail = error.problem.detail
    for name in ("max_completion_tokens", "max_tokens", "temperature", "seed", "response_format"):
        if name in body and name in detail:
            return name
    if "top_logprobs" in body and "logprobs" in detail:
        return "top_logprobs" if body["top_logprobs"] > FEW_LOGPROBS else "logprobs"
    if "system" in detail.lower() and any(message["role"] == "system" for message in body["messages"]):
        return "system"
    return None


def _choice(data: Any) -> Choice:
    """Raises KeyError, TypeError, AttributeError or ValueError for anything but a choice."""
    message = data["message"]
    refusal = message.get("refusal")
    return Choice(
        text=_text(message.get("content")),
        finish_reason=_short(data.get("finish_reason")),
        refusal=str(refusal) if refusal else None,
    )


def _positions(logprobs: Any) -> tuple[Position, ...]:
    """The first tokens with their alternatives; what is malformed ends the list."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    found: list[Position] = []
    for one in content[:LOGPROB_POSITIONS] if isinstance(content, list) else []:
        try:
            top = {str(other["token"]): float(other["logprob"]) for other in one.get("top_logprobs") or []}
            found.append(Position(token=str(one["token"]), top=top))
        except (KeyError, TypeError, ValueError, AttributeError):
            break
    return tuple(found)


def _reasoned(message: Any, usage: Any) -> bool:
    details = usage.get("completion_tokens_details")
    tokens = details.get("reasoning_tokens") if isinstance(details, dict) else None
    return bool(message.get("reasoning_content") or message.get("reasoning") or _count(tokens))


def _text(content: Any) -> str:
    """The reply's text, from a string, from text parts, or none. Raises ValueError for anything else."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part["text"]) for part in content if part.get("type") in ("text", "output_text"))
    raise ValueError(type(content).__name__)


def _json(content: bytes) -> Any:
    """None for what is no JSON. Half of a surrogate pair, which JSON can hold and UTF-8 cannot, becomes U+FFFD."""
    try:
        found = json.loads(content)
        if _SURROGATE.search(content) is None:
            return found
        text = json.dumps(found, ensure_ascii=False).encode("utf-16-le", "surrogatepass")
        return json.loads(text.decode("utf-16-le", "replace"))
    except (ValueError, RecursionError):
        return None


def _short(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else None


def _load() -> None:
    load("httpx2", "openai", "openai._vendor.httpx_aiohttp.transport", "openai.resources.chat.completions")


def _make_shared(connector: Callable[[], aiohttp.BaseConnector]) -> Any:
    """One AsyncOpenAI over one aiohttp session: no hidden retries, no redirects, no proxies from the environment."""
    import httpx2  # noqa: PLC0415
    import openai  # noqa: PLC0415
    from openai._vendor.httpx_aiohttp.transport import AiohttpTransport  # noqa: PLC0415 (takes our connector)

    class BoundedStream(httpx2.AsyncByteStream):
        """A response body that ends in an error once it is too long."""

        def __init__(self, inner: Any) -> None:
            self._inner = inner

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for chunk in self._inner:
                size += len(chunk)
                if size > MAX_REPLY_BYTES:
                    raise ReplyTooLarge(f"the reply is longer than {MAX_REPLY_BYTES} bytes")
                yield chunk

        async def aclose(self) -> None:
            await self._inner.aclose()

    class BoundedTransport(httpx2.AsyncBaseTransport):
        """aiohttp underneath; compressed replies are refused, since their true size is unknown."""

        def __init__(self) -> None:
            # connections verify certificates by aiohttp's own context; the transport would load all of them once more
            unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._inner = AiohttpTransport(
                verify=unused, client=lambda: aiohttp.ClientSession(connector=connector(), trust_env=False)
            )

        async def handle_async_request(self, request: Any) -> Any:
            request.headers["accept-encoding"] = "identity"
            response = await self._inner.handle_async_request(request)
            if response.headers.get("content-encoding", "identity") != "identity":
                await response.aclose()
                raise ReplyTooLarge("the reply is compressed although that was not asked for")
            response.stream = BoundedStream(response.stream)
            return response

        async def aclose(self) -> None:
            await self._inner.aclose()

    http = httpx2.AsyncClient(transport=BoundedTransport(), follow_redirects=False, trust_env=False, timeout=None)
    return openai.AsyncOpenAI(
        api_key=NO_KEY, base_url="http://unset.invalid/v1", http_client=http, max_retries=0, timeout=None
    )
