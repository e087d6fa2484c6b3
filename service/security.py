"""API tokens: made once, stored as a hash, checked by scope."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import func, select

from service.storage.engine import Database
from service.storage.schema import TokenRow

SCOPES = ("read", "transcripts", "write", "admin")
PREFIX = "swt_"


def digest(token: str) -> str:
    """SHA-256 hex. Tokens carry 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(token.encode()).hexdigest()


async def create_token(database: Database, *, scopes: Sequence[str], name: str) -> str:
    """A new token, returned this once. Raises ValueError for an unknown scope."""
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


async def scopes_of(database: Database, token: str) -> frozenset[str]:
    """The scopes of `token`; empty when it is unknown. `admin` holds all."""
    async with database.read() as session:
        row = await session.scalar(select(TokenRow).where(TokenRow.digest == digest(token)))
    if row is None:
        return frozenset()
    return frozenset(SCOPES) if "admin" in row.scopes else frozenset(row.scopes)
