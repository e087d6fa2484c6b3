"""Every kind of client, by name. Adding one: a module and a line here; contract tests pick it up."""

from pkgutil import resolve_name
from typing import Any, Protocol

from probes.types import Client

CLIENTS: dict[str, str] = {
    "openai_compatible": "probes.clients.openai_compatible:Transport",
    "scripted": "probes.clients.scripted:Scripted",
    "personas": "probes.clients.personas:Personas",
}


class Transport(Protocol):
    """What the clients of one kind share: connections, or nothing."""

    def client(self, *, base_url: str, api_key: str | None, model: str) -> Client:
        """A client for one model. Does no I/O."""
        ...

    async def aclose(self) -> None:
        """Close what is shared. May be called twice."""
        ...


def transport(kind: str, **options: Any) -> Transport:
    """A transport of this kind. Raises KeyError naming the known ones."""
    if kind not in CLIENTS:
        raise KeyError(f"unknown client kind {kind!r}; known: {', '.join(sorted(CLIENTS))}")
    made: Transport = resolve_name(CLIENTS[kind])(**options)
    return made
