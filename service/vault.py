"""Endpoint keys at rest: encrypted with a Fernet key from the settings, or one made once in the data folder."""

import base64
import binascii
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from service.settings import ConfigError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

KEY_FILE = "secret.key"
KEY_BYTES = 32
"""Of a Fernet key, before its base64."""


class Vault:
    """Encrypts and decrypts short secrets. Raises ConfigError for what is no key."""

    def __init__(self, key: str) -> None:
        self._key = key
        if not _is_key(key):
            raise ConfigError(
                "SELFWATCH_SECRET_KEY: not a Fernet key (32 url-safe base64 bytes); make one with: python -c "
                "'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
            )

    @cached_property
    def _fernet(self) -> "Fernet":
        from cryptography.fernet import Fernet  # noqa: PLC0415 (7 MB, and only stored keys need it)

        return Fernet(self._key)

    def seal(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """The secret. Raises ConfigError when it was sealed with another key."""
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 (as above)

        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise ConfigError(
                "a stored endpoint key cannot be decrypted: SELFWATCH_SECRET_KEY (or secret.key in the data folder) "
                "is not the one it was stored with; restore it, or PATCH the endpoint with its api_key again"
            ) from None


def open_vault(secret_key: str | None, data_dir: Path) -> Vault:
    """A vault with the given key, or with `data_dir`/secret.key, made with mode 0600 if it is not there."""
    if secret_key:
        return Vault(secret_key)
    path = data_dir / KEY_FILE
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return Vault(path.read_text(encoding="ascii").strip())
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.urlsafe_b64encode(os.urandom(KEY_BYTES)))
    return Vault(path.read_text(encoding="ascii").strip())


def _is_key(text: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(text)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False
