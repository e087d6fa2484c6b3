"""`selfwatch replay`: a past verdict drawn again from its stored answers, and all that it rests on in one file."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.serialize import comparison_to_json, profile_from_json, profile_to_json
from baselines.types import ProfileSet
from service import basis, own_baseline, profile_library
from service.api import present
from service.settings import Settings
from service.storage import answers as answer_store
from service.storage.engine import Database
from service.storage.retention import Stage
from service.storage.schema import AlertRow, BaselineRow, EndpointRow, FlipRow, RunRow


class ReplayError(Exception):
    """The verdict cannot be drawn again. The text says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A run's verdict as stored and as drawn again, each as canonical JSON, and the evidence as one object."""

    run: str
    endpoint: str
    stored: str
    again: str
    evidence: dict[str, Any]

    @property
    def identical(self) -> bool:
        """Byte for byte."""
        return self.stored == self.again


async def replay(settings: Settings, what: str, *, transcripts: bool = False) -> Replay:
    """`what`: a run's id, a flip's id, or an alert as ENDPOINT/RULE (its last change). `transcripts`: with the replies.

    Raises ReplayError.
    """
    database = Database(settings.sqlalchemy_url())
    try:
        async with database.read() as session:
            run = await _find(session, what)
            endpoint = await session.get_one(EndpointRow, run.endpoint_id)
            return await _again(session, run, endpoint, transcripts=transcripts)
    finally:
        await database.close()


async def _again(session: AsyncSession, run: RunRow, endpoint: EndpointRow, *, transcripts: bool) -> Replay:
    if run.basis is None or run.comparison is None:
        raise ReplayError(
            f"run {run.id} is {run.state} and has no verdict drawn from answers (or is of a release before replays)"
        )
    answers = await answer_store.answers_of(session, [run.id])
    if not answers or run.retention == Stage.REMOVING_ANSWERS:
        raise ReplayError(f"the answers of run {run.id} are no longer stored{_removed(run)}")
    baseline = await _baseline(session, run.basis["baseline"])
    profiles = await _profiles(session, run, endpoint)
    own = profile_from_json(baseline.profile) if baseline else None
    try:
        found = basis.from_json(run.basis, profiles, own)
    except ValueError as error:
        raise ReplayError(f"run {run.id}: {error}") from error
    items = await own_baseline.items(session, baseline) if run.total >= basis.PAIRED_ITEMS else {}
    again = basis.draw(found, answers, profiles, own, items)
    stored = {"comparison": run.comparison, "verdict": run.verdict, "because": run.because}
    drawn = {
        "comparison": comparison_to_json(again.comparison), "verdict": str(again.judgement.verdict),
        "because": again.judgement.because,
    }  # fmt: skip
    return Replay(
        run=run.id,
        endpoint=endpoint.name,
        stored=canonical(stored),
        again=canonical(drawn),
        evidence={
            "selfwatch_evidence": 1,
            "run": present.run_summary(run, endpoint.name) | {"seed": str(run.seed), "banks_hash": run.banks_hash},
            "configuration": run.configuration,
            "verdict": stored,
            "replayed": {"identical": canonical(stored) == canonical(drawn), "sha256": _digest(canonical(drawn))},
            "basis": run.basis,
            "profiles": {"name": profiles.name, "provenance": profiles.provenance, "sha256": profiles.content_hash},
            "baseline": profile_to_json(own) if own else None,
            "attribution": run.attribution,
            "answers": [_answer(one, transcripts=transcripts) for one in answers],
        },
    )


async def _profiles(session: AsyncSession, run: RunRow, endpoint: EndpointRow) -> ProfileSet:
    name = (run.configuration or {}).get("profiles", endpoint.profiles)
    try:
        return await profile_library.resolve(session, name)
    except KeyError as error:
        raise ReplayError(
            f"run {run.id} was compared with the profiles {name!r}, which are no longer here; import them again: "
            "selfwatch profiles import FILE"
        ) from error


def _removed(run: RunRow) -> str:
    if run.retention is None:
        return ""
    return f": retention removed them on {run.retention_at:%Y-%m-%d}; what was measured is in GET /api/v1/runs/{run.id}"


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values are equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _answer(one: Any, *, transcripts: bool) -> dict[str, Any]:
    scored = one.score is not None
    return {
        "item": one.item_id,
        "cell": one.cell.key,
        "repeat": one.repeat,
        "score": one.score,
        "scorer": one.outcome.scorer if scored else None,
        "reason": None if scored else str(one.outcome.reason),
        "saved": one.saved,
        "model": one.model,
        "system_fingerprint": one.system_fingerprint,
        **({"reply": one.reply} if transcripts else {}),
    }


async def _find(session: AsyncSession, what: str) -> RunRow:
    run_id: str | None = what
    if "/" in what:
        endpoint, _, rule = what.partition("/")
        query = select(AlertRow.run_id).where(AlertRow.subject == endpoint, AlertRow.rule == rule)
        run_id = await session.scalar(query)
    elif (flip := await session.get(FlipRow, what)) is not None:
        run_id = flip.run_id
    run = await session.get(RunRow, run_id) if run_id else None
    if run is None:
        raise ReplayError(
            f"there is no run or alert {what!r} here; give a run's id (GET /api/v1/runs), a flip's id, or an alert as "
            "ENDPOINT/RULE, and the same SELFWATCH_DATA_DIR or SELFWATCH_DATABASE_URL as the service"
        )
    return run


async def _baseline(session: AsyncSession, baseline_id: int | None) -> BaselineRow | None:
    if baseline_id is None:
        return None
    row = await session.get(BaselineRow, baseline_id)
    if row is None:
        raise ReplayError(f"the own baseline {baseline_id} that the verdict was drawn against is no longer stored")
    return row
