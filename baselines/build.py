"""An endpoint's own baseline from the measurements of its runs. Pure."""

from collections.abc import Mapping, Sequence

from baselines.types import Profile, ProfileCell, State
from probes.types import Measurement

MIN_SCORED_SHARE = 0.5
"""With fewer scored answers than this, what is left may not stand for the endpoint."""


def build_own(*, name: str, run_ids: Sequence[str], measurements_by_k: Mapping[int, Sequence[Measurement]]) -> Profile:
    """The profile of `run_ids`, whose pooled answers were measured for each `k` (worst of how many replies).

    Raises ValueError, saying what to do, when there are too few scored answers to stand for the endpoint.
    """
    singles = measurements_by_k.get(1, ())
    scored = sum(m.n for m in singles)
    asked = scored + sum(m.invalid for m in singles)
    if scored == 0 or scored < MIN_SCORED_SHARE * asked:
        raise ValueError(
            f"only {scored} of {asked} answers of the runs could be scored; a baseline needs at least half: look at "
            "the reasons in the runs' invalid_by_reason, and choose runs after the cause is gone"
        )
    cells = [
        ProfileCell(cell=m.cell, mean=m.mean, k=m.k, n=m.n, items=m.items, variance=m.variance)
        for k, measurements in sorted(measurements_by_k.items())
        for m in measurements
        if m.mean is not None and m.k == k  # cells without a worst of k are the same for every k: kept once
    ]
    provenance = f"own baseline from {len(run_ids)} run{'s' if len(run_ids) > 1 else ''}: {', '.join(run_ids)}"
    return Profile(name=name, state=State.OWN, provenance=provenance, cells=tuple(cells), runs=len(run_ids))
