"""Sessions of the pages: begun with a token, kept as a hash; sign-out, age, or the end of the token ends them."""

import contextlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from service.security import Holder, digest, holder
from service.storage.engine import Database
from service.storage.schema import SessionRow, TokenRow

LIFETIME = timedelta(days=7)
"""However busy, a session ends after so long."""
IDLE = timedelta(hours=12)
"""It ends earlier when no request came for so long. An open page that refreshes itself keeps it."""
SEEN_EVERY = timedelta(minutes=5)
"""How exact `seen_at` is: to write it at each request would cost a write for each refresh of a page."""
MOST_OF_A_TOKEN = 50
"""Sessions of one token at once; a further one ends the oldest."""


async def begin(database: Database, who: Holder, now: datetime, *, instead_of: str | None = None) -> str:
    """A new session of `who`, with a secret of its own, returned this once. The one of the secret `instead_of` ends.

    What a client already has is never taken for the new session, so that nobody can plant one.
    """
    secret = secrets.token_urlsafe(32)
    async with database.write() as session:
        if instead_of:
            await session.execute(delete(SessionRow).where(SessionRow.digest == digest(instead_of)))
        await _tidy(session, who, now)
        session.add(
            SessionRow(
                digest=digest(secret), token_id=who.token_id, token_digest=who.token_digest,
                created_at=now, seen_at=now, expires_at=now + LIFETIME,
            )
        )  # fmt: skip
        await session.execute(update(TokenRow).where(TokenRow.id == who.token_id).values(last_used_at=now))
    return secret


async def find(database: Database, secret: str, now: datetime) -> Holder | None:
    """Whose session it is, with the scopes that the token has now; None when it has ended or its token is gone."""
    async with database.read() as session:
        same_token = (TokenRow.id == SessionRow.token_id, TokenRow.digest == SessionRow.token_digest)
        alive = (SessionRow.expires_at > now, SessionRow.seen_at > now - IDLE)
        query = select(SessionRow, TokenRow).join(TokenRow, same_token[0] & same_token[1])
        found = (await session.execute(query.where(SessionRow.digest == digest(secret), *alive))).one_or_none()
    if found is None:
        return None
    row, token = found
    if now - row.seen_at > SEEN_EVERY:
        await _seen(database, row.id, now)
    return holder(token)


async def end(database: Database, secret: str) -> None:
    """The session of `secret`, if there is one, is over."""
    async with database.write() as session:
        await session.execute(delete(SessionRow).where(SessionRow.digest == digest(secret)))


async def _seen(database: Database, session_id: int, now: datetime) -> None:
    with contextlib.suppress(OperationalError):  # a page can be read while nothing can be written
        async with database.write() as session:
            await session.execute(update(SessionRow).where(SessionRow.id == session_id).values(seen_at=now))


async def _tidy(session: AsyncSession, who: Holder, now: datetime) -> None:
    over = or_(SessionRow.expires_at <= now, SessionRow.seen_at <= now - IDLE)
    await session.execute(delete(SessionRow).where(over))
    newest = select(SessionRow.id).where(SessionRow.token_id == who.token_id).order_by(SessionRow.id.desc())
    kept = (await session.scalars(newest.limit(MOST_OF_A_TOKEN - 1))).all()
    others = (SessionRow.token_id == who.token_id, SessionRow.id.not_in(kept))
    await session.execute(delete(SessionRow).where(*others))
