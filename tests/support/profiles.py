"""Profile sets of a user's own, as documents."""

import copy
from typing import Any

from baselines.profiles import published
from service import profile_documents


def document(name: str = "team/llama-3", **changes: Any) -> dict[str, Any]:
    """A set with the values of a published one, a name of its own, and no hash. `changes`: top-level fields."""
    found: dict[str, Any] = copy.deepcopy(profile_documents.of_set(published("gpt-4.1/all")))
    del found["content_hash"]
    return found | {"name": name, "provenance": "measured by ourselves"} | changes


def changed(path: str, value: Any) -> dict[str, Any]:
    """A set with the value at `path`, such as states.base.cells.3.mean, replaced."""
    found = document()
    *parents, last = path.split(".")
    here: Any = found
    for part in parents:
        here = here[int(part)] if part.isdecimal() else here[part]
    here[last] = value
    return found
