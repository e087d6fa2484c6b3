"""One look at an endpoint: does it answer, how fast, and what can it do."""

from typing import Any

from probes.capabilities import FoundOut
from probes.types import CallError, Problem, Reason
from service.clients import Clients, find_out_about, learn
from service.storage.engine import Database
from service.storage.schema import EndpointRow

SAMPLE_CHARS = 500


async def reach(
    database: Database, clients: Clients, endpoint: EndpointRow, deadline_s: float
) -> dict[str, Any] | Problem:
    """What was seen, or what is wrong. What the server can do is remembered for its runs."""
    try:
        return _told(await learn(database, clients, endpoint, deadline_s))
    except CallError as error:
        return error.problem


async def look(clients: Clients, endpoint: EndpointRow, deadline_s: float) -> dict[str, Any] | Problem:
    """The same for an endpoint that is not in the database: nothing is remembered."""
    try:
        return _told(await find_out_about(clients, endpoint, deadline_s))
    except CallError as error:
        return error.problem


def _told(found: FoundOut) -> dict[str, Any] | Problem:
    reply, can = found.reply, found.capabilities
    if not (reply.text.strip() or reply.refusal or reply.reasoned):
        remedy = "check the model's chat template; a model that reasons first may need a larger sampling.max_tokens"
        return Problem(reason=Reason.EMPTY, detail="the reply was empty", remedy=remedy)
    return {
        "latency_s": reply.latency_s,
        "model": reply.model,
        "system_fingerprint": reply.system_fingerprint,
        "logprobs": can.logprobs,
        "several_choices": can.several_choices,
        "seed": can.seed,
        "system_role": can.system_role,
        "reasoning": can.reasoning,
        "rejected_settings": list(can.rejected),
        "sample": (reply.text or reply.refusal or "")[:SAMPLE_CHARS],
        "tokens": {"prompt": reply.prompt_tokens, "completion": reply.completion_tokens},
    }
