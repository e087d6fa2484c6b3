"""API tokens that the configuration declares: made by whoever deploys, read from a file or a variable at each start.

Their hashes are stored beside those of the other tokens. One that is taken out of the configuration, or changed in its
file, is void with the next start, and whoever signed in with it is signed out.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from sqlalchemy import delete, select

from service.security import DECLARED, SCOPES, digest
from service.storage.engine import Database
from service.storage.schema import TokenRow

SHORTEST = 32
"""Characters. Tokens are compared as fast hashes, so nobody may be able to guess one."""


class TokenIn(BaseModel):
    """One token: what it may do, and where it is."""

    model_config = ConfigDict(extra="forbid")
    scopes: list[str] = Field(min_length=1, description=", ".join(SCOPES))
    file: Path | None = Field(default=None, description="holds the token, alone")
    env: str | None = Field(default=None, description="name of a variable that holds it")

    @field_validator("scopes")
    @classmethod
    def _known(cls, scopes: list[str]) -> list[str]:
        for scope in scopes:
            if scope not in SCOPES:
                raise ValueError(f"unknown scope {scope!r}; known: {', '.join(SCOPES)}")
        return scopes

    @model_validator(mode="after")
    def _one_source(self) -> "TokenIn":
        if (self.file is None) == (self.env is None):
            raise ValueError("give one of file and env")
        return self


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What is stored of a token."""

    name: str
    scopes: tuple[str, ...]
    digest: str


def read(tokens: Mapping[str, TokenIn], environ: Mapping[str, str] = os.environ) -> list[Declared]:
    """The tokens, hashed. Raises ValueError that names the token (not its text) and the remedy."""
    found: dict[str, Declared] = {}
    for name, token in tokens.items():
        key = digest(_text(name, token, environ))
        if key in found:
            raise ValueError(f"tokens.{name}: the same as another one; give each its own")
        found[key] = Declared(name=f"{DECLARED}{name}", scopes=tuple(token.scopes), digest=key)
    return list(found.values())


async def store(database: Database, tokens: Sequence[Declared]) -> None:
    """Make the stored tokens of the configuration exactly these; one that stays keeps its row, and its sessions."""
    wanted = {token.digest: token for token in tokens}
    ours = TokenRow.name.startswith(DECLARED, autoescape=True)
    async with database.write() as session:
        await session.execute(delete(TokenRow).where(ours, TokenRow.digest.not_in(wanted)))
        known = {row.digest: row for row in await session.scalars(select(TokenRow).where(TokenRow.digest.in_(wanted)))}
        for key, token in wanted.items():
            if (row := known.get(key)) is not None:
                row.name, row.scopes = token.name, list(token.scopes)
                continue
            made = TokenRow(name=token.name, digest=key, scopes=list(token.scopes), created_at=datetime.now(UTC))
            session.add(made)


def _text(name: str, token: TokenIn, environ: Mapping[str, str]) -> str:
    where = f"tokens.{name}: {token.file or token.env}"
    if token.file is not None:
        try:
            text = token.file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{where}: cannot be read ({error}); make it with `openssl rand -hex 32`") from error
    else:
        text = environ.get(token.env or "", "").strip()
    if len(text) < SHORTEST or any(character.isspace() for character in text):
        raise ValueError(
            f"{where}: holds no token of at least {SHORTEST} characters without white space; "
            "make one with `openssl rand -hex 32`"
        )
    return text
