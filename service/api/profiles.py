"""Profile sets: published ones, a user's own, and the own baselines of endpoints."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request, Response

from baselines.serialize import profile_set_to_json
from service import profile_library
from service.api import present
from service.api.access import requires
from service.api.problems import ProblemError
from service.profile_documents import DocumentError
from service.profile_library import Entry, InUseError, NameTakenError, OwnBaseline
from service.services import Services, services_of

router = APIRouter(prefix="/api/v1/profiles", tags=["reference"])
READ = Depends(requires("read"))
WRITE = Depends(requires("write"))


@router.get("", dependencies=[READ])
async def profiles(request: Request) -> dict[str, Any]:
    """All profile sets with their provenance, published and imported; and the own baselines of endpoints."""
    async with services_of(request).database.read() as session:
        entries = await profile_library.listed(session)
        own = await profile_library.own_baselines(session)
    return {"profiles": [_entry(one) for one in entries], "baselines": [_own(one) for one in own]}


@router.post("", status_code=201, dependencies=[WRITE])
async def take(
    request: Request, response: Response, body: Annotated[Any, Body(description="a document as exported")]
) -> dict[str, Any]:
    """Import a profile set (201). The same content again answers 200; other content under a name that is taken, 409."""
    found, new = await imported(services_of(request), body)
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"/api/v1/profiles/{found['name']}"
    return dict(found)


@router.get("/{name:path}", dependencies=[READ])
async def one(name: str, request: Request) -> dict[str, Any]:
    """A set as a document that POST takes; or, as own/ENDPOINT, an endpoint's own baseline in the same form."""
    async with services_of(request).database.read() as session:
        try:
            return dict(await profile_library.document(session, name))
        except KeyError as error:
            raise ProblemError(404, "unknown-profiles", str(error.args[0])) from error


@router.delete("/{name:path}", status_code=204, dependencies=[WRITE])
async def delete(name: str, request: Request) -> None:
    """Forget an imported set. Refused (409) while an endpoint uses it."""
    await removed(services_of(request), name)


async def imported(services: Services, data: object) -> tuple[Mapping[str, Any], bool]:
    """Import a document; also whether it is new. Raises a 422 with every mistake, or a 409 for a name that is taken."""
    try:
        return await profile_library.take(services.database, data, services.clock())
    except DocumentError as error:
        errors = [{"field": m.path, "value": m.value, "message": m.remedy} for m in error.mistakes]
        raise ProblemError(422, "invalid-profiles", str(error), errors=errors) from error
    except NameTakenError as error:
        raise ProblemError(409, "name-taken", str(error)) from error


async def removed(services: Services, name: str) -> None:
    """Delete an imported set. Raises a 404, or a 409 while it is in use."""
    try:
        await profile_library.delete(services.database, name)
    except KeyError as error:
        raise ProblemError(404, "unknown-profiles", str(error.args[0])) from error
    except InUseError as error:
        raise ProblemError(409, "profiles-in-use", str(error)) from error


def _entry(found: Entry) -> dict[str, Any]:
    return {
        **profile_set_to_json(found.profiles),
        "origin": found.origin,
        "used_by": list(found.used_by),
        "created_at": present.time(found.made_at),
    }


def _own(found: OwnBaseline) -> dict[str, Any]:
    return {
        "name": found.name,
        "endpoint": found.endpoint,
        "provenance": found.row.profile.get("provenance", ""),
        "runs": found.row.runs,
        "made_by": found.row.made_by,
        "cells": len(found.row.profile.get("cells", ())),
        "stale": found.stale,
        "created_at": present.time(found.row.created_at),
    }
