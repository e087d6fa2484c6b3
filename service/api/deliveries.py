"""What became of each notice, and sending one again."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from service.api import tabular
from service.api.access import requires
from service.api.models import LARGEST_ID
from service.api.problems import ProblemError, not_found
from service.registration import Slug, Strict
from service.services import Services, services_of
from service.storage import deliveries as store
from service.storage.deliveries import CannotResendError, Shown

router = APIRouter(prefix="/api/v1", tags=["alerts"])


class DeliveriesQuery(Strict):
    """Filters of the list; `cursor` is the `next` of the page before."""

    state: Literal["pending", "delivered", "dead"] | None = None
    notifier: Slug | None = None
    endpoint: Slug | None = None
    cursor: int | None = Field(default=None, ge=1, le=LARGEST_ID)
    limit: int = Field(default=50, ge=1, le=500)
    format: Literal["json", "csv"] = "json"


@router.get("/deliveries", dependencies=[Depends(requires("read"))], response_model=None)
async def deliveries(request: Request, query: Annotated[DeliveriesQuery, Query()]) -> dict[str, Any] | Response:
    """Notices by channel, newest first: pending, delivered, or dead (given up); with the last error."""
    async with services_of(request).database.read() as session:
        found = await store.page(
            session, limit=query.limit + 1, state=query.state, notifier=query.notifier, endpoint=query.endpoint,
            before=query.cursor,
        )  # fmt: skip
    shown = [_shown(one) for one in found[: query.limit]]
    if query.format == "csv":
        return tabular.table(list(shown[0]) if shown else ["id", "state"], shown)
    more = len(found) > query.limit
    return {"deliveries": shown, "next": shown[-1]["id"] if more else None}


@router.get("/deliveries/{delivery}", dependencies=[Depends(requires("read"))])
async def delivery(request: Request, delivery: Annotated[int, Path(ge=1, le=LARGEST_ID)]) -> dict[str, Any]:
    """One delivery, with the message as it is sent."""
    async with services_of(request).database.read() as session:
        found = await store.one(session, delivery)
    if found is None:
        raise _unknown(delivery)
    return {**_shown(found), "text": found.row.notice.get("text")}


@router.post("/deliveries/{delivery}/resend", status_code=202, dependencies=[Depends(requires("write"))])
async def resend(
    request: Request,
    delivery: Annotated[int, Path(ge=1, le=LARGEST_ID)],
    force: Annotated[bool, Query(description="also when it, or a later notice of its alert, has arrived")] = False,
) -> dict[str, Any]:
    """Send a dead notice again, or a waiting one now. Its idempotency key stays, so that a receiver can tell."""
    return _shown(await sent_again(services_of(request), delivery, force=force))


async def sent_again(services: Services, delivery: int, *, force: bool) -> Shown:
    """Due at once. Raises a 404, or a 409 where a receiver would be misled."""
    async with services.database.write() as session:
        found = await store.one(session, delivery)
        if found is None:
            raise _unknown(delivery)
        try:
            await store.resend(session, found.row, services.clock(), force=force)
        except CannotResendError as error:
            raise ProblemError(
                409, "not-resent", f"{error}; add ?force=true to send it nevertheless", later=error.later
            ) from error
    services.changed()
    return found


def _unknown(delivery: int) -> ProblemError:
    return not_found("delivery", str(delivery), "GET /api/v1/deliveries lists them")


def _shown(found: Shown) -> dict[str, Any]:
    row = found.row
    notice = row.notice
    return {
        "id": row.id,
        "state": row.state,
        "notifier": row.notifier,
        "endpoint": notice.get("endpoint") or None,
        "run": found.run_id,
        "rule": notice.get("rule"),
        "status": notice.get("status"),
        "severity": notice.get("severity"),
        "title": notice.get("title"),
        "simulated": notice.get("simulated", False),
        "idempotency_key": notice.get("idempotency_key"),
        "attempts": row.attempt,
        "resent": row.resent,
        "last_error": row.last_error,
        "created_at": _time(row.created_at),
        "next_attempt_at": _time(row.next_at if row.state == "pending" else None),
        "delivered_at": _time(row.delivered_at),
        "dead_at": _time(row.dead_at),
        "repeated_next_at": _time(row.repeat_at),
    }


def _time(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at is not None else None
