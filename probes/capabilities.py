"""What a model's server can do, found out by asking: a few short calls, once, so that no run has to try."""

from collections.abc import Mapping
from dataclasses import dataclass

from probes.types import CallError, Capabilities, Client, Message, Reason, Reply, Sampling

QUESTION = Message(role="user", content="Please reply with one short sentence.")
RULE = Message(role="system", content="You reply in English.")
TOP_LOGPROBS = 20
"""So many alternatives of a token are asked for: the most that the usual servers allow."""
REFUSED = frozenset({Reason.BAD_REQUEST, Reason.NOT_OPENAI_COMPATIBLE, Reason.SERVER_ERROR, Reason.UNKNOWN_MODEL})
"""How servers say that they do not take a request: many answer 500 to a field that they do not know."""
THINKING = ("<think>", "<thinking>", "<reasoning>", "<|channel|>analysis")


@dataclass(frozen=True, kw_only=True)
class FoundOut:
    """The first reply, and what the server can do."""

    reply: Reply
    capabilities: Capabilities


async def find_out(client: Client, *, extra: Mapping[str, object], deadline_s: float) -> FoundOut:
    """Ask a plain question, and then for each capability one that needs it. Raises CallError when the plain one fails.

    `rejected` stays empty: what a client leaves out of its requests is known to the client.
    """
    reply = await _ask(client, Sampling(max_tokens=64, extra=extra), deadline_s)
    reasoning = reply.reasoned or reply.text.lstrip().lower().startswith(THINKING)
    short = 64 if reasoning else 1
    logprobs = await _try(client, Sampling(max_tokens=short, top_logprobs=TOP_LOGPROBS, extra=extra), deadline_s)
    several = await _try(client, Sampling(max_tokens=short, n=2, extra=extra), deadline_s)
    seed = await _try(client, Sampling(max_tokens=short, seed=1, extra=extra), deadline_s)
    system = await _try(client, Sampling(max_tokens=short, extra=extra), deadline_s, RULE)
    return FoundOut(
        reply=reply,
        capabilities=Capabilities(
            logprobs=logprobs is not None and any(position.top for position in logprobs.positions),
            several_choices=several is not None and len(several.choices) > 1,
            seed=seed is not None,
            system_role=system is not None,
            reasoning=reasoning,
        ),
    )


async def _try(client: Client, sampling: Sampling, deadline_s: float, *before: Message) -> Reply | None:
    """None when the server does not take the request. Raises CallError when it cannot be asked at all."""
    try:
        return await _ask(client, sampling, deadline_s, *before)
    except CallError as error:
        if error.problem.reason not in REFUSED:
            raise
        return None


async def _ask(client: Client, sampling: Sampling, deadline_s: float, *before: Message) -> Reply:
    return await client.ask([*before, QUESTION], sampling=sampling, deadline_s=deadline_s)
