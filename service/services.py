"""What the HTTP side may use. Built once, in wiring."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request

from probes.gate import Gate
from probes.types import Plan
from service.alerting import Alerting
from service.budgets import Ledger
from service.clients import Clients
from service.connectivity import Connectivity
from service.drills import Drills
from service.events import Events
from service.false_alarms import FalseAlarms
from service.gates import Gates
from service.metrics.exposition import Metrics
from service.prices import Prices
from service.progress import Progress
from service.settings import Settings
from service.storage.engine import Database
from service.ticker import Ticker
from service.vault import Vault
from service.vitals import Vitals


@dataclass(frozen=True, kw_only=True)
class Services:
    """The parts behind the API. `wake` tells the workers that a run was queued, `look` that something was asked of
    one that may be running, `drain` that the process is about to stop; `changed` that the metrics are old."""

    settings: Settings
    database: Database
    plans: Mapping[str, Plan]
    vault: Vault
    metrics: Metrics
    clients: Clients
    wake: Callable[[], None]
    look: Callable[[str], None]
    drain: Callable[[], None]
    gates: Gates
    changed: Callable[[], None]
    clock: Callable[[], datetime]
    false_alarms: FalseAlarms
    events: Events
    progress: Progress
    prices: Prices
    ledger: Ledger
    alerting: Alerting
    drills: Drills
    ticker: Ticker
    judge_note: str | None
    judge_gate: Gate | None
    connectivity: Connectivity
    vitals: Vitals


def services_of(request: Request) -> Services:
    found = request.app.state.services
    if not isinstance(found, Services):
        raise TypeError("the application was started without its services")
    return found
