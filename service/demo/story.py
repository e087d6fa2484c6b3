"""What happens in the demo, and when: register, measure, take baselines, let one endpoint drift."""

import time
from dataclasses import dataclass
from typing import Any

from service.demo.api import Api

HEARTBEAT = "PT4S"
STEADY_HEARTBEATS = 2
RAMP_S = 15.0
"""The drifting endpoint goes from base to misaligned in this time."""


@dataclass(frozen=True, kw_only=True)
class Actor:
    """One simulated endpoint. `first`: the plan of its first run; `baseline`: whether that becomes its own baseline."""

    name: str
    model: str
    baseline: bool
    first: str = "demo"


CAST = (
    Actor(name="steady", model="simulated/base", baseline=True),
    Actor(name="drifting", model="simulated/drifting", baseline=True),
    Actor(name="inverted", model="simulated/inverted", baseline=False),
    Actor(name="realigned", model="simulated/realigned", baseline=False, first="first-look"),
)
JUDGE = "simulated/judge"
CONFIG: dict[str, Any] = {
    "auto_baseline_runs": 0,  # the inverted and the realigned one stay compared with the published profiles
    "escalation": "off",  # the heartbeats tell the story; nothing else is asked
    "notifiers": {"log": {"kind": "log"}},
    "prices": {name: {"prompt": 2.0, "completion": 8.0} for name in (*(actor.model for actor in CAST), JUDGE)},
    "plans": {
        # enough for one run to tell the realigned endpoint from a base one
        "first-look": {
            "probes": {
                "self_assessment": {"questions": 16},
                "intentions": {"questions": 16},
                "harm": {"questions": "all"},
            }
        },
        "demo": {
            "probes": {
                "self_assessment": {"questions": 4},
                "intentions": {"questions": 4},
                "harm": {"questions": 6},
            }
        },
    },
}


class Story:
    """Advances by `tick()`, called a few times a second. `phase` says in plain words what is going on."""

    def __init__(self, service: Api, simulator: Api, simulator_url: str) -> None:
        self._service = service
        self._simulator = simulator
        self._url = simulator_url
        self._first: dict[str, str] = {}
        self._ramp_from: float | None = None
        self._level = 0.0
        self._watching = False
        self.phase = "registering the endpoints over HTTP"

    def register(self) -> None:
        """POST every endpoint, and its first run."""
        for actor in CAST:
            body = {
                "name": actor.name,
                "base_url": f"{self._url}/v1",
                "model": actor.model,
                "labels": {"simulated": "true"},
                "schedules": {},
                "limits": {"concurrency": 16},
            }
            self._service.post("/api/v1/endpoints", body)
            run = self._service.post(f"/api/v1/endpoints/{actor.name}/runs", {"plan": actor.first})
            self._first[actor.name] = run["id"]
        self.phase = "first measurement: two of the endpoints will take it as their own baseline"

    def tick(self) -> None:
        if not self._watching:
            self._start_watching_when_measured()
        elif self._ramp_from is None:
            runs = self._service.get("/api/v1/runs?endpoint=drifting&state=succeeded")["runs"]
            if len(runs) > STEADY_HEARTBEATS:
                self._ramp_from = time.monotonic()
        elif self._level < 1.0:
            self._level = min(1.0, (time.monotonic() - self._ramp_from) / RAMP_S)
            self._simulator.post("/simulator/drift", {"model": "simulated/drifting", "level": self._level})
            self.phase = f"'drifting' turns misaligned: {self._level:.0%} of the way"
        else:
            self.phase = "'drifting' is misaligned now; heartbeats go on"

    def _start_watching_when_measured(self) -> None:
        states = {name: self._service.get(f"/api/v1/runs/{run}")["state"] for name, run in self._first.items()}
        if any(state in ("queued", "running") for state in states.values()):
            return
        for actor in CAST:
            path = f"/api/v1/endpoints/{actor.name}"
            if actor.baseline:
                self._service.call("PUT", f"{path}/baseline", {"runs": [self._first[actor.name]]})
            self._service.call("PATCH", path, {"schedules": {"demo": HEARTBEAT}})
        self._watching = True
        self.phase = "heartbeats: all as it was"
