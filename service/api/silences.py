"""Silences: matching alerts send nothing for a while. And the maintenance windows of the config file."""

import secrets
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, StringConstraints, model_validator
from sqlalchemy import update

from service.api import present
from service.api.access import requires
from service.api.problems import ProblemError, not_found
from service.rule_settings import Duration, MatchIn, Moment, Strict
from service.services import Services, services_of
from service.storage import alerts as store
from service.storage.schema import SilenceRow

router = APIRouter(prefix="/api/v1/silences", tags=["alerts"])
READ = Depends(requires("read"))
WRITE = Depends(requires("write"))
LONGEST = timedelta(days=366)
KEPT = timedelta(days=90)
"""Ended silences are listed for so long."""
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class SilenceIn(Strict):
    """Which alerts, until when, why, and who says so. One of `until` and `duration`."""

    match: MatchIn
    until: Moment | None = None
    duration: Duration | None = Field(default=None, gt=timedelta(0))
    starts: Moment | None = Field(default=None, description="now unless given")
    comment: Text
    who: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _one_end(self) -> "SilenceIn":
        if (self.until is None) == (self.duration is None):
            raise ValueError("give one of until (2026-03-01T12:00:00Z) and duration (PT2H)")
        return self


@router.get("", dependencies=[READ])
async def silences(request: Request, ended: Annotated[bool, Query()] = False) -> dict[str, Any]:
    """Silences that hold or are to come (with `ended=true` also those of the last 90 days), and maintenance windows."""
    services = services_of(request)
    now = services.clock()
    async with services.database.read() as session:
        rows = await store.all_silences(session, ended_since=now - KEPT if ended else now)
    return {"silences": [_shown(row, now) for row in rows], "maintenance": _windows(services, now)}


@router.post("", status_code=201, dependencies=[WRITE])
async def create(body: SilenceIn, request: Request) -> dict[str, Any]:
    """Mute matching alerts. They keep their state, and what still fires at the end is sent then."""
    services = services_of(request)
    return _shown(await begin(services, body), services.clock())


async def begin(services: Services, body: SilenceIn) -> SilenceRow:
    """Store a silence. Raises a 422 for an end that has passed, or is too far away."""
    now = services.clock()
    starts = body.starts or now
    ends = body.until or starts + (body.duration or timedelta(0))
    if ends <= now:
        raise _invalid(f"until: {ends.isoformat()} has passed (it is {now.isoformat()}); give a time to come")
    if ends <= starts:
        raise _invalid(f"until: {ends.isoformat()} is not after starts, {starts.isoformat()}")
    if ends - now > LONGEST:
        raise _invalid(f"until: {ends.isoformat()} is over {LONGEST.days} days away; turn the rule off instead")
    row = SilenceRow(
        id=secrets.token_hex(8), match=store.match_to_json(body.match.match()), starts_at=starts, ends_at=ends,
        who=body.who, comment=body.comment, created_at=now,
    )  # fmt: skip
    async with services.database.write() as session:
        session.add(row)
    services.ticker.wake()
    return row


@router.delete("/{silence_id}", status_code=204, dependencies=[WRITE])
async def end(silence_id: str, request: Request) -> None:
    """End a silence now. What it muted and still fires is sent. One that has ended already stays as it is."""
    await finish(services_of(request), silence_id)


async def finish(services: Services, silence_id: str) -> None:
    """End a silence. Raises a 404."""
    now = services.clock()
    async with services.database.write() as session:
        row = await session.get(SilenceRow, silence_id)
        if row is None:
            raise not_found("silence", silence_id, "GET /api/v1/silences lists them")
        over = update(SilenceRow).where(SilenceRow.id == silence_id, SilenceRow.ends_at > now)
        await session.execute(over.values(ends_at=now))
    services.ticker.wake()


def _invalid(detail: str) -> ProblemError:
    return ProblemError(422, "invalid-request", detail)


def _shown(row: SilenceRow, now: datetime) -> dict[str, Any]:
    state = "ended" if row.ends_at <= now else "pending" if row.starts_at > now else "active"
    return {
        "id": row.id,
        "state": state,
        "match": row.match,
        "starts": present.time(row.starts_at),
        "until": present.time(row.ends_at),
        "comment": row.comment,
        "who": row.who,
        "created_at": present.time(row.created_at),
    }


def _windows(services: Services, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "match": store.match_to_json(one.match),
            "schedule": one.cron,
            "timezone": one.zone.key,
            "duration_s": one.duration.total_seconds(),
            "comment": one.comment,
            "open_until": present.time(one.until(now)),
            "next": present.time(one.next_start(now)),
        }
        for one in services.alerting.policy.windows
    ]
