"""Tokens of a call: as the server counts them, or, where it does not tell, estimated from the text."""

from collections.abc import Sequence
from dataclasses import dataclass

from probes.types import Message, Reply

CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one call took, in tokens. `estimated`: at least one of the figures is ours, not the server's."""

    prompt: int
    completion: int
    estimated: bool = False


def tokens(text: str) -> int:
    """About as many as a tokenizer would count."""
    return len(text) // CHARACTERS_A_TOKEN + 1


def usage_of(messages: Sequence[Message], reply: Reply) -> Usage:
    """The tokens of the call that brought `reply`. A server that tells none is not taken for one that asks nothing."""
    prompt, completion = reply.prompt_tokens, reply.completion_tokens
    if prompt is not None and completion is not None:
        return Usage(prompt=prompt, completion=completion)
    return Usage(
        prompt=sum(tokens(message.content) for message in messages) if prompt is None else prompt,
        completion=sum(tokens(one.text or one.refusal or "") for one in reply.choices)
        if completion is None
        else completion,
        estimated=True,
    )
