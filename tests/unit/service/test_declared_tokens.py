"""API tokens from the configuration: what is taken, what is refused, and in which words."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from service.checks import check_file
from service.declared_tokens import Declared, TokenIn, read, store
from service.security import SCOPES, count_tokens, create_token, digest, holder_of
from service.settings import ConfigError
from tests.support.database import open_database

GOOD = "0123456789abcdef" * 4


def test_a_token_is_known_by_its_digest_alone(tmp_path: Path) -> None:
    file = tmp_path / "scrape"
    file.write_text(f"{GOOD}\n")
    found = read(
        {"scrape": TokenIn(scopes=["read"], file=file), "ops": TokenIn(scopes=["admin"], env="OPS")},
        {"OPS": GOOD.upper()},
    )
    assert found == [
        Declared(name="config: scrape", scopes=("read",), digest=digest(GOOD)),
        Declared(name="config: ops", scopes=("admin",), digest=digest(GOOD.upper())),
    ]
    assert GOOD not in repr(found)


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "holds no token of at least 32"), (GOOD[:31], "holds no token"), (f"{GOOD}\n{GOOD}", "without white space")],
)
def test_what_could_be_guessed_is_refused_without_being_shown(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "scrape"
    file.write_text(content)
    with pytest.raises(ValueError, match=said) as refused:
        read({"scrape": TokenIn(scopes=["read"], file=file)})
    assert f"tokens.scrape: {file}" in str(refused.value)
    assert "openssl rand -hex 32" in str(refused.value)
    assert not content or content not in str(refused.value)


def test_two_names_for_one_token_and_a_missing_file_are_named(tmp_path: Path) -> None:
    tokens = {name: TokenIn(scopes=["read"], env="ONE") for name in ("a", "b")}
    with pytest.raises(ValueError, match=r"tokens\.b: the same as another one"):
        read(tokens, {"ONE": GOOD})
    with pytest.raises(ValueError, match=r"tokens\.a: .*none: cannot be read"):
        read({"a": TokenIn(scopes=["read"], file=tmp_path / "none")})
    with pytest.raises(ValueError, match=r"tokens\.a: UNSET: holds no token"):
        read({"a": TokenIn(scopes=["read"], env="UNSET")}, {})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"scopes": ["root"], "env": "X"}, "unknown scope 'root'"),
        ({"scopes": [], "env": "X"}, "at least 1"),
        ({"scopes": ["read"]}, "one of file and env"),
        ({"scopes": ["read"], "env": "X", "file": "y"}, "one of file and env"),
    ],
)
def test_a_declaration_that_says_too_little_or_too_much_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TokenIn.model_validate(fields)


async def test_check_config_reads_the_tokens_too(tmp_path: Path) -> None:
    file, secret = tmp_path / "selfwatch.yaml", tmp_path / "secret"
    file.write_text(f"tokens:\n  scrape: {{scopes: [read], file: {secret}}}\n")
    with pytest.raises(ConfigError, match=r"tokens\.scrape: .*secret: cannot be read"):
        await check_file(file)
    secret.write_text(GOOD)
    assert "good" in await check_file(file)


async def test_what_is_stored_follows_the_configuration_and_leaves_other_tokens_alone(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        made = await create_token(database, scopes=["read"], name="by hand")

        def one(text: str, scope: str) -> Declared:
            return Declared(name="config: ops", scopes=(scope,), digest=digest(text))

        await store(database, [one(GOOD, "read")])
        first = await holder_of(database, GOOD)
        await store(database, [one(GOOD, "admin")])
        second = await holder_of(database, GOOD)
        assert first is not None
        assert second is not None
        assert (first.scopes, second.scopes) == (frozenset({"read"}), frozenset(SCOPES))
        assert first.token_id == second.token_id  # who signed in with it stays signed in

        await store(database, [one(GOOD.upper(), "read")])
        assert await holder_of(database, GOOD) is None
        assert await holder_of(database, GOOD.upper()) is not None
        await store(database, [])
        assert await count_tokens(database) == 1
        assert await holder_of(database, made) is not None
        with pytest.raises(ValueError, match="is for tokens of the configuration"):
            await create_token(database, scopes=["read"], name="config: ops")
