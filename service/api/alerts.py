"""Alerts as they stand: what fires, what is muted and why, and what false alarms the fleet may cost."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from alerts.mute import Mute
from alerts.types import AlertState
from service import alert_list
from service.alert_list import Listed
from service.api import present
from service.api.access import requires
from service.false_alarms import quarter
from service.services import Services, services_of

router = APIRouter(prefix="/api/v1", tags=["alerts"], dependencies=[Depends(requires("read"))])
WORST_FIRST = {"firing": 0, "pending": 1, "resolved": 2, "inactive": 3}


@router.get("/alerts")
async def alerts(
    request: Request,
    state: Annotated[AlertState | None, Query()] = None,
    endpoint: Annotated[str | None, Query(max_length=63)] = None,
) -> dict[str, Any]:
    """Alerts of all endpoints and of the installation (`endpoint` null), firing first. Both parameters filter."""
    services = services_of(request)
    now = services.clock()
    async with services.database.read() as session:
        listed = await alert_list.listed(session, services.alerting, now)
        threshold = await services.false_alarms.threshold_log10(session)
        shares = await services.false_alarms.shares(session)
        spent = await services.false_alarms.spent(session, now)
    shown = [
        _shown(one, services)
        for one in listed
        if (state is None or one.row.state == state) and (endpoint is None or one.row.subject == endpoint)
    ]
    shown.sort(key=lambda a: (WORST_FIRST.get(a["state"], 9), a["endpoint"] or "", a["rule"]))
    expected = sum(sum(share.heartbeats.values()) for share in shares) * 10.0**-threshold
    return {
        "alerts": shown,
        "false_alarms": {
            "promise": services.false_alarms.promise,
            "threshold_log10": threshold,
            "quarter": quarter(now),
            "expected_per_quarter": round(expected, 6),
            "spent": round(sum(spent.values()), 6),
        },
    }


@router.get("/rules")
async def rules(request: Request) -> dict[str, Any]:
    """The rules in force: shipped ones as adjusted, and the users' own."""
    services = services_of(request)
    found = services.alerting.policy.rules
    return {
        "rules": [
            {
                "name": rule.name,
                "shipped": rule.shipped,
                "severity": str(rule.severity),
                "summary": rule.summary,
                "for": {"runs": rule.for_runs, "duration_s": rule.for_duration.total_seconds()},
                "resolve_runs": rule.resolve_runs,
                "labels": dict(rule.labels),
                "muted_by": sorted(rule.muted_by),
                "runbook": services.alerting.runbook(rule),
            }
            for rule in found
        ]
    }


def _shown(one: Listed, services: Services) -> dict[str, Any]:
    row, url = one.row, services.settings.url
    return {
        "endpoint": row.subject or None,
        "rule": row.rule,
        "severity": row.severity,
        "state": row.state,
        "since": present.time(row.since),
        "run": row.run_id,
        "summary": row.summary or (one.rule.summary if one.rule else ""),
        "labels": row.labels,
        "muted_by": [_mute(mute) for mute in one.mutes],
        "flapping": one.flapping,
        "told": list(row.told),
        "told_at": present.time(row.told_at) if row.told else None,
        "links": {
            "page": f"{url}/endpoints/{row.subject}" if row.subject else f"{url}/",
            "run": f"{url}/runs/{row.run_id}" if row.run_id else None,
            "runbook": services.alerting.runbook(one.rule) if one.rule else None,
        },
    }


def _mute(mute: Mute) -> dict[str, Any]:
    return {"kind": str(mute.kind), "by": mute.by, "until": present.time(mute.until), "comment": mute.comment}
