"""What the page of a run shows, from rows of the database."""

from service.storage.schema import RunRow
from service.ui import parts


def usage(run: RunRow) -> parts.Usage:
    """What a run has cost, beside what was expected."""
    expected = run.estimate or {}
    return parts.Usage(
        requests=run.requests, prompt_tokens=run.prompt_tokens, completion_tokens=run.completion_tokens, usd=run.usd,
        estimated=run.usage_estimated, expected_tokens=expected.get("tokens"), expected_usd=expected.get("usd"),
    )  # fmt: skip


def removed(row: RunRow) -> str:
    """What retention has taken of a run, in a sentence; empty when nothing."""
    if row.retention is None or row.retention_at is None or not row.answered:
        return ""
    what = "replies" if "replies" in row.retention else "single answers"
    return f"The {what} of this run were removed by retention on {row.retention_at:%Y-%m-%d}; what was measured stays."
