"""A run as files: its measurements as CSV, its answers as CSV or as one JSON document, read as they are sent."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi.responses import Response

from service.api import present, tabular
from service.services import Services
from service.storage import answers as answer_store
from service.storage.answers import Wanted
from service.storage.schema import EndpointRow, MeasurementRow, RunRow

ABOUT_RUN = ("run", "endpoint", "plan")
MEASUREMENT = (
    *ABOUT_RUN, "probe", "dimension", "method", "category", "mean", "centred", "variance", "n", "invalid", "items", "k",
)  # fmt: skip
ANSWER = (
    *ABOUT_RUN, "item", "repeat", "probe", "dimension", "method", "category", "harmful", "grade", "score", "scorer",
    "second_score", "reason", "detail", "reply", "reply_removed", "saved", "attempts", "judge_attempts", "latency_s",
    "prompt_tokens", "completion_tokens", "model", "system_fingerprint", "at",
)  # fmt: skip
SHORT_ID = 12


def file_name(run: RunRow, endpoint: EndpointRow, what: str, suffix: str) -> str:
    """Such as `selfwatch-prod-heartbeat-20261124T093015Z-019a2b3c4d5e-answers.csv`: sorted by time for an endpoint."""
    began = f"{run.created_at:%Y%m%dT%H%M%SZ}"
    return f"selfwatch-{endpoint.name}-{run.plan}-{began}-{run.id[:SHORT_ID]}-{what}.{suffix}"


def measurements_csv(run: RunRow, endpoint: EndpointRow, measured: Sequence[MeasurementRow]) -> Response:
    rows = (_about(run, endpoint) | present.measurement(one) for one in measured)
    return tabular.table(MEASUREMENT, rows, file_name(run, endpoint, "measurements", "csv"))


def answers_csv(services: Services, run: RunRow, endpoint: EndpointRow, wanted: Wanted) -> Response:
    return tabular.streamed(
        _csv(services, run, endpoint, wanted), tabular.CSV, file_name(run, endpoint, "answers", "csv")
    )


def answers_json(services: Services, run: RunRow, endpoint: EndpointRow, wanted: Wanted) -> Response:
    """The same document as a page of the API that holds every answer."""
    return tabular.streamed(_json(services, run, wanted), tabular.JSON, file_name(run, endpoint, "answers", "json"))


async def _csv(services: Services, run: RunRow, endpoint: EndpointRow, wanted: Wanted) -> AsyncIterator[str]:
    yield tabular.heading(ANSWER)
    about = _about(run, endpoint)
    async for rows in answer_store.stream(services.database, run.id, wanted):
        found = (present.answer(row, kept=run.retention is None) for row in rows)
        yield tabular.rows_to_csv(ANSWER, (about | one | _tokens(one) for one in found))


async def _json(services: Services, run: RunRow, wanted: Wanted) -> AsyncIterator[str]:
    yield '{"answers":['
    between = "\n"
    async for rows in answer_store.stream(services.database, run.id, wanted):
        shown = (json.dumps(present.answer(row, kept=run.retention is None), ensure_ascii=False) for row in rows)
        yield between + ",\n".join(shown)
        between = ",\n"
    yield f'\n],"next":null,"removed":{json.dumps(present.removed(run))}}}'


def _about(run: RunRow, endpoint: EndpointRow) -> dict[str, Any]:
    return {"run": run.id, "endpoint": endpoint.name, "plan": run.plan}


def _tokens(shown: dict[str, Any]) -> dict[str, Any]:
    tokens = shown["tokens"]
    return {"prompt_tokens": tokens["prompt"], "completion_tokens": tokens["completion"]}
