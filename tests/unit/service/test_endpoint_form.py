"""What is typed into the form of an endpoint means what the API would take, and mistakes stand beside their fields."""

from typing import Any

import pytest

from service.registration import EndpointIn
from service.ui import endpoint_form
from service.ui.endpoint_form import fields_of, patch, read, values_of

PLANS = ("heartbeat", "full", "nightly")
BLANK = dict.fromkeys(fields_of(PLANS), "")
TYPED = BLANK | {
    "name": "prod", "base_url": "https://api.example.com/v1", "model": "m", "key": "none", "profiles": "gpt-4.1/all",
}  # fmt: skip


def test_the_least_that_can_be_typed_is_the_least_registration() -> None:
    found = read(TYPED, "")
    assert found.errors == {}
    least = EndpointIn(name="prod", base_url="https://api.example.com/v1", model="m", schedules={})
    assert found.body == least


def test_everything_that_is_typed_is_declared() -> None:
    typed = TYPED | {
        "key": "env", "api_key_env": "PROD_KEY", "schedules.heartbeat": "PT5M", "schedules.nightly": "0 3 * * *",
        "labels": "team=chat\n\n tier = a=b \r\n", "limits.concurrency": "2", "limits.usd_per_day": "1.5",
        "limits.tokens_per_month": "100000", "sampling.temperature": "0.2", "sampling.max_tokens": "64",
    }  # fmt: skip
    body = read(typed, "not sent").body
    assert body is not None
    assert body.schedules == {"heartbeat": "PT5M", "nightly": "0 3 * * *"}
    assert body.labels == {"team": "chat", "tier": "a=b"}
    assert (body.api_key, body.api_key_env, body.api_key_file) == (None, "PROD_KEY", None)
    limits = body.limits.model_dump(exclude_none=True)
    assert limits == {"concurrency": 2, "usd_per_day": 1.5, "tokens_per_month": 100_000}
    assert body.sampling.model_dump() == {"temperature": 0.2, "max_tokens": 64, "extra": {}}


def test_a_key_is_taken_only_where_it_was_chosen_and_is_in_no_value() -> None:
    body = read(TYPED | {"key": "paste"}, "sk-1").body
    assert body is not None
    assert body.api_key is not None
    assert body.api_key.get_secret_value() == "sk-1"
    kept = read(TYPED | {"key": "keep"}, "sk-1").body
    assert kept is not None
    assert kept.api_key is None
    assert "api_key" not in fields_of(PLANS)


MISTAKES: list[tuple[dict[str, str], str, str]] = [
    ({"name": ""}, "name", "may hold a-z"),
    ({"name": "No Spaces"}, "name", "may hold a-z"),
    ({"name": "new"}, "name", "choose another name"),
    ({"name": "a" * 64}, "name", "at most 63"),
    ({"base_url": ""}, "base_url", "write it like https://"),
    ({"base_url": "example.com"}, "base_url", "write it like https://"),
    ({"base_url": "https://me:pw@example.com"}, "base_url", "use api_key instead"),
    ({"base_url": "https://x/" + "y" * 2000}, "base_url", "at most 2000 characters"),
    ({"model": ""}, "model", "is needed"),
    ({"model": "m" * 201}, "model", "at most 200 characters"),
    ({"schedules.heartbeat": "sometimes"}, "schedules.heartbeat", "PT15M"),
    ({"schedules.full": "61 * * * *"}, "schedules.full", "61"),
    ({"schedules.nightly": "PT0S"}, "schedules.nightly", "PT0S"),
    ({"labels": "team"}, "labels", "write one a line"),
    ({"labels": "=chat"}, "labels", "write one a line"),
    ({"labels": "a=1\na=2"}, "labels", "given twice"),
    ({"labels": "a b=1"}, "labels", "letters, digits and _"),
    ({"labels": "a=" + "x" * 201}, "labels", "at most 200 characters"),
    ({"labels": "\n".join(f"a{n}={n}" for n in range(21))}, "labels", "at most 20 lines"),
    ({"limits.concurrency": "many"}, "limits.concurrency", "must be a whole number"),
    ({"limits.concurrency": "0"}, "limits.concurrency", "must be at least 1"),
    ({"limits.concurrency": "257"}, "limits.concurrency", "must be at most 256"),
    ({"limits.tokens_per_day": "1.5"}, "limits.tokens_per_day", "must be a whole number"),
    ({"limits.usd_per_day": "0"}, "limits.usd_per_day", "must be more than 0"),
    ({"limits.usd_per_day": "inf"}, "limits.usd_per_day", "must be a number"),
    ({"limits.usd_per_month": "1e999"}, "limits.usd_per_month", "must be a number"),
    ({"limits.usd_per_month": "nan"}, "limits.usd_per_month", "must be a number"),
    ({"sampling.temperature": "hot"}, "sampling.temperature", "must be a number"),
    ({"sampling.temperature": "3"}, "sampling.temperature", "must be at most 2"),
    ({"key": "paste"}, "api_key", "is needed"),
    ({"key": "env"}, "api_key_env", "is needed"),
    ({"key": "env", "api_key_env": "A-B"}, "api_key_env", "letters, digits and _"),
    ({"key": "file"}, "api_key_file", "is needed"),
    ({"key": "guess"}, "key", "choose"),
]


