"""Endpoint keys at rest: encrypted with a Fernet key from the settings, or one made once in the data folder."""

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from service.settings import ConfigError

KEY_FILE = "secret.key"


class Vault:
    """Encrypts and decrypts short secrets."""

    def __init__(self, key: str) -> None:
        try:
            self._fernet = Fernet(key)
        except ValueError:
            raise ConfigError(
                "SELFWATCH_SECRET_KEY: not a Fernet key (32 url-safe base64 bytes); make one with: python -c "
                "'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
            ) from None

    def seal(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """The secret. Raises ConfigError when it was sealed with another key."""
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
        file.write(Fernet.generate_key())
    return Vault(path.read_text(encoding="ascii").strip())
