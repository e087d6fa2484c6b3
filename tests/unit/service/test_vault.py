"""Keys at rest."""

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from service.settings import ConfigError
from service.vault import Vault, open_vault


def test_what_is_sealed_can_be_opened_and_not_read(tmp_path: Path) -> None:
    vault = open_vault(None, tmp_path)
    sealed = vault.seal("sk-very-secret")
    assert "very-secret" not in sealed
    assert vault.open(sealed) == "sk-very-secret"


def test_the_made_key_is_kept_and_private(tmp_path: Path) -> None:
    sealed = open_vault(None, tmp_path / "new").seal("x")
    assert open_vault(None, tmp_path / "new").open(sealed) == "x"
    assert stat.S_IMODE((tmp_path / "new" / "secret.key").stat().st_mode) == 0o600


def test_a_given_key_is_used_and_no_file_is_made(tmp_path: Path) -> None:
    key = Fernet.generate_key().decode()
    assert open_vault(key, tmp_path).open(Vault(key).seal("x")) == "x"
    assert not list(tmp_path.iterdir())


def test_another_key_is_a_clear_error(tmp_path: Path) -> None:
    sealed = open_vault(None, tmp_path / "a").seal("x")
    with pytest.raises(ConfigError, match=r"SELFWATCH_SECRET_KEY.*PATCH the endpoint"):
        open_vault(None, tmp_path / "b").open(sealed)


def test_what_is_no_key_is_refused_with_the_way_to_make_one() -> None:
    with pytest.raises(ConfigError, match=r"SELFWATCH_SECRET_KEY.*generate_key"):
        Vault("short")
