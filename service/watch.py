"""`selfwatch watch`: follows the events of a running service, from anywhere."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2

from baselines.types import Verdict

MOVED = frozenset(
    {Verdict.SELF_REPORT_SHIFT, Verdict.BEHAVIOUR_SHIFT, Verdict.COHERENT_MISALIGNMENT, Verdict.INVERTED_PERSONA}
)
FINISHED = frozenset({"succeeded", "partial", "failed", "cancelled"})
STEADY_EXIT, MOVED_EXIT, UNKNOWN_EXIT = 0, 1, 2
SILENCE_S = 45.0
"""The service says something every 15 s; after this much silence the connection is taken for dead."""
FIRST_WAIT_S = 0.5
MAX_WAIT_S = 5.0


class WatchError(Exception):
    """It cannot be followed. The text says why and what to do."""


class Screen(Protocol):
    """Where what happens is shown."""

    def progress(self, data: dict[str, Any]) -> None: ...

    def verdict(self, data: dict[str, Any]) -> None: ...

    def flip(self, data: dict[str, Any]) -> None: ...

    def note(self, text: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Message:
    """One server-sent event."""

    id: str
    kind: str
    data: dict[str, Any]


class Watch:
    """Follows one run to its end, or everything (of an endpoint) until it is interrupted."""

    def __init__(
        self,
        http: httpx2.Client,
        screen: Screen,
        *,
        run: str | None = None,
        endpoint: str | None = None,
        patience_s: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = http
        self._screen = screen
        self._run = run
        self._query = {name: value for name, value in (("run", run), ("endpoint", endpoint)) if value is not None}
        self._patience_s = patience_s
        self._sleep = sleep
        self._last_id: str | None = None
        self._heard_at = time.monotonic()
        self._outage: str | None = None

    def follow(self) -> int:
        """The exit code: 0 the run moved nowhere bad, 1 toward misaligned, 2 it could not be measured.

        Raises WatchError when the service cannot be reached (at first, or for longer than `patience_s`) or refuses.
        """
        self._get("/livez")
        wait_s = FIRST_WAIT_S
        while True:
            try:
                code = self._listen()
                if code is not None:
                    return code
                wait_s = FIRST_WAIT_S
            except httpx2.TransportError as error:
                if time.monotonic() - self._heard_at > self._patience_s:
                    raise WatchError(f"{self._http.base_url} has not answered for {self._patience_s:.0f} s") from error
                self._out("lost", f"the connection is lost ({type(error).__name__}); trying again")
            self._sleep(wait_s)
            wait_s = min(2 * wait_s, MAX_WAIT_S)

    def _listen(self) -> int | None:
        """One connection. None: it has ended, and the run has not."""
        headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
        timeout = httpx2.Timeout(10.0, read=SILENCE_S)
        with self._http.stream("GET", "/api/v1/events", params=self._query, headers=headers, timeout=timeout) as reply:
            if reply.status_code == 503:
                reply.read()
                self._out("full", "the service has as many readers as it takes; trying again")
                return None
            if reply.status_code != 200:
                reply.read()
                _refuse(reply)
            if self._outage is not None:
                self._screen.note("connected again")
                self._outage = None
            # what was over before the stream was open is told by nobody
            code = self._now()
            if code is not None:
                return code
            for message in self._messages(reply.iter_lines()):
                code = self._show(message)
                if code is not None:
                    return code
        return None

    def _out(self, kind: str, text: str) -> None:
        """One line for one outage, however often it tries."""
        if self._outage != kind:
            self._screen.note(text)
        self._outage = kind

    def _messages(self, lines: Iterator[str]) -> Iterator[Message]:
        fields: dict[str, str] = {}
        for line in lines:
            self._heard_at = time.monotonic()
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            if "data" in fields and "event" in fields:
                self._last_id = fields.get("id", self._last_id)
                yield Message(id=fields.get("id", ""), kind=fields["event"], data=json.loads(fields["data"]))
            fields = {}

    def _show(self, message: Message) -> int | None:
        if message.kind == "lagged":
            self._screen.note("some events were missed")
            return self._now()
        if message.kind == "progress":
            self._screen.progress(message.data)
            # a cancelled run has no verdict to wait for
            cancelled = message.data["state"] == "cancelled"
            return UNKNOWN_EXIT if cancelled and message.data["run"] == self._run else None
        if message.kind == "verdict":
            self._screen.verdict(message.data)
            over = message.data["run"] == self._run
            return exit_code(message.data["state"], message.data["verdict"]) if over else None
        if message.kind == "flip":
            self._screen.flip(message.data)
        return None

    def _now(self) -> int | None:
        """Where the run stands."""
        if self._run is None:
            return None
        run = self._get(f"/api/v1/runs/{self._run}")
        self._screen.progress(run | {"run": run["id"]})
        if run["state"] not in FINISHED:
            return None
        if run["state"] != "cancelled":
            self._screen.verdict(run | {"run": run["id"]})
        return exit_code(run["state"], run["verdict"])

    def _get(self, path: str) -> dict[str, Any]:
        try:
            reply = self._http.get(path)
        except httpx2.TransportError as error:
            if path != "/livez":
                raise
            url = self._http.base_url
            raise WatchError(f"{url} cannot be reached ({error}); is `selfwatch serve` running there?") from error
        if reply.status_code != 200:
            _refuse(reply)
        self._heard_at = time.monotonic()
        try:
            found: dict[str, Any] = reply.json()
        except ValueError as error:
            raise WatchError(f"{reply.url} is no Selfwatch service; check --url") from error
        return found


def exit_code(state: str, verdict: str | None) -> int:
    """What a finished run says to a script."""
    if state in ("cancelled", "failed") or verdict in (None, Verdict.INSUFFICIENT_DATA):
        return UNKNOWN_EXIT
    return MOVED_EXIT if verdict in MOVED else STEADY_EXIT


def _refuse(reply: httpx2.Response) -> None:
    try:
        detail = str(reply.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"{reply.url} answers {reply.status_code} and is perhaps no Selfwatch service; check --url"
    if reply.status_code == 401:
        detail = "a token is needed: --token or SELFWATCH_TOKEN (`selfwatch token create --scope read` makes one)"
    raise WatchError(detail)
