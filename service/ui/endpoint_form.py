"""The form of an endpoint: what was typed -> the same declaration that the API takes, with errors beside their fields.

Pure. A key is taken from what was sent and is in no value that a page shows.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from service.api.problems import field_error
from service.registration import EndpointIn, EndpointPatch, Limits
from service.schedules import parse_schedule

LIMITS = tuple(f"limits.{name}" for name in Limits.model_fields)
SAMPLING = ("sampling.temperature", "sampling.max_tokens")
PLAIN = ("name", "base_url", "model", "key", "api_key_env", "api_key_file", "profiles", "labels", *LIMITS, *SAMPLING)
SCHEDULES = "schedules."
KEEP, NO_KEY, PASTE = "keep", "none", "paste"
KEY_FIELDS = {PASTE: "api_key", "env": "api_key_env", "file": "api_key_file"}
REPHRASED: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"^Field required$", "is needed"),
        (r"^String should have at least 1 character$", "is needed"),
        (r"^Input should be a valid integer.*$", "must be a whole number"),
        (r"^Input should be a (valid|finite) number.*$", "must be a number"),
        (r"^Input should be greater than or equal to (.+)$", r"must be at least \1"),
        (r"^Input should be greater than (.+)$", r"must be more than \1"),
        (r"^Input should be less than or equal to (.+)$", r"must be at most \1"),
        (r"^String should have at most (\d+) characters$", r"may have at most \1 characters"),
        (r"^String should match pattern '\^\[A-Za-z_\].*$", "a variable's name has letters, digits and _"),
        (r"^String should match pattern.*$", "a label's name has letters, digits and _, at most 63"),
        (r"^Dictionary should have at most (\d+) items.*$", r"may have at most \1 lines"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Read:
    """What a form says: the declaration, or, where it has a mistake, None and `errors` by field ("" for all of it)."""

    body: EndpointIn | None
    errors: Mapping[str, str]


def fields_of(plans: Iterable[str]) -> tuple[str, ...]:
    """The names of all fields that a page may show again: not the key."""
    return (*PLAIN, *(f"{SCHEDULES}{plan}" for plan in plans))


def read(values: Mapping[str, str], api_key: str) -> Read:
    """Check what was typed as the API does."""
    labels, errors = _labels(values["labels"])
    errors |= _key_errors(values, api_key)
    schedules = {name.removeprefix(SCHEDULES): spec for name, spec in values.items() if name.startswith(SCHEDULES)}
    for plan, spec in schedules.items():
        errors |= _schedule_error(plan, spec) if spec else {}
    body: dict[str, Any] = {name: values[name] for name in ("name", "base_url", "model", "profiles")}
    body |= {
        "labels": labels,
        "limits": _given(values, "limits."),
        "sampling": _given(values, "sampling."),
        "schedules": {plan: spec for plan, spec in schedules.items() if spec and f"{SCHEDULES}{plan}" not in errors},
    }
    if (field := KEY_FIELDS.get(values["key"])) is not None:
        body[field] = api_key if field == "api_key" else values[field]
    try:
        made = EndpointIn.model_validate(body)
    except ValidationError as error:
        return Read(body=None, errors=placed([field_error(dict(one)) for one in error.errors()], values) | errors)
    return Read(body=None if errors else made, errors=errors)


def placed(errors: Iterable[Mapping[str, str]], values: Mapping[str, str]) -> dict[str, str]:
    """Errors by the field of the form that they belong to; "" for those that belong to none."""
    found: dict[str, str] = {}
    for one in errors:
        field, message = one["field"], one["message"]
        if field not in values and field != "api_key":
            field = field.partition(".")[0]
        found.setdefault(field if field in values or field == "api_key" else "", plain(message))
    return found


def plain(message: str) -> str:
    """A message of the validation in words for a person."""
    for pattern, words in REPHRASED:
        if pattern.match(message):
            return pattern.sub(words, message)
    return message


def values_of(shown: Mapping[str, Any], plans: Iterable[str]) -> dict[str, str]:
    """What the form of a registered endpoint holds: `shown` as the API presents it."""
    values = dict.fromkeys(fields_of(plans), "")
    values |= {name: str(shown[name]) for name in ("name", "base_url", "model", "profiles")}
    values |= {f"{SCHEDULES}{plan}": spec for plan, spec in shown["schedules"].items()}
    for group in ("limits", "sampling"):
        for name, value in shown[group].items():
            if f"{group}.{name}" in values and value is not None:
                values[f"{group}.{name}"] = str(value)
    values["labels"] = "\n".join(f"{name}={value}" for name, value in shown["labels"].items())
    return values | {"key": NO_KEY if shown["key"] is None else KEEP}


def patch(before: Mapping[str, Any], body: EndpointIn, key: str) -> EndpointPatch:
    """Only what differs from `before`, the endpoint as the API presents it: the rest stays untouched."""
    now = body.model_dump()
    changed: dict[str, Any] = {
        name: now[name]
        for name in ("base_url", "model", "profiles", "labels", "schedules")
        if now[name] != before[name]
    }
    for group, names in (("limits", LIMITS), ("sampling", SAMPLING)):
        short = [name.partition(".")[2] for name in names]
        differs = {name: now[group][name] for name in short if now[group][name] != before[group].get(name)}
        if differs:
            changed[group] = differs
    if (field := KEY_FIELDS.get(key)) is not None:
        changed[field] = getattr(body, field)
    elif key == NO_KEY and before["key"] is not None:
        changed["api_key"] = None
    return EndpointPatch.model_validate(changed)


def _given(values: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix) and value}


def _labels(typed: str) -> tuple[dict[str, str], dict[str, str]]:
    """`name=value`, one a line."""
    labels: dict[str, str] = {}
    for line in typed.splitlines():
        name, equals, value = (part.strip() for part in line.partition("="))
        if not line.strip():
            continue
        if not equals or not name:
            return labels, {"labels": f"{line.strip()[:80]!r} is no label; write one a line, like team=chat"}
        if name in labels:
            return labels, {"labels": f"{name[:80]!r} is given twice"}
        labels[name] = value
    return labels, {}


def _key_errors(values: Mapping[str, str], api_key: str) -> dict[str, str]:
    if (field := KEY_FIELDS.get(values["key"])) is None:
        return {} if values["key"] in (KEEP, NO_KEY) else {"key": "choose where the key comes from"}
    given = api_key if field == "api_key" else values[field]
    return {} if given else {field: "is needed, or choose another kind of key"}


def _schedule_error(plan: str, spec: str) -> dict[str, str]:
    try:
        parse_schedule(spec)
    except ValueError as error:
        return {f"{SCHEDULES}{plan}": str(error)}
    return {}