@pytest.mark.parametrize(("change", "field", "message"), MISTAKES)
def test_a_mistake_stands_beside_its_field(change: dict[str, str], field: str, message: str) -> None:
    found = read(TYPED | change, "")
    assert found.body is None
    assert list(found.errors) == [field]
    assert message in found.errors[field]


def test_all_mistakes_are_told_at_once() -> None:
    wrong = {"name": "", "model": "", "schedules.full": "x", "labels": "x", "key": "paste", "limits.concurrency": "x"}
    found = read(TYPED | wrong, "")
    assert set(found.errors) == {"name", "model", "schedules.full", "labels", "api_key", "limits.concurrency"}


@pytest.mark.parametrize(
    ("field", "placed"),
    [
        ("name", "name"),
        ("limits.usd_per_day", "limits.usd_per_day"),
        ("labels.a b.[key]", "labels"),
        ("schedules.unknown", ""),
        ("budget.usd_per_day", ""),
        ("api_key", "api_key"),
        ("body", ""),
    ],
)
def test_what_belongs_to_no_field_is_told_all_the_same(field: str, placed: str) -> None:
    assert endpoint_form.placed([{"field": field, "message": "no"}], BLANK) == {placed: "no"}


SHOWN: dict[str, Any] = {
    "name": "prod", "base_url": "https://api.example.com/v1", "model": "m", "key": "stored", "profiles": "gpt-4.1/all",
    "labels": {"team": "chat"}, "schedules": {"heartbeat": "PT15M"},
    "limits": EndpointIn(name="a", base_url="http://a", model="m").limits.model_dump() | {"tokens_per_day": 5},
    "sampling": {"temperature": None, "max_tokens": None, "extra": {"top_k": 3}},
}  # fmt: skip


def changed(**typed: str) -> dict[str, Any]:
    values = values_of(SHOWN, PLANS) | {name.replace("__", "."): value for name, value in typed.items()}
    found = read(values, "sk-2")
    assert found.body is not None, found.errors
    return patch(SHOWN, found.body, values["key"]).model_dump(exclude_unset=True)


def test_a_form_sent_back_as_it_came_changes_nothing() -> None:
    assert changed() == {}


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ({"model": "m2"}, {"model": "m2"}),
        ({"labels": ""}, {"labels": {}}),
        ({"schedules__heartbeat": ""}, {"schedules": {}}),
        ({"schedules__full": "P7D"}, {"schedules": {"heartbeat": "PT15M", "full": "P7D"}}),
        ({"limits__tokens_per_day": ""}, {"limits": {"tokens_per_day": None}}),
        ({"limits__concurrency": ""}, {}),
        ({"limits__usd_per_day": "2"}, {"limits": {"usd_per_day": 2.0}}),
        ({"sampling__max_tokens": "9"}, {"sampling": {"max_tokens": 9}}),
        ({"key": "none"}, {"api_key": None}),
        ({"key": "file", "api_key_file": "/k"}, {"api_key_file": "/k"}),
    ],
)
def test_only_what_differs_is_sent(typed: dict[str, str], sent: dict[str, Any]) -> None:
    assert changed(**typed) == sent
