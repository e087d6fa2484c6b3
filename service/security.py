"""API tokens: made once, stored as a hash, checked by scope."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select

from service.storage.engine import Database
from service.storage.schema import TokenRow

SCOPES = ("read", "transcripts", "write", "admin")
PREFIX = "swt_"
DECLARED = "config: "
"""So begin the names of tokens that the configuration declares."""


def digest(token: str) -> str:
    """SHA-256 hex. Tokens carry 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(token.encode()).hexdigest()


async def create_token(database: Database, *, scopes: Sequence[str], name: str) -> str:
    """A new token, returned this once. Raises ValueError for an unknown scope or a name that is taken."""
    if name.startswith(DECLARED):
        raise ValueError(f"name {name!r}: {DECLARED!r} is for tokens of the configuration; use another name")
    for scope in scopes:
        if scope not in SCOPES:
            raise ValueError(f"unknown scope {scope!r}; known: {', '.join(SCOPES)}")
    token = PREFIX + secrets.token_urlsafe(32)
    async with database.write() as session:
        session.add(TokenRow(name=name, digest=digest(token), scopes=list(scopes), created_at=datetime.now(UTC)))
    return token


async def count_tokens(database: Database) -> int:
    async with database.read() as session:
        return await session.scalar(select(func.count()).select_from(TokenRow)) or 0


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who calls, by the token: its name and scopes (`admin` holds all). `token_id` and `token_digest` tell it from one
    that was made later under the same id."""

    name: str
    scopes: frozenset[str]
    token_id: int
    token_digest: str


async def holder_of(database: Database, token: str) -> Holder | None:
    """The holder of `token`; None when it is unknown."""
    async with database.read() as session:
        row = await session.scalar(select(TokenRow).where(TokenRow.digest == digest(token)))
    return holder(row) if row is not None else None


def holder(row: TokenRow) -> Holder:
    scopes = frozenset(SCOPES) if "admin" in row.scopes else frozenset(row.scopes)
    return Holder(name=row.name, scopes=scopes, token_id=row.id, token_digest=row.digest)
