"""What the pages about profile sets show, from documents as they are exported."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service import profile_documents, profile_library, profile_report
from service.ui.views.profiles import SetRow, SetView


async def rows(session: AsyncSession) -> tuple[tuple[SetRow, ...], tuple[SetRow, ...]]:
    """The sets, and the own baselines."""
    sets = tuple(
        SetRow(
            name=one.profiles.name, origin=one.origin, provenance=one.profiles.provenance, used_by=one.used_by,
            made_at=one.made_at, means=_means(profile_documents.of_set(one.profiles)),
        )
        for one in await profile_library.listed(session)
    )  # fmt: skip
    own = tuple(
        SetRow(
            name=one.name, origin=f"own baseline, {one.row.made_by}", provenance=one.row.profile["provenance"],
            used_by=(one.endpoint,), made_at=one.row.created_at, stale=one.stale or "",
        )
        for one in await profile_library.own_baselines(session)
    )  # fmt: skip
    return sets, own


async def names(session: AsyncSession) -> Sequence[str]:
    sets, own = await rows(session)
    return [one.name for one in (*sets, *own)]


async def view(session: AsyncSession, name: str) -> SetView:
    """Raises KeyError for a name that there is not."""
    found = await profile_library.document(session, name)
    return SetView(
        name=found["name"], provenance=found["provenance"], content_hash=found["content_hash"],
        states={state: one["provenance"] for state, one in found["states"].items()},
        rows=tuple(profile_report.rows(found)), cells=sum(len(one["cells"]) for one in found["states"].values()),
    )  # fmt: skip


def _means(document: Mapping[str, Any]) -> dict[str, float]:
    """Of the self-assessment, by state: enough to tell sets apart in a list."""
    found: dict[str, list[float]] = {}
    for row in profile_report.rows(document):
        for state, mean in row.means.items():
            if mean is not None and row.probe == "self_assessment":
                found.setdefault(state, []).append(mean)
    return {state: fmean(values) for state, values in found.items()}
