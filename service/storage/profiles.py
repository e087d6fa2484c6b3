"""Imported profile sets in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.storage.schema import BaselineRow, EndpointRow, ProfileSetRow


async def every(session: AsyncSession) -> Sequence[ProfileSetRow]:
    """By name."""
    return (await session.scalars(select(ProfileSetRow).order_by(ProfileSetRow.name))).all()


async def names(session: AsyncSession) -> Sequence[str]:
    return (await session.scalars(select(ProfileSetRow.name).order_by(ProfileSetRow.name))).all()


async def by_name(session: AsyncSession, name: str) -> ProfileSetRow | None:
    return await session.get(ProfileSetRow, name)


async def add(session: AsyncSession, document: Mapping[str, Any], now: datetime) -> None:
    row = ProfileSetRow(
        name=document["name"], document=dict(document), content_hash=document["content_hash"], created_at=now
    )
    session.add(row)
    await session.flush()


async def remove(session: AsyncSession, name: str) -> None:
    await session.execute(delete(ProfileSetRow).where(ProfileSetRow.name == name))


async def used_by(session: AsyncSession) -> dict[str, list[str]]:
    """Endpoints by the set that they name."""
    query = select(EndpointRow.profiles, EndpointRow.name).order_by(EndpointRow.name)
    found: dict[str, list[str]] = {}
    for profiles, endpoint in (await session.execute(query)).all():
        found.setdefault(profiles, []).append(endpoint)
    return found


async def own_baselines(session: AsyncSession) -> Sequence[tuple[str, BaselineRow]]:
    """The newest own baseline of each endpoint that has one, by name."""
    query = (
        select(EndpointRow.name, BaselineRow)
        .join(BaselineRow, BaselineRow.endpoint_id == EndpointRow.id)
        .where(BaselineRow.id.in_(select(func.max(BaselineRow.id)).group_by(BaselineRow.endpoint_id)))
        .order_by(EndpointRow.name)
    )
    return [(name, row) for name, row in (await session.execute(query)).all()]
