"""The key of an endpoint, wherever the user keeps it. Read at each run, so that a rotated file or variable counts."""

import os
from pathlib import Path

from probes.types import CallError, Problem, Reason
from service.registration import EndpointFields
from service.settings import ConfigError
from service.storage.schema import EndpointRow
from service.vault import Vault

MAX_KEY_BYTES = 8192


def stored_form(body: EndpointFields, vault: Vault) -> tuple[str, str | None]:
    """(key_kind, key_value) as the endpoints table holds them."""
    if body.api_key is not None:
        return "stored", vault.seal(body.api_key.get_secret_value())
    if body.api_key_env is not None:
        return "env", body.api_key_env
    if body.api_key_file is not None:
        return "file", body.api_key_file
    return "none", None


def resolve(endpoint: EndpointRow, vault: Vault) -> str | None:
    """The key to send, None for none. Raises CallError with the remedy when it cannot be had."""
    value = endpoint.key_value or ""
    if endpoint.key_kind == "stored":
        try:
            return vault.open(value)
        except ConfigError as error:
            raise _missing(str(error), "see the detail") from error
    if endpoint.key_kind == "env":
        if found := os.environ.get(value):
            return found
        raise _missing(
            f"the variable {value} is not set", f"set {value} where selfwatch runs, then restart, or PATCH the endpoint"
        )
    if endpoint.key_kind == "file":
        try:
            return _read(Path(value))
        except (OSError, ValueError) as error:
            raise _missing(
                f"the key file {value} cannot be read", "check path and permissions; a key file is a small text file"
            ) from error
    return None


def _read(path: Path) -> str:
    """The text of a small regular file. Raises OSError or ValueError for anything else, such as /dev/zero."""
    if not path.is_file():
        raise ValueError(f"{path} is not a file")
    with path.open("rb") as file:
        found = file.read(MAX_KEY_BYTES + 1)
    if len(found) > MAX_KEY_BYTES:
        raise ValueError(f"{path} is too long for a key")
    return found.decode().strip()


def _missing(detail: str, remedy: str) -> CallError:
    return CallError(Problem(reason=Reason.UNAUTHORIZED, detail=detail, remedy=remedy))
