"""Bodies and filters that come in over HTTP. Unknown fields are refused by name."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from service.registration import Slug, Strict


class RunIn(Strict):
    plan: Slug = "heartbeat"
    complete: bool = Field(default=False, description="ask to the end, even when the evidence has decided")


class BaselineIn(Strict):
    runs: list[str] = Field(min_length=1, max_length=100)


class SlotsQuery(Strict):
    """Filters of the slots; `cursor` is the `next` of the page before."""

    plan: Slug | None = None
    state: Literal["waiting", "ran", "late", "skipped"] | None = None
    cursor: int | None = Field(default=None, ge=0)
    limit: int = Field(default=50, ge=1, le=500)


class RunsQuery(Strict):
    """Filters of the run list; `cursor` is the `next` of the page before."""

    endpoint: Slug | None = None
    plan: Slug | None = None
    state: Literal["queued", "running", "succeeded", "partial", "failed", "cancelled"] | None = None
    since: datetime | None = None
    cursor: str | None = Field(default=None, max_length=100)
    limit: int = Field(default=50, ge=1, le=500)
