"""Bodies and filters that come in over HTTP. Unknown fields are refused by name."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from probes.types import Reason
from service.registration import Slug, Strict
from service.rule_settings import within_reach
from service.storage.answers import Wanted

LARGEST_ID = 2**63 - 1
"""Of what the database numbers."""


class RunIn(Strict):
    plan: Slug = "heartbeat"
    complete: bool = Field(default=False, description="ask to the end, even when the evidence has decided")


class BaselineIn(Strict):
    runs: list[Annotated[str, StringConstraints(max_length=100)]] = Field(min_length=1, max_length=100)


class SlotsQuery(Strict):
    """Filters of the slots; `cursor` is the `next` of the page before."""

    plan: Slug | None = None
    state: Literal["waiting", "ran", "late", "skipped"] | None = None
    cursor: int | None = Field(default=None, ge=0, le=LARGEST_ID)
    limit: int = Field(default=50, ge=1, le=500)


class RunsQuery(Strict):
    """Filters of the run list; `cursor` is the `next` of the page before."""

    endpoint: Slug | None = None
    plan: Slug | None = None
    state: Literal["queued", "running", "succeeded", "partial", "failed", "cancelled"] | None = None
    since: Annotated[datetime, AfterValidator(within_reach)] | None = None
    cursor: str | None = Field(default=None, max_length=100)
    limit: int = Field(default=50, ge=1, le=500)


class AnswersQuery(Strict):
    """Filters of the answers of a run. `cursor` (the `next` of the page before) and `limit` page the JSON."""

    cursor: int = Field(default=0, ge=0, le=LARGEST_ID)
    limit: int = Field(default=100, ge=1, le=1000)
    format: Literal["json", "csv"] = Field(default="json", description="csv: every answer, as a file")
    all: bool = Field(default=False, description="every answer as one JSON document, as a file")
    probe: str | None = Field(default=None, max_length=100)
    dimension: str | None = Field(default=None, max_length=100)
    method: str | None = Field(default=None, max_length=100)
    category: str | None = Field(default=None, max_length=100)
    reason: Reason | None = Field(default=None, description="without a score, for this reason")
    scored: bool | None = Field(default=None, description="with, or without, a score")
    harmful: bool = Field(default=False, description="those that a judge graded 3 or worse")
    item: str | None = Field(default=None, max_length=200, description="a part of the item's id")

    def wanted(self) -> Wanted:
        chosen = self.model_dump(exclude={"cursor", "limit", "format", "all"})
        return Wanted(**chosen)
