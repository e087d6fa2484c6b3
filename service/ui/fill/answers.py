"""What the pages of answers show, from rows of the database and the item banks."""

from collections import Counter
from collections.abc import Sequence

from probes import registry
from probes.types import cell
from service import grading
from service.api import present
from service.storage.answers import Facets
from service.storage.schema import AnswerRow, RunRow
from service.ui.views.answers import AnswerView, Choices, Said
from service.ui.visible import cut


def choices(found: Facets) -> Choices:
    """Every name that occurs, the most frequent reason first, the others by name."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("probe", "dimension", "method", "category")}
    for where, many in found.cells.items():
        for name, counted in counts.items():
            if value := getattr(where, name):
                counted[value] += many
    return Choices(
        probes=dict(sorted(counts["probe"].items())), dimensions=dict(sorted(counts["dimension"].items())),
        methods=dict(sorted(counts["method"].items())), categories=dict(sorted(counts["category"].items())),
        reasons=found.reasons, harmful=found.harmful, total=found.total,
    )  # fmt: skip


def views(rows: Sequence[AnswerRow], run: RunRow, limit: int) -> tuple[AnswerView, ...]:
    """`limit`: how many characters of each reply are shown."""
    return tuple(view(row, run, limit) for row in rows)


def view(row: AnswerRow, run: RunRow, limit: int) -> AnswerView:
    item = registry.items_by_id().get(row.item_id)
    return AnswerView(
        item=row.item_id,
        repeat=row.repeat,
        cell=cell(row.probe, row.dimension, row.method, row.category),
        prompt=tuple(Said(role=said.role, text=cut(said.content, limit)) for said in item.messages) if item else (),
        reply=None if row.reply is None else cut(row.reply, limit),
        length=len(row.reply or ""),
        removed=present.answer(row, kept=run.retention is None)["reply_removed"],
        score=row.score,
        scorer=row.scorer or "",
        grades=grading.grades(row),
        harmful=grading.is_harmful(row),
        ungraded=grading.is_ungraded(row),
        reason=row.reason,
        detail=row.detail or "",
        saved=row.saved,
        attempts=row.attempts,
        judge_attempts=row.judge_attempts,
        latency_s=row.latency_s,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        model=row.model or "",
        fingerprint=row.system_fingerprint or "",
        at=row.at,
    )
