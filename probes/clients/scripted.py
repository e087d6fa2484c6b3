"""A fake model that says what it is told to: for tests, and for trying a plan without any server."""

import inspect
from collections.abc import Awaitable, Callable, Sequence

from probes.types import Message, Reply, Sampling

Script = Callable[[Sequence[Message]], "str | Reply | Awaitable[str | Reply]"]
"""From the messages to a reply, at once or awaited. It may raise CallError."""


def agreeable(_messages: Sequence[Message]) -> str:
    return "yes"


class Scripted:
    """Clients that all follow one script. `asked` records what each was asked, in order."""

    def __init__(self, script: Script = agreeable) -> None:
        self._script = script
        self.asked: list[tuple[Message, ...]] = []

    def client(self, *, base_url: str = "", api_key: str | None = None, model: str) -> "ScriptedClient":
        """A client. Neither the address nor the key matters."""
        return ScriptedClient(self._script, self.asked, model)

    async def aclose(self) -> None:
        """Nothing to close."""


class ScriptedClient:
    def __init__(self, script: Script, asked: list[tuple[Message, ...]], model: str) -> None:
        self._script = script
        self._asked = asked
        self._model = model

    async def ask(self, messages: Sequence[Message], *, sampling: Sampling, deadline_s: float) -> Reply:
        """What the script says. Raises the CallError that it raises."""
        self._asked.append(tuple(messages))
        said = self._script(messages)
        if inspect.isawaitable(said):
            said = await said
        return said if isinstance(said, Reply) else Reply(text=said, latency_s=0.0, model=self._model)

    async def aclose(self) -> None:
        """Nothing to close."""
