"""Tokens that a server tells, and those that it does not."""

import pytest

from probes.types import Choice, Message, Reply
from probes.usage import tokens, usage_of

ASKED = (Message(role="system", content="x" * 40), Message(role="user", content="y" * 20))


def test_what_the_server_tells_is_taken_as_it_is() -> None:
    told = usage_of(ASKED, Reply(text="a" * 400, latency_s=0.1, prompt_tokens=5, completion_tokens=0))
    assert (told.prompt, told.completion, told.estimated) == (5, 0, False)


@pytest.mark.parametrize(
    ("prompt", "completion", "expected"),
    [(None, None, (11 + 6, 101)), (9, None, (9, 101)), (None, 7, (11 + 6, 7))],
)
def test_what_it_does_not_tell_is_estimated_from_the_text(
    prompt: int | None, completion: int | None, expected: tuple[int, int]
) -> None:
    reply = Reply(text="a" * 400, latency_s=0.1, prompt_tokens=prompt, completion_tokens=completion)
    found = usage_of(ASKED, reply)
    assert (found.prompt, found.completion) == expected
    assert found.estimated


def test_every_reply_of_a_call_is_counted_and_a_refusal_is_one() -> None:
    reply = Reply(text="", refusal="no " * 40, latency_s=0.1, more=(Choice(text="a" * 40),))
    assert usage_of(ASKED, reply).completion == tokens("no " * 40) + 11
