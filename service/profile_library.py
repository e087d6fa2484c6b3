"""Every profile set there is, by name: those that are published, and those that users have imported."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from baselines.profiles import published, published_names
from baselines.types import ProfileSet
from service import own_baseline, profile_documents
from service.profile_documents import OWN
from service.storage import endpoints as endpoint_store
from service.storage import profiles as store
from service.storage.engine import Database
from service.storage.schema import BaselineRow


class NameTakenError(Exception):
    """Another set has this name. The text says which, and what to do."""


class InUseError(Exception):
    """The set cannot be deleted. The text says why."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A set as listed. `origin`: published, or imported (`made_at` then tells when)."""

    profiles: ProfileSet
    origin: str
    made_at: datetime | None
    used_by: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OwnBaseline:
    """An endpoint's own baseline as listed. `stale`: why it is not compared with any more, else None."""

    endpoint: str
    row: BaselineRow
    stale: str | None

    @property
    def name(self) -> str:
        return f"{OWN}{self.endpoint}"


async def resolve(session: AsyncSession, name: str) -> ProfileSet:
    """The set called `name`, published or imported. Raises KeyError naming the known ones."""
    if name in published_names():
        return published(name)
    row = await store.by_name(session, name)
    if row is None:
        raise KeyError(await unknown(session, name))
    return profile_documents.to_set(row.document)


async def names(session: AsyncSession) -> tuple[str, ...]:
    """The published sets, then the imported ones."""
    return (*published_names(), *await store.names(session))


async def unknown(session: AsyncSession, name: str) -> str:
    """What is said of a name that no set has."""
    known = ", ".join(await names(session))
    return f"unknown profiles {name!r}; known: {known}"


async def known(session: AsyncSession, name: str) -> bool:
    return name in published_names() or await store.by_name(session, name) is not None


async def listed(session: AsyncSession) -> Sequence[Entry]:
    """The published sets, then the imported ones by name."""
    used = await store.used_by(session)
    found = [
        Entry(profiles=published(name), origin="published", made_at=None, used_by=tuple(used.get(name, ())))
        for name in published_names()
    ]
    found += [
        Entry(
            profiles=profile_documents.to_set(row.document), origin="imported", made_at=row.created_at,
            used_by=tuple(used.get(row.name, ())),
        )
        for row in await store.every(session)
    ]  # fmt: skip
    return found


async def own_baselines(session: AsyncSession) -> Sequence[OwnBaseline]:
    rows = await store.own_baselines(session)
    return [OwnBaseline(endpoint=name, row=row, stale=own_baseline.stale(row)) for name, row in rows]


async def document(session: AsyncSession, name: str) -> Mapping[str, Any]:
    """A set, or with the name own/ENDPOINT an endpoint's own baseline, as it is exported. Raises KeyError."""
    if name in published_names():
        return profile_documents.of_set(published(name))
    if (row := await store.by_name(session, name)) is not None:
        found: dict[str, Any] = row.document
        return found
    if name.startswith(OWN):
        return await _own_document(session, name.removeprefix(OWN))
    raise KeyError(await unknown(session, name))


async def _own_document(session: AsyncSession, endpoint: str) -> Mapping[str, Any]:
    row = await endpoint_store.by_name(session, endpoint)
    if row is None:
        raise KeyError(f"there is no endpoint {endpoint!r}, so it has no own baseline")
    own = own_baseline.profile(await own_baseline.newest(session, row.id))
    if own is None:
        raise KeyError(f"the endpoint {endpoint!r} has no own baseline yet; it is made of its steady runs")
    return profile_documents.of_own(endpoint, own)


async def take(database: Database, data: object, now: datetime) -> tuple[Mapping[str, Any], bool]:
    """Import a document: as it is kept, and whether it is new. The same content again changes nothing.

    Raises DocumentError for what is no profile set, NameTakenError where the name stands for other content.
    """
    wanted = profile_documents.read(data)
    async with database.write() as session:
        if not await known(session, wanted["name"]):
            await store.add(session, wanted, now)
            return wanted, True
        there = await document(session, wanted["name"])
    if _canonical(there) == _canonical(wanted):
        return there, False
    shipped = wanted["name"] in published_names()
    raise NameTakenError(
        f"name = {wanted['name']!r}: {'a published' if shipped else 'an imported'} set of this name has other content "
        f"(it differs in {_difference(there, wanted)}); choose another name"
        + ("" if shipped else ", or delete the set that is there first")
    )


async def delete(database: Database, name: str) -> None:
    """Forget an imported set. Raises InUseError for a published one and while an endpoint names it, KeyError."""
    if name in published_names():
        raise InUseError(f"{name!r} is a published set; it is part of selfwatch and cannot be deleted")
    async with database.write() as session:
        if await store.by_name(session, name) is None:
            raise KeyError(await unknown(session, name))
        if users := (await store.used_by(session)).get(name):
            shown = ", ".join(users[:5]) + (f" and {len(users) - 5} more" if len(users) > 5 else "")
            raise InUseError(f"{name!r} is in use by {shown}; give these endpoints other profiles (PATCH) first")
        await store.remove(session, name)


def _canonical(data: Mapping[str, Any]) -> str:
    return json.dumps(data, sort_keys=True)


def _difference(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    def parts(data: Mapping[str, Any]) -> dict[str, Any]:
        return {"provenance": data["provenance"], **{f"states.{name}": one for name, one in data["states"].items()}}

    old, new = parts(there), parts(wanted)
    return ", ".join(name for name in {**old, **new} if old.get(name) != new.get(name)) or "content_hash"
