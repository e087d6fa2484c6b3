"""A real service that other machines could reach: everything needs a token, or a session."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from service.settings import Settings
from service.tokens import make_token
from tests.support.live import Live, live, settings_for

ORIGIN = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
"""What a browser sends with a form of our own."""
BROWSER = {"Accept": "text/html,application/xhtml+xml"}
SCOPES = {"reader": ["read"], "writer": ["read", "write"], "boss": ["admin"]}


@dataclass(frozen=True, kw_only=True)
class Guarded(Live):
    """`tokens` by name: see SCOPES. `http` sends none."""

    tokens: Mapping[str, str]

    def browser(self, **headers: str) -> httpx2.AsyncClient:
        """A client that keeps cookies and sends what a browser sends; it follows no redirect."""
        return httpx2.AsyncClient(base_url=self.url, headers=BROWSER | headers, timeout=20, trust_env=False)

    @asynccontextmanager
    async def signed_in(self, who: str) -> AsyncIterator[httpx2.AsyncClient]:
        """A browser with a session."""
        async with self.browser() as browser:
            reply = await browser.post("/sign-in", data={"token": self.tokens[who]}, headers=ORIGIN)
            assert reply.status_code == 303, reply.text
            yield browser


async def tokens_in(settings: Settings) -> dict[str, str]:
    return {name: await make_token(settings, scopes, name) for name, scopes in SCOPES.items()}


def make_tokens(settings: Settings) -> dict[str, str]:
    """The same, where no event loop runs."""
    return asyncio.run(tokens_in(settings))


@asynccontextmanager
async def guarded(folder: Path, *clock: Any, **changes: Any) -> AsyncIterator[Guarded]:
    """The whole service as with `--host 0.0.0.0`; it listens on loopback all the same."""
    changes = {"host": "0.0.0.0"} | changes
    tokens = await tokens_in(settings_for(folder, **changes))
    async with live(folder, *clock, **changes) as service:
        yield Guarded(url=service.url, http=service.http, services=service.services, tokens=tokens)
