"""How long an endpoint took to answer in a run: quantiles of the time on the wire, made when the run ends. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from probes.types import Answer

QUANTILES = {"p50_s": 0.5, "p95_s": 0.95}


def latency_to_json(answers: Iterable[Answer]) -> dict[str, Any] | None:
    """{"p50_s", "p95_s": seconds, "calls": how many}; None when no call brought an answer.

    A call that brought several answers counts once.
    """
    times = sorted(a.latency_s for a in answers if a.latency_s is not None and a.attempts > 0)
    if not times:
        return None
    return {name: round(quantile(times, share), 6) for name, share in QUANTILES.items()} | {"calls": len(times)}


def quantile(ordered: Sequence[float], share: float) -> float:
    """Linear between the two nearest of `ordered`. Raises ValueError unless there is a value and 0 <= `share` <= 1."""
    if not ordered or not 0 <= share <= 1:
        raise ValueError(f"there is no {share} quantile of {len(ordered)} values")
    at = share * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])
