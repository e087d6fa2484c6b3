"""What may be asked of a run that exists: to stop, to hold, to go on. The API and the pages share it."""

from sqlalchemy.ext.asyncio import AsyncSession

from service.api.problems import ProblemError, not_found
from service.services import Services
from service.storage import runs as store
from service.storage.schema import EndpointRow, RunRow


async def known_run(session: AsyncSession, run_id: str) -> tuple[RunRow, EndpointRow]:
    """The run and its endpoint. Raises a 404."""
    row = await session.get(RunRow, run_id)
    if row is None:
        raise not_found("run", run_id, "GET /api/v1/runs lists them")
    return row, await session.get_one(EndpointRow, row.endpoint_id)


async def cancel(services: Services, run_id: str) -> tuple[RunRow, EndpointRow]:
    """Ask a run to stop; one that is over stays as it is. Raises a 404."""
    async with services.database.write() as session:
        row, endpoint = await known_run(session, run_id)
        if row.state not in store.FINISHED:
            await store.request_cancel(session, row, services.clock())
            await session.refresh(row)
    services.look(run_id)
    services.changed()
    return row, endpoint


async def set_paused(services: Services, run_id: str, *, paused: bool) -> tuple[RunRow, EndpointRow]:
    """Hold a run, or let it go on. Raises a 404, and a 409 for one that is over."""
    async with services.database.write() as session:
        row, endpoint = await known_run(session, run_id)
        if row.state in store.FINISHED:
            raise ProblemError(409, "run-finished", f"run {run_id!r} is over ({row.state}); start a new one")
        await store.set_paused(session, row, paused=paused)
        await session.refresh(row)
    services.look(run_id)
    services.wake()
    services.changed()
    return row, endpoint
