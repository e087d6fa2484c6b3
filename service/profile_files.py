"""Profile sets from the command line: in the service's database, or over HTTP from a service that runs elsewhere."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import httpx2
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from service import profile_library
from service.profile_documents import DocumentError
from service.profile_library import InUseError, NameTakenError
from service.settings import Settings
from service.storage import migrate
from service.storage import profiles as store
from service.storage.engine import Database
from service.wiring import now

T = TypeVar("T")
PATH = "/api/v1/profiles"


class ProfilesError(Exception):
    """It cannot be done. The text says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A set, or an own baseline, in the list. `states`: mean score by state and arm, as text."""

    name: str
    origin: str
    used_by: Sequence[str]
    provenance: str


class Shelf(Protocol):
    """Where profile sets are. Every method raises ProfilesError."""

    def list(self) -> Sequence[Line]: ...

    def export(self, name: str) -> Mapping[str, Any]: ...

    def take(self, data: object) -> bool:
        """Import; whether it is new."""
        ...

    def delete(self, name: str) -> None: ...


class LocalShelf:
    """In the database of the settings, whether or not the service runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def list(self) -> Sequence[Line]:
        async def read(session: AsyncSession) -> Sequence[Line]:
            sets = [
                Line(name=one.profiles.name, origin=one.origin, used_by=one.used_by, provenance=one.profiles.provenance)
                for one in await profile_library.listed(session)
            ]
            own = await profile_library.own_baselines(session)
            return sets + [
                Line(name=one.name, origin="own baseline", used_by=(), provenance=one.row.profile["provenance"])
                for one in own
            ]

        return self._read(read)

    def export(self, name: str) -> Mapping[str, Any]:
        return self._read(lambda session: profile_library.document(session, name))

    def take(self, data: object) -> bool:
        async def work(database: Database) -> bool:
            return (await profile_library.take(database, data, now()))[1]

        return self._do(work)

    def delete(self, name: str) -> None:
        self._do(lambda database: profile_library.delete(database, name))

    def _read(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        async def reading(database: Database) -> T:
            async with database.read() as session:
                return await work(session)

        return self._do(reading)

    def _do(self, work: Callable[[Database], Awaitable[T]]) -> T:
        try:
            return asyncio.run(_opened(self._settings, work))
        except KeyError as error:
            raise ProfilesError(str(error.args[0])) from error
        except (DocumentError, NameTakenError, InUseError) as error:
            raise ProfilesError(_lines(error)) from error


class RemoteShelf:
    """At a running service, over its API."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http

    def list(self) -> Sequence[Line]:
        found = self._call("GET", PATH).json()
        sets = [_line(one, one["origin"], one["used_by"]) for one in found["profiles"]]
        return sets + [_line(one, "own baseline", ()) for one in found["baselines"]]

    def export(self, name: str) -> Mapping[str, Any]:
        found: dict[str, Any] = self._call("GET", _path(name)).json()
        return found

    def take(self, data: object) -> bool:
        return self._call("POST", PATH, json=data).status_code == httpx2.codes.CREATED

    def delete(self, name: str) -> None:
        self._call("DELETE", _path(name))

    def _call(self, method: str, path: str, **more: Any) -> httpx2.Response:
        try:
            reply = self._http.request(method, path, **more)
        except httpx2.TransportError as error:
            raise ProfilesError(
                f"{self._http.base_url} cannot be reached ({type(error).__name__}); is the service running there?"
            ) from error
        if reply.is_success:
            return reply
        try:
            problem = reply.json()
            told = problem["detail"]
            if reply.status_code == httpx2.codes.UNPROCESSABLE_ENTITY and problem.get("errors"):
                told = "\n".join(_mistake(one) for one in problem["errors"])
        except (ValueError, KeyError, TypeError):
            told = f"{self._http.base_url} answered {reply.status_code}, which is no reply of selfwatch; check the URL"
        raise ProfilesError(told)


async def imported_names(settings: Settings) -> Sequence[str]:
    """Of the imported sets in the database of the settings; none where there is no database yet."""
    if not _made_yet(settings):
        return ()
    database = Database(settings.sqlalchemy_url())
    try:
        async with database.read() as session:
            return await store.names(session)
    except OperationalError:
        return ()
    finally:
        await database.close()


def _made_yet(settings: Settings) -> bool:
    """Asked of the file, since a database takes one that is not there for one that was lost, and logs an error."""
    file = make_url(settings.sqlalchemy_url()).database
    return not file or Path(file).exists()


async def _opened(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    await asyncio.to_thread(migrate.upgrade, settings.sqlalchemy_url())
    database = Database(settings.sqlalchemy_url())
    try:
        return await work(database)
    finally:
        await database.close()


def _path(name: str) -> str:
    return f"{PATH}/{quote(name)}"


def _line(found: Mapping[str, Any], origin: str, used_by: Sequence[str]) -> Line:
    return Line(name=found["name"], origin=origin, used_by=used_by, provenance=found["provenance"])


def _lines(error: Exception) -> str:
    if isinstance(error, DocumentError):
        return "\n".join(one.text for one in error.mistakes)
    return str(error)


def _mistake(problem: Mapping[str, Any]) -> str:
    value = problem.get("value")
    where = problem["field"] if value is None else f"{problem['field']} = {value}"
    return f"{where}: {problem['message']}"
