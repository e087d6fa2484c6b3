"""The demo talks to the service as a user would: JSON over HTTP."""

import json
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_S = 10.0


class Api:
    """A base URL and three verbs. Raises urllib.error.HTTPError with the problem's detail for an error status."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url

    def call(self, method: str, path: str, body: object = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(  # noqa: S310 (loopback, made by us)
            self._base + path, data=data, method=method, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:  # noqa: S310
            text = reply.read()
        return json.loads(text) if text else None

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: object = None) -> Any:
        return self.call("POST", path, body)

    def answers(self, path: str) -> bool:
        """Whether a GET succeeds."""
        try:
            self.get(path)
        except (OSError, ValueError):
            return False
        return True
