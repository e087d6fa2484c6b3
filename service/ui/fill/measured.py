"""Measurements and what a run tells of its instrument, from rows of the database."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from probes.types import Cell, Measurement
from service import own_baseline
from service.storage import results
from service.storage.schema import BaselineRow, MeasurementRow, RunRow
from service.ui import parts


def measurement(row: MeasurementRow) -> Measurement:
    cell = Cell(probe=row.probe, dimension=row.dimension, method=row.method, category=row.category)
    return Measurement(
        cell=cell, mean=row.mean, variance=row.variance, n=row.n, invalid=row.invalid, items=row.items, k=row.k
    )


async def measurements(session: AsyncSession, run_id: str) -> tuple[Measurement, ...]:
    return tuple(measurement(row) for row in await results.measurements(session, run_id))


def reference(baseline: BaselineRow | None, measured: Sequence[Measurement]) -> Mapping[Cell, float]:
    """The own baseline's value for each measured cell, at the same number of replies."""
    own = own_baseline.profile(baseline)
    if own is None:
        return {}
    ks = {m.cell: m.k for m in measured}
    return {c.cell: c.mean for c in own.cells if ks.get(c.cell) == c.k}


SAVED = {
    "by_logprobs": "token probabilities stood for further samples",
    "by_worst_reply": "the worst grade had been given",
    "by_several_choices": "one call brought several replies",
    "by_known_grade": "the judge had graded the same reply before",
}


def instrument(run: RunRow) -> parts.InstrumentView:
    """What the run tells of judge, wording and savings."""
    saved = run.savings or {}
    return parts.InstrumentView(
        judge=_judge(run.judge) if run.judge else None,
        wording=tuple(_wording(cell) for cell in (run.wording or {}).get("cells", [])),
        saved=tuple((words, saved[name]) for name, words in SAVED.items() if saved.get(name)),
    )


def _judge(stored: Mapping[str, Any]) -> parts.JudgeView:
    second = stored.get("second") or {}
    return parts.JudgeView(
        agreement=stored.get("agreement"), bias=stored.get("bias"), graded=stored.get("graded", 0),
        anchors=stored.get("anchors", 0), second=second.get("agreement"), second_replies=second.get("replies", 0),
    )  # fmt: skip


def _wording(cell: Mapping[str, Any]) -> parts.WordingRow:
    residual = cell["residual"]
    return parts.WordingRow(
        probe=cell["probe"], dimension=cell["dimension"] or "", method=cell["method"] or "", n=cell["n"],
        bias=cell["bias"]["value"], low=cell["bias"]["low"], high=cell["bias"]["high"],
        paraphrase=sqrt(cell["paraphrase"]["value"]), residual=sqrt(residual["value"]) if residual else None,
        inconsistent=cell["inconsistent"], text=cell["text"],
    )  # fmt: skip
