"""How late the event loop of the service was, from its own metric."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

LIMIT_S = 0.05
METRIC = "selfwatch_event_loop_lag_seconds"
_BUCKET = re.compile(rf'{METRIC}_bucket{{le="(.+)"}}')


@dataclass(frozen=True, kw_only=True)
class Lateness:
    """Wake-ups of the watchdog between two looks at the metrics, and how late they came. `max_s`, `own_max_s`: of the
    last minutes; `own` is what the loop's own thread was busy for, so that a crowded machine can be told from us."""

    looks: int
    p99_s: float
    over: int
    max_s: float
    own_max_s: float

    @classmethod
    def between(cls, before: Mapping[str, float], after: Mapping[str, float]) -> "Lateness":
        """Raises LookupError when the service has no such metric."""
        counts = {
            float(found[1]): value - before.get(name, 0.0)
            for name, value in after.items()
            if (found := _BUCKET.fullmatch(name))
        }
        looks = int(after[f"{METRIC}_count"] - before.get(f"{METRIC}_count", 0.0))
        p99_s = min(limit for limit, upto in counts.items() if upto >= 0.99 * looks)
        return cls(
            looks=looks, p99_s=p99_s, over=looks - int(counts[LIMIT_S]),
            max_s=after["selfwatch_event_loop_lag_max_seconds"],
            own_max_s=after["selfwatch_event_loop_busy_max_seconds"],
        )  # fmt: skip

    @property
    def told(self) -> str:
        return f"latest {1000 * self.max_s:.0f} ms, p99 <= {1000 * self.p99_s:g} ms"

    @property
    def note(self) -> str:
        return (
            f"goal never > {1000 * LIMIT_S:g} ms: {self.over} of {self.looks} looks were; longest that its own thread "
            f"worked at a stretch: {1000 * self.own_max_s:.0f} ms"
        )
