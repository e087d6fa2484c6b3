"""The gates of this process: one to each endpoint, shared by all that ask it."""

from probes.gate import Gate, Pacing, Traffic
from service.storage.schema import EndpointRow

DEFAULT_CONCURRENCY = 8


class Gates:
    """Gates by endpoint, with the limits as they are registered; what was learnt of a server outlives a run."""

    def __init__(self) -> None:
        self._gates: dict[int, Gate] = {}

    def of(self, endpoint: EndpointRow) -> Gate:
        """The endpoint's gate. Limits that were changed hold from now on, also for a run that is going on."""
        pacing = Pacing(
            concurrency=endpoint.limits.get("concurrency") or DEFAULT_CONCURRENCY,
            requests_per_minute=endpoint.limits.get("requests_per_minute"),
            tokens_per_minute=endpoint.limits.get("tokens_per_minute"),
        )
        gate = self._gates.get(endpoint.id)
        if gate is None:
            gate = self._gates[endpoint.id] = Gate(pacing)
        gate.pace(pacing)
        return gate

    def traffic(self, endpoint_id: int) -> Traffic | None:
        """A look at the gate of an endpoint; None before it was first asked."""
        gate = self._gates.get(endpoint_id)
        return gate.traffic if gate else None

    def forget(self, endpoint_id: int) -> None:
        """Another server is behind the endpoint now, or none."""
        self._gates.pop(endpoint_id, None)
