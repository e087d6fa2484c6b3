"""How well two graders agree. Pure."""

from collections.abc import Sequence


def weighted_kappa(first: Sequence[int], second: Sequence[int], *, low: int, high: int) -> float | None:
    """Cohen's kappa with quadratic weights (Cohen 1968) of two graders of the same things, grades `low` to `high`.

    1: the same grades throughout; 0: no better than chance. None for no pairs, or when both gave one and the same grade
    throughout, which says nothing. Raises ValueError for lists of different lengths or grades off the scale.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} grades beside {len(second)}; each thing needs both")
    if off := [grade for grade in (*first, *second) if not low <= grade <= high]:
        raise ValueError(f"grade {off[0]} is not on the scale from {low} to {high}")
    n = len(first)
    observed = sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) / n if n else 0.0
    by_chance = sum((a - b) ** 2 for a in first for b in second) / n**2 if n else 0.0
    return 1 - observed / by_chance if by_chance else None
