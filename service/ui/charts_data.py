"""The trajectory of an endpoint in columns, for the charts. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from baselines.types import Arm
from service.ui import format as fmt
from service.ui.parts import run_path
from service.ui.views.trajectory import Reading, Trajectory


def charts_data(
    view: Trajectory, alarms: Sequence[tuple[datetime, str]], *, since: datetime | None, now: datetime
) -> dict[str, Any]:
    """Columns of equal length, oldest first; times in seconds since 1970, null where a run did not measure.

    `alarms`: when an alert began to fire, and its rule. `from` and `to` bound the axis of time.
    """
    steps = view.steps
    first = since.timestamp() if since is not None else steps[0].at.timestamp() if steps else None
    return {
        "range": str(view.span),
        "runs": view.runs,
        "shown": len(steps),
        "from": first,
        "to": now.timestamp(),
        "at": [step.at.timestamp() for step in steps],
        "run": [run_path(step.run_id) for step in steps],
        "plan": [step.plan for step in steps],
        "verdict": [fmt.LOOKS[step.verdict].label for step in steps],
        "changed": [step.changed for step in steps],
        "arms": {
            str(arm): {
                "drift": [_value(step.arms.get(arm), "drift") for step in steps],
                "low": [_value(step.arms.get(arm), "low") for step in steps],
                "high": [_value(step.arms.get(arm), "high") for step in steps],
                "alarm": [step.arms[arm].alarm if arm in step.arms else False for step in steps],
                "landmarks": {str(state): round(at, 4) for state, at in view.landmarks.get(arm, {}).items()},
            }
            for arm in Arm
        },
        "dimensions": {
            fmt.words(name): [_rounded(step.dimensions.get(name)) for step in steps] for name in view.dimensions
        },
        "alarms": [{"at": at.timestamp(), "rule": rule} for at, rule in alarms],
    }


def _value(reading: Reading | None, name: str) -> float | None:
    return None if reading is None else _rounded(getattr(reading, name))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
