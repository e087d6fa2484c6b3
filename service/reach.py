"""One look at an endpoint: does it answer, how fast, and what can it do."""

from collections.abc import Callable
from typing import Any

from probes.types import CallError, Client, Message, Problem, Reason, Reply, Sampling
from service.storage.schema import EndpointRow

QUESTION = Message(role="user", content="Please reply with one short sentence.")
SAMPLE_CHARS = 500


async def reach(
    client_of: Callable[[EndpointRow], Client], endpoint: EndpointRow, deadline_s: float
) -> dict[str, Any] | Problem:
    """What was seen, or what is wrong. Three calls: a plain one, one for log-probabilities, one for two choices."""
    extra = endpoint.sampling.get("extra") or {}
    try:
        client = client_of(endpoint)
        reply = await _ask(client, 64, extra, deadline_s)
    except CallError as error:
        return error.problem
    if not (reply.text.strip() or reply.refusal):
        remedy = "check the model's chat template; a model that reasons first may need a larger sampling.max_tokens"
        return Problem(reason=Reason.EMPTY, detail="the reply was empty", remedy=remedy)
    logprobs = await _try(client, {**extra, "logprobs": True, "top_logprobs": 2}, deadline_s)
    several = await _try(client, {**extra, "n": 2}, deadline_s)
    return {
        "latency_s": reply.latency_s,
        "model": reply.model,
        "system_fingerprint": reply.system_fingerprint,
        "logprobs": logprobs is not None and logprobs.logprobs,
        "several_choices": several is not None and several.choices > 1,
        "sample": (reply.text or reply.refusal or "")[:SAMPLE_CHARS],
        "tokens": {"prompt": reply.prompt_tokens, "completion": reply.completion_tokens},
    }


async def _try(client: Client, extra: dict[str, Any], deadline_s: float) -> Reply | None:
    """None when the server does not take the request."""
    try:
        return await _ask(client, 1, extra, deadline_s)
    except CallError:
        return None


async def _ask(client: Client, max_tokens: int, extra: dict[str, Any], deadline_s: float) -> Reply:
    sampling = Sampling(temperature=None, max_tokens=max_tokens, extra=extra)
    return await client.ask([QUESTION], sampling=sampling, deadline_s=deadline_s)
