"""The form of a silence: from what was entered to a silence, or to what is wrong with it. Nothing entered is lost."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import FormData

from service.api.silences import SilenceIn
from service.ui.pages.forms import text
from service.ui.views.alerts import OTHER, SilenceForm

FIELDS = ("endpoint", "rule", "severity", "labels", "duration", "until", "comment", "who")
REMEDIES: Mapping[tuple[str, str], str] = {
    ("comment", "string_too_short"): "Say why: whoever sees the silence later will ask.",
    ("comment", "string_too_long"): "At most 500 characters.",
    ("who", "string_too_short"): "Say who: others may have to ask.",
    ("who", "string_too_long"): "At most 100 characters.",
}
NOTHING = "Say which alerts: an endpoint, a rule, a severity or a label ('*' means any)."


class FormError(Exception):
    """What was entered cannot be used. `errors`: by field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = errors


def entered(form: FormData) -> SilenceForm:
    """As it was typed."""
    typed: dict[str, Any] = {name: text(form, name) for name in FIELDS}
    return SilenceForm(**typed)


def prefilled(silence: str, endpoint: str = "", rule: str = "") -> SilenceForm:
    """For an alert, written ENDPOINT/RULE (an endpoint or a rule alone will do)."""
    before, slash, after = silence.partition("/")
    if slash:
        return SilenceForm(endpoint=before, rule=after)
    named_rule = silence[:1].isupper()
    return SilenceForm(
        endpoint=endpoint or ("" if named_rule else silence), rule=rule or (silence if named_rule else "")
    )


def silence_of(form: SilenceForm) -> SilenceIn:
    """Raises FormError."""
    errors: dict[str, str] = {}
    labels = _labels(form.labels, errors)
    body: dict[str, Any] = {
        "match": {
            "endpoint": form.endpoint or None, "rule": form.rule or None, "severity": form.severity or None,
            "labels": labels,
        },
        "comment": form.comment,
        "who": form.who,
    }  # fmt: skip
    if form.duration == OTHER:
        body["until"] = _until(form.until, errors)
    else:
        body["duration"] = form.duration
    try:
        made = SilenceIn.model_validate(body)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            field = _field(one["loc"])
            default = NOTHING if one["loc"] == ("match",) else str(one["msg"]).removeprefix("Value error, ")
            errors.setdefault(field, REMEDIES.get((field, one["type"]), default))
        raise FormError(errors) from error
    if errors:
        raise FormError(errors)
    return made


def _field(loc: tuple[int | str, ...]) -> str:
    """The field of the form that a part of the silence comes from."""
    names = [str(part) for part in loc if part != "match"]
    return names[0] if names and names[0] in FIELDS else "endpoint"


def _labels(given: str, errors: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in given.splitlines():
        if not line.strip():
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not name or not value:
            errors["labels"] = f"{line.strip()[:80]!r} is no label; write each as name=value, one a line."
            continue
        found[name] = value
    return found


def _until(given: str, errors: dict[str, str]) -> str | None:
    if not given:
        errors["until"] = "Say until when, in UTC."
        return datetime.max.replace(tzinfo=UTC).isoformat()
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?", given):
        given += "Z"
    return given
