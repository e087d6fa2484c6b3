"""A webhook receiver in a thread of its own, for tests that watch processes."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hook:
    """`got`: every request as (headers, parsed body). `first`: called with each before it is answered."""

    url: str = ""
    status: int = 200
    first: Callable[[], None] = lambda: None
    got: list[tuple[dict[str, str], Any]] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        return [headers["idempotency-key"] for headers, _ in self.got]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What has come, without the headers."""
        return [body for _, body in self.got]

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """What Alertmanager has told, one by one."""
        return [alert for _, body in self.got for alert in body["alerts"]]


@contextmanager
def hook(port: int = 0) -> Iterator[Hook]:
    """Listens on 127.0.0.1 until the block ends."""
    state = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.got.append(({k.lower(): v for k, v in self.headers.items()}, json.loads(body)))
            state.first()
            try:
                self.send_response(state.status)
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:
                return  # whoever sent it is gone

        def log_message(self, *_: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            return  # a sender that was killed in the middle

    server = Server(("127.0.0.1", port), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
