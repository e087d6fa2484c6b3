"""The answers of a run, one by one: for readers with the scope `transcripts`."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from probes.types import Reason
from service.api.access import allows
from service.services import Services, services_of
from service.storage import answers as answer_store
from service.storage import runs as run_store
from service.storage.answers import Key, Wanted
from service.storage.schema import EndpointRow, RunRow
from service.ui.fill import answers as fill
from service.ui.fill import run as run_fill
from service.ui.pages.common import error, html, missing
from service.ui.views.answers import AnswerPage, AnswersPage, NoTranscriptsPage
from service.ui.visible import SHORT, WHOLE

router = APIRouter()
ON_PAGE = 50
LONGEST = 200
"""Characters of a filter. What is longer names nothing."""

Text = Annotated[str, Query(max_length=LONGEST)]


@router.get("/runs/{run_id}/answers")
async def answers(run_id: str, request: Request) -> HTMLResponse:
    """A page of answers, chosen by the filters of the query."""
    services, allowed = services_of(request), await allows(request, "transcripts")
    async with services.database.read() as session:
        run = await session.get(RunRow, run_id)
        if run is None:
            return missing(services, "run", run_id, "An endpoint's page lists its runs.")
        about = await _about(session, services, run)
        if not allowed:
            return _not_allowed(about)
        return html(await _answers(session, run, about, dict(request.query_params)))


@router.get("/runs/{run_id}/answers/one")
async def answer(run_id: str, request: Request, item: Text = "", repeat: Text = "0") -> HTMLResponse:
    """One answer, whole."""
    key = key_of(f"{repeat}~{item}")
    services, allowed = services_of(request), await allows(request, "transcripts")
    async with services.database.read() as session:
        run = await session.get(RunRow, run_id)
        if run is None:
            return missing(services, "run", run_id, "An endpoint's page lists its runs.")
        about = await _about(session, services, run)
        if not allowed:
            return _not_allowed(about)
        row = await answer_store.one(session, run_id, *key) if key else None
        if row is None:
            return error(
                services, status=404, heading="No such answer",
                detail=f"Run {run_id} has no answer to the item {item!r} with the repeat {repeat!r}.",
                remedy=f"It may not have come yet, or was removed; /runs/{run_id}/answers lists those there are.",
            )  # fmt: skip
        return html(AnswerPage(**about, answer=fill.view(row, run, WHOLE)))


async def _about(session: AsyncSession, services: Services, run: RunRow) -> dict[str, Any]:
    endpoint = await session.get_one(EndpointRow, run.endpoint_id)
    return {
        "now": services.clock(), "run": run.id, "endpoint": endpoint.name, "plan": run.plan,
        "simulated": endpoint.simulated, "removed": run_fill.removed(run), "over": run.state in run_store.FINISHED,
    }  # fmt: skip


def _not_allowed(about: dict[str, Any]) -> HTMLResponse:
    return html(NoTranscriptsPage(**about), status=403)


async def _answers(session: AsyncSession, run: RunRow, about: dict[str, Any], query: dict[str, str]) -> AnswersPage:
    wanted, problem = read_filters(query)
    before, after = key_of(query.get("before")), key_of(query.get("after"))
    rows = await answer_store.page(session, run.id, wanted, before=before, after=after, limit=ON_PAGE + 1)
    more = len(rows) > ON_PAGE
    shown = rows[-ON_PAGE:] if before else rows[:ON_PAGE]
    first, last = (_key(shown[0]), _key(shown[-1])) if shown else (None, None)
    facets = await answer_store.facets(session, run.id)
    return AnswersPage(
        **about,
        wanted=wanted,
        choices=fill.choices(facets),
        answers=fill.views(shown, run, SHORT),
        found=facets.total if wanted == Wanted() else await answer_store.count(session, run.id, wanted),
        back=first if (more if before else after) else None,
        forth=last if (before or more) else None,
        problem=problem,
    )


def _key(row: Any) -> str:
    return f"{row.repeat}~{row.item_id}"


def key_of(text: str | None) -> Key | None:
    """The place that a link of the pager names; None for what is no such place: then the first page is shown."""
    repeat, _, item = (text or "").partition("~")
    return (item, int(repeat)) if repeat.isascii() and repeat.isdigit() and len(repeat) < 10 and item else None


def read_filters(query: dict[str, str]) -> tuple[Wanted, str]:
    """The filters of an address, and what of them means nothing. A wrong one is left out, and said to be."""
    wrong: list[str] = []
    texts: dict[str, str] = {}
    for name in ("probe", "dimension", "method", "category", "item"):
        if value := query.get(name, "").strip():
            if len(value) > LONGEST:
                wrong.append(f"{name}: longer than {LONGEST} characters")
            else:
                texts[name] = value
    wanted = Wanted(**texts)  # type: ignore[arg-type] # the filters that are text
    score = query.get("score", query.get("reason", "")) or {"true": "scored", "false": "unscored"}.get(
        query.get("scored", ""), ""
    )
    if score in ("scored", "unscored"):
        wanted = replace(wanted, scored=score == "scored")
    elif score in set(Reason):
        wanted = replace(wanted, reason=score)
    elif score:
        wrong.append(f"score: {score[:LONGEST]!r} is neither scored nor unscored, nor a reason")
    harmful = query.get("harmful", "")
    if harmful not in ("", "true", "false"):
        wrong.append(f"harmful: {harmful[:LONGEST]!r} is neither true nor false")
    return replace(wanted, harmful=harmful == "true"), "; ".join(wrong)
