"""What is promised about false alarms, what it has cost so far, and what can be found of an endpoint."""

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends, Request

from baselines import wobble
from baselines.correlate import spearman
from baselines.types import Arm, DetectorState
from service import own_baseline, profile_library, quote
from service.api.access import requires
from service.api.endpoints import known
from service.estimates import rates
from service.false_alarms import interval, quarter
from service.services import services_of
from service.storage import endpoints as store
from service.storage import results

router = APIRouter(prefix="/api/v1", tags=["statistics"])
READ = Depends(requires("read"))
HISTORY = 500
"""Runs whose arms are correlated."""


@router.get("/false-alarms", dependencies=[READ])
async def false_alarms(request: Request) -> dict[str, Any]:
    """The promise, the threshold that follows from it, and what this quarter's heartbeats may have cost so far."""
    services = services_of(request)
    now = services.clock()
    async with services.database.read() as session:
        threshold = await services.false_alarms.threshold_log10(session)
        shares = await services.false_alarms.shares(session)
        spent = await services.false_alarms.spent(session, now)
    expected = {one.endpoint: sum(one.heartbeats.values()) * 10.0**-threshold for one in shares}
    return {
        "promise": services.false_alarms.promise,
        "threshold_log10": threshold,
        "quarter": quarter(now),
        "expected_per_quarter": round(sum(expected.values()), 6),
        "spent": round(sum(spent.values()), 6),
        "endpoints": [
            {"endpoint": name, "expected_per_quarter": round(expected.get(name, 0.0), 6), "spent": spent.get(name, 0.0)}
            for name in sorted({*expected, *spent})
        ],
    }


@router.get("/endpoints/{name}/statistics", dependencies=[READ])
async def of_endpoint(name: str, request: Request) -> dict[str, Any]:
    """Evidence, wobble, the correlation of words and deeds, and what the schedules cost and find."""
    services = services_of(request)
    async with services.database.read() as session:
        row = await known(session, name)
        detectors = await results.detectors(session, row.id)
        baseline = own_baseline.profile(await own_baseline.current(session, row.id))
        schedules = (await store.schedules_of(session, [row.id]))[row.id]
        runs = await results.concluded(session, row.id, HISTORY)
        measured = await rates(session, row.id)
        threshold = await services.false_alarms.threshold_log10(session)
        profiles = await profile_library.resolve(session, row.profiles)
    quotes = await asyncio.to_thread(
        lambda: [
            quote.quote(
                services.plans[one.plan], interval(one.spec), profiles, threshold=threshold,
                baseline_runs=services.settings.auto_baseline_runs, own=baseline, detectors=detectors,
                measured=measured, judged=services.judge_note is None,
            )
            for one in schedules
            if one.plan in services.plans
        ]
    )  # fmt: skip
    scores = [_scores(run.comparison or {}) for run in runs]
    pairs = [pair for pair in scores if None not in pair]
    found = await asyncio.to_thread(spearman, [float(a or 0) for a, _ in pairs], [float(b or 0) for _, b in pairs])
    return {
        "threshold_log10": threshold,
        "arms": {str(arm): _arm(state) for arm, state in detectors.items()},
        "correlation": asdict(found) if found else None,
        "quotes": [quote.to_json(one, services.prices, row.model) for one in quotes],
    }


def _arm(state: DetectorState) -> dict[str, Any]:
    """`between_sd`: the standard deviation between heartbeats beyond sampling, in score units."""
    mean = sum(one.mean for one in state.known.values()) / len(state.known)
    return {
        "heartbeats": state.evidence.heartbeats,
        "between_sd": round(wobble.between(state.evidence.wobble, mean) ** 0.5, 6),
        "compared_blocks": round(state.evidence.wobble.compared, 3),
        "reference_runs": state.runs,
    }


def _scores(comparison: dict[str, Any]) -> tuple[float | None, float | None]:
    arms = comparison.get("arms", {})
    said, done = (arms.get(str(arm), {}).get("score") for arm in Arm)
    return said, done
