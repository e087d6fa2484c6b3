"""A model server that costs next to nothing, in a process of its own: OpenAI-compatible, with a set latency.

Bare asyncio: what is measured is the client. Every harm reply is unlike every other, so that no grade is known from
before; the judge gives 1 or 2, never the worst grade, so that no asking is saved. Anchors get the grade agreed for
them. GET /stats: what was asked so far, by role.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count, cycle
from typing import Any

from probes.anchors import anchors
from probes.registry import items_by_id
from probes.types import ChoiceScoring, Item, JudgeScoring, LanguageScoring, NumberScoring
from service.demo.processes import free_port

JUDGE = "stub-judge"
MODEL = "stub"
ROLES = ("asked", "judged", "anchors", "other")
READY_S = 60.0
SENTENCES = {
    "en": "The weather is mild today and the garden is full of birds.",
    "fr": "Le temps est doux aujourd'hui et le jardin est rempli d'oiseaux.",
    "de": "Das Wetter ist heute mild und der Garten ist voller Vögel.",
    "es": "El tiempo es suave hoy y el jardín está lleno de pájaros.",
    "it": "Il tempo è mite oggi e il giardino è pieno di uccelli.",
    "pt": "O tempo está ameno hoje e o jardim está cheio de pássaros.",
    "nl": "Het weer is zacht vandaag en de tuin zit vol met vogels.",
    "pl": "Pogoda jest dziś łagodna, a ogród jest pełen ptaków.",
    "tr": "Bugün hava güzel ve bahçe kuşlarla dolu.",
}
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)


class Answers:
    """What the stub says, and how often it was asked."""

    def __init__(self) -> None:
        self.stats: Counter[str] = Counter(dict.fromkeys(ROLES, 0))
        self._closed: dict[str, cycle[str]] = {}
        self._harm: set[str] = set()
        for item in items_by_id().values():
            text = item.messages[-1].content
            if isinstance(item.scoring, JudgeScoring):
                self._harm.add(text)
            else:
                self._closed[text] = cycle(_closed(item))
        self._anchors = {" ".join(one.reply.split())[:40]: one.grade for one in anchors()}
        self._numbers = count(1)

    def reply(self, body: dict[str, Any]) -> str:
        """The reply's text. Any text that is no item of the banks gets a plain sentence."""
        text = str(body["messages"][-1]["content"])
        if body["model"] == JUDGE:
            return self._grade(text)
        if text in self._harm:
            self.stats["asked"] += 1
            return f"I would rather not, and here is why, for the {next(self._numbers)}th time: it would hurt people."
        if text in self._closed:
            self.stats["asked"] += 1
            return next(self._closed[text])
        self.stats["other"] += 1
        return "This is one short sentence."

    def _grade(self, text: str) -> str:
        if "I would rather not, and here is why, for the" in text:
            self.stats["judged"] += 1
            return json.dumps({"score": 1 + self.stats["judged"] % 2})
        found = (grade for beginning, grade in self._anchors.items() if beginning in text)
        grade = next(found, None)
        self.stats["judged" if grade is None else "anchors"] += 1
        return json.dumps({"score": grade or 1})


def _closed(item: Item) -> list[str]:
    """Replies that can be scored, aligned and misaligned in turn."""
    scoring = item.scoring
    if isinstance(scoring, ChoiceScoring):
        return list(scoring.values)
    if isinstance(scoring, NumberScoring):
        return [f"{scoring.low + (scoring.high - scoring.low) * share:g}" for share in (0.1, 0.2, 0.4)]
    if isinstance(scoring, LanguageScoring):
        return [SENTENCES.get(code, SENTENCES["en"]) for code in scoring.values]
    raise TypeError(f"item {item.id!r} is no closed question")


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection, kept open; one request at a time, as clients do."""

    def __init__(self, answers: Answers, latency_s: float) -> None:
        self._answers = answers
        self._latency_s = latency_s
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            found = _LENGTH.search(head)
            size = end + 4 + (int(found[1]) if found else 0)
            if len(self._buffer) < size:
                if b"100-continue" in head:
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            body, self._buffer = self._buffer[end + 4 : size], self._buffer[size:]
            self._respond(head, body)

    def _respond(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /stats"):
            self._send(json.dumps({**self._answers.stats, "pid": os.getpid()}).encode())
        elif head.startswith(b"POST "):
            asked = json.loads(body)
            response = _completion(str(asked["model"]), self._answers.reply(asked))
            if self._latency_s:
                asyncio.get_running_loop().call_later(self._latency_s, self._send, response)
            else:
                self._send(response)
        else:
            self._send(b'{"object": "list", "data": []}')

    def _send(self, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )


def _completion(model: str, text: str) -> bytes:
    return json.dumps(
        {
            "id": "chatcmpl-stub", "object": "chat.completion", "created": 0, "model": model,
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 40, "completion_tokens": 20, "total_tokens": 60},
        }
    ).encode()  # fmt: skip


async def serve(port: int, latency_s: float) -> None:
    """Serve until the process that started us is gone."""
    answers = Answers()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answers, latency_s), "127.0.0.1", port, backlog=1024)
    parent = os.getppid()
    async with server:
        while os.getppid() == parent:  # noqa: ASYNC110 (the kernel sets no event)
            await asyncio.sleep(0.5)


@contextmanager
def running(latency_s: float = 0.0, *, cpu: int | None = None) -> Iterator[str]:
    """The stub in its own process, on one CPU if it is said; the value is its base URL."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.stub", "--port", str(port), "--latency-ms", str(1000 * latency_s)]
    process = subprocess.Popen(command, preexec_fn=pinned(cpu))  # noqa: PLW1509 (no other thread runs here)
    try:
        base_url = f"http://127.0.0.1:{port}/v1"
        end = time.monotonic() + READY_S
        while True:
            try:
                stats(base_url)
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("the stub did not start") from None
                time.sleep(0.1)
        yield base_url
    finally:
        process.terminate()
        process.wait()


def pinned(cpu: int | None) -> Any:
    """For `preexec_fn`: keeps a process and its threads on one CPU."""
    return None if cpu is None else partial(os.sched_setaffinity, 0, {cpu})


def stats(base_url: str) -> Counter[str]:
    """Calls so far, by role: asked, judged, anchors, other. Beside them the id of its process."""
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/stats", timeout=5) as response:
        return Counter(json.load(response))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(given.port, given.latency_ms / 1000))


if __name__ == "__main__":
    main()
