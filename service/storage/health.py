"""The health and the circuit of an endpoint in the database."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from probes.types import Problem
from service.circuit import CLOSED, Circuit
from service.storage.schema import EndpointRow


@dataclass(frozen=True, kw_only=True)
class Health:
    """What the endpoints table holds about health: enough to put it back as it was."""

    health: str
    health_reason: str | None
    health_detail: str | None
    health_remedy: str | None
    health_at: datetime | None
    failures: int
    probes: int
    next_probe: datetime | None


def health_of(row: EndpointRow) -> Health:
    return Health(
        health=row.health, health_reason=row.health_reason, health_detail=row.health_detail,
        health_remedy=row.health_remedy, health_at=row.health_at, failures=row.failures, probes=row.probes,
        next_probe=row.next_probe,
    )  # fmt: skip


def circuit_of(row: EndpointRow) -> Circuit:
    return Circuit(failures=row.failures, probes=row.probes, next_probe=row.next_probe)


async def current(session: AsyncSession, endpoint_id: int) -> EndpointRow | None:
    """The endpoint as it is now, whatever was read before."""
    query = select(EndpointRow).where(EndpointRow.id == endpoint_id)
    return await session.scalar(query.execution_options(populate_existing=True))


async def put_back(session: AsyncSession, endpoint_id: int, before: Health) -> None:
    await session.execute(update(EndpointRow).where(EndpointRow.id == endpoint_id).values(**vars(before)))


async def save_circuit(session: AsyncSession, endpoint_id: int, circuit: Circuit) -> None:
    await session.execute(
        update(EndpointRow)
        .where(EndpointRow.id == endpoint_id)
        .values(failures=circuit.failures, probes=circuit.probes, next_probe=circuit.next_probe)
    )


async def note_probe(session: AsyncSession, row: EndpointRow, problem: Problem, now: datetime) -> None:
    """Why an endpoint that is down is still down. `health_at` stays: since when it has been so."""
    if row.health_reason != str(problem.reason):
        row.health_at = now
    row.health, row.health_reason = "down", str(problem.reason)
    row.health_detail, row.health_remedy = problem.detail, problem.remedy


def forget(row: EndpointRow) -> None:
    """A fresh look: address, model or key have changed, and nothing is known of the new ones."""
    row.health = "unknown"
    row.health_reason = row.health_detail = row.health_remedy = row.health_at = None
    row.failures, row.probes, row.next_probe = CLOSED.failures, CLOSED.probes, CLOSED.next_probe
