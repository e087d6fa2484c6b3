"""From status and body to a named problem."""

import pytest

from probes.clients.diagnose import status
from probes.types import Reason


def openai(message: str, code: str = "") -> dict[str, object]:
    return {"error": {"message": message, "code": code}}


@pytest.mark.parametrize(
    ("code", "body", "reason"),
    [
        (301, None, Reason.NOT_OPENAI_COMPATIBLE),
        (400, openai("context length exceeded"), Reason.BAD_REQUEST),
        (400, openai("invalid model name passed in model=x"), Reason.UNKNOWN_MODEL),
        (401, None, Reason.UNAUTHORIZED),
        (402, openai("pay"), Reason.QUOTA_EXHAUSTED),
        (404, openai("model 'x' not found"), Reason.UNKNOWN_MODEL),
        (404, {"detail": "Not Found"}, Reason.NOT_OPENAI_COMPATIBLE),
        (405, None, Reason.NOT_OPENAI_COMPATIBLE),
        (408, None, Reason.TIMEOUT),
        (422, {"detail": [{"loc": ["body"]}]}, Reason.BAD_REQUEST),
        (429, openai("slow down", "rate_limit_exceeded"), Reason.RATE_LIMITED),
        (429, openai("check your plan", "insufficient_quota"), Reason.QUOTA_EXHAUSTED),
        (500, "boom", Reason.SERVER_ERROR),
        (529, {"type": "overloaded_error"}, Reason.SERVER_ERROR),
        (503, {"error": "loading model"}, Reason.SERVER_ERROR),
    ],
)
def test_status_and_body_name_the_reason(code: int, body: object, reason: Reason) -> None:
    error = status(code, {}, body, "host", None)
    assert error.problem.reason is reason
    assert f"HTTP {code} from host" in error.problem.detail


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("999999", 86_400.0),
        ("nan", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert status(429, {"retry-after": header}, None, "host", None).retry_after_s == seconds


def test_the_detail_is_one_short_line_without_the_key() -> None:
    body = openai("line one\nline two sk-secret \x1b[31m" + "x" * 500)
    detail = status(400, {}, body, "host", "sk-secret").problem.detail
    assert len(detail) <= 200
    assert detail.isprintable()
    assert "sk-secret" not in detail
