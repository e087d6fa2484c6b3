"""Item banks: data files beside their probe, expanded to items in one way only, with a hash over all that is asked."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from probes.types import Item, ItemBank, Message

MIN_PARAPHRASES = 5


class BankError(ValueError):
    """An item bank is malformed. The text names the file and the field."""


def read(path: Path) -> dict[str, Any]:
    """The mapping in a bank file. Raises BankError."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BankError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict) or not isinstance(found.get("version"), str):
        raise BankError(f"{path}: version: must be a text, such as '1'")
    return found


def field(path: Path, data: Mapping[str, Any], name: str, kind: type) -> Any:
    """`data[name]`, which must be a non-empty `kind`. Raises BankError naming the file and the field."""
    value = data.get(name)
    if not isinstance(value, kind) or not value:
        raise BankError(f"{path}: {name}: must be a non-empty {kind.__name__}, is {value!r}"[:300])
    return value


def user(text: str) -> tuple[Message, ...]:
    """A single question by the user, with the spaces that YAML folding leaves trimmed."""
    return (Message(role="user", content=" ".join(text.split())),)


def content_hash(items: Iterable[Item]) -> str:
    """SHA-256 hex over the canonical JSON of all items, in order."""
    canonical = json.dumps([dataclasses.asdict(item) for item in items], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def build(path: Path, probe: str, version: str, items: Iterable[Item]) -> ItemBank:
    """The bank of `items`. Raises BankError for an id or a text that occurs twice."""
    found = tuple(items)
    for what, values in (("id", [i.id for i in found]), ("text", [i.messages for i in found])):
        seen: set[object] = set()
        for value in values:
            if value in seen:
                raise BankError(f"{path}: the {what} {value!r} occurs twice"[:300])
            seen.add(value)
    return ItemBank(probe=probe, version=version, content_hash=content_hash(found), items=found)
