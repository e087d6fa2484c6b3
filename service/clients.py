"""Clients of registered endpoints, and what is found out about their servers once and remembered."""

from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import update

from probes.capabilities import FoundOut, find_out
from probes.clients.openai_compatible import Transport
from probes.types import Capabilities, Client
from service import keys
from service.storage.engine import Database
from service.storage.schema import EndpointRow
from service.vault import Vault


class Clients:
    """Makes the client of an endpoint; knows which settings its server has rejected so far."""

    def __init__(self, transport: Transport, vault: Vault) -> None:
        self._transport = transport
        self._vault = vault

    def of(self, endpoint: EndpointRow) -> Client:
        """Raises CallError when its key cannot be had."""
        key = keys.resolve(endpoint, self._vault)
        known = capabilities_of(endpoint)
        if known is not None:
            self._transport.quirks(endpoint.base_url, endpoint.model).update(known.rejected)
        return self._transport.client(base_url=endpoint.base_url, api_key=key, model=endpoint.model)

    def rejected(self, endpoint: EndpointRow) -> tuple[str, ...]:
        return tuple(sorted(self._transport.quirks(endpoint.base_url, endpoint.model)))


def capabilities_of(endpoint: EndpointRow) -> Capabilities | None:
    """What was found out about the endpoint's server; None before the first look."""
    if endpoint.capabilities is None:
        return None
    stored: dict[str, Any] = {**endpoint.capabilities}
    stored["rejected"] = tuple(stored.get("rejected", ()))
    return Capabilities(**stored)


async def learn(database: Database, clients: Clients, endpoint: EndpointRow, deadline_s: float) -> FoundOut:
    """Find out what the endpoint's server can do, and remember it. Raises CallError when it cannot be reached."""
    found = await find_out_about(clients, endpoint, deadline_s)
    known = found.capabilities
    stored = {**asdict(known), "rejected": list(known.rejected)}
    asked = (EndpointRow.base_url == endpoint.base_url, EndpointRow.model == endpoint.model)
    async with database.write() as session:
        # not if it was changed meanwhile: the new server has yet to be looked at
        await session.execute(
            update(EndpointRow).where(EndpointRow.id == endpoint.id, *asked).values(capabilities=stored)
        )
    return found


async def find_out_about(clients: Clients, endpoint: EndpointRow, deadline_s: float) -> FoundOut:
    """What the endpoint's server can do, and which settings it rejects. Raises CallError when it cannot be reached."""
    extra = endpoint.sampling.get("extra") or {}
    found = await find_out(clients.of(endpoint), extra=extra, deadline_s=deadline_s)
    return replace(found, capabilities=replace(found.capabilities, rejected=clients.rejected(endpoint)))
