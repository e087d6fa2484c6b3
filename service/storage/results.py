"""What runs led to: measurements, detector states, verdicts."""

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.serialize import comparison_from_json, detector_from_json, detector_to_json, story_from_json
from baselines.types import Arm, DetectorState, Judgement, Story, Verdict
from baselines.verdict import told_on
from probes.types import Cell, Measurement
from service.storage import newest
from service.storage.newest import CONCLUDED
from service.storage.schema import AnswerRow, DetectorRow, EndpointRow, MeasurementRow, RunRow

LOOK_BACK = 200


async def measurements(session: AsyncSession, run_id: str) -> Sequence[MeasurementRow]:
    order = (MeasurementRow.probe, MeasurementRow.dimension, MeasurementRow.method, MeasurementRow.category)
    return (await session.scalars(select(MeasurementRow).where(MeasurementRow.run_id == run_id).order_by(*order))).all()


def measurement_of(row: MeasurementRow) -> Measurement:
    cell = Cell(probe=row.probe, dimension=row.dimension, method=row.method, category=row.category)
    return Measurement(
        cell=cell, mean=row.mean, variance=row.variance, n=row.n, invalid=row.invalid, items=row.items, k=row.k
    )


async def detectors(session: AsyncSession, endpoint_id: int) -> dict[Arm, DetectorState]:
    rows = await session.scalars(select(DetectorRow).where(DetectorRow.endpoint_id == endpoint_id))
    return {Arm(row.arm): detector_from_json(row.state) for row in rows}


async def save_detectors(session: AsyncSession, endpoint_id: int, states: Mapping[Arm, DetectorState]) -> None:
    for arm, state in states.items():
        values = {"endpoint_id": endpoint_id, "arm": str(arm), "state": detector_to_json(state)}
        statement = insert(DetectorRow).values(values)
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["endpoint_id", "arm"], set_={"state": statement.excluded.state}
            )
        )


async def concluded(session: AsyncSession, endpoint_id: int, limit: int) -> list[RunRow]:
    """The last runs with a comparison, oldest first."""
    query = (
        select(RunRow)
        .where(RunRow.endpoint_id == endpoint_id, RunRow.state.in_(CONCLUDED), RunRow.comparison.is_not(None))
        .order_by(RunRow.created_at.desc(), RunRow.id.desc())
        .limit(limit)
    )
    return list(reversed((await session.scalars(query)).all()))


async def newest_concluded(session: AsyncSession, endpoint_ids: Sequence[int]) -> dict[int, RunRow]:
    """The last run with a comparison of each endpoint that has one."""
    query = select(RunRow).join(EndpointRow, RunRow.id == newest.concluded()).where(EndpointRow.id.in_(endpoint_ids))
    return {run.endpoint_id: run for run in await session.scalars(query)}


async def story(session: AsyncSession, endpoint: EndpointRow) -> Story:
    """What of the past a verdict depends on; an endpoint of an earlier release tells it by its last verdicts."""
    if endpoint.story is not None:
        return story_from_json(endpoint.story)
    found = Story()
    for run in await concluded(session, endpoint.id, LOOK_BACK):
        if run.verdict and run.comparison:
            judgement = Judgement(verdict=Verdict(run.verdict), because=run.because or "")
            found = told_on(found, judgement, comparison_from_json(run.comparison))
    return found


async def verdicts(session: AsyncSession, endpoint_id: int, limit: int) -> list[Verdict]:
    """Verdicts of the last runs, oldest first."""
    return [Verdict(run.verdict) for run in await concluded(session, endpoint_id, limit) if run.verdict]


async def last_finished(session: AsyncSession, run: RunRow, count: int) -> list[RunRow]:
    """The last `count` succeeded runs of the run's endpoint and plan, newest first."""
    query = (
        select(RunRow)
        .where(RunRow.endpoint_id == run.endpoint_id, RunRow.plan == run.plan, RunRow.state == "succeeded")
        .where(RunRow.banks_hash == run.banks_hash)
        .order_by(RunRow.created_at.desc(), RunRow.id.desc())
        .limit(count)
    )
    return list((await session.scalars(query)).all())


async def invalid_by_reason(session: AsyncSession, run_id: str) -> dict[str, int]:
    """How many answers have no score, by reason, most frequent first."""
    stored = await session.scalar(select(RunRow.invalid_by_reason).where(RunRow.id == run_id))
    if stored is not None:  # its answers are removed, or about to be
        return {str(reason): int(number) for reason, number in stored.items()}
    count = func.count()
    query = select(AnswerRow.reason, count).where(AnswerRow.run_id == run_id, AnswerRow.score.is_(None))
    rows = (await session.execute(query.group_by(AnswerRow.reason).order_by(count.desc()))).all()
    return {str(reason): int(number) for reason, number in rows}
