"""Which requests may change something: those of our own pages, and those of programs."""

import pytest
from starlette.datastructures import Headers

from service.same_site import FOREIGN, UNKNOWN, refusal

OURS, THEIRS = "http://watch.example:8321", "https://evil.example"

CASES: list[tuple[dict[str, str], bool, str | None]] = [
    # what browsers say of themselves
    ({"sec-fetch-site": "same-origin"}, True, None),
    ({"sec-fetch-site": "none"}, True, None),
    ({"sec-fetch-site": "same-site"}, True, FOREIGN),
    ({"sec-fetch-site": "cross-site"}, True, FOREIGN),
    ({"sec-fetch-site": "cross-site"}, False, FOREIGN),
    ({"sec-fetch-site": ""}, True, FOREIGN),
    ({"sec-fetch-site": "SAME-ORIGIN"}, True, FOREIGN),
    ({"sec-fetch-site": "cross-site", "origin": OURS}, True, FOREIGN),
    # over plain HTTP they leave it out
    ({"origin": OURS}, True, None),
    ({"origin": "HTTP://Watch.Example:8321"}, True, None),
    ({"origin": "http://watch.example"}, True, FOREIGN),
    ({"origin": "http://watch.example:8322"}, True, FOREIGN),
    ({"origin": "http://sub.watch.example:8321"}, True, FOREIGN),
    ({"origin": "http://watch.example:8321.evil.example"}, True, FOREIGN),
    ({"origin": "http://watch.example:8321@evil.example"}, True, FOREIGN),
    ({"origin": THEIRS}, True, FOREIGN),
    ({"origin": THEIRS}, False, FOREIGN),
    ({"origin": "null"}, True, FOREIGN),
    ({"origin": "null"}, False, FOREIGN),
    ({"origin": "http://["}, True, FOREIGN),
    ({"origin": THEIRS, "referer": f"{OURS}/endpoints/new"}, True, FOREIGN),
    ({"referer": f"{OURS}/endpoints/new"}, True, None),
    ({"referer": f"{THEIRS}/?{OURS}"}, True, FOREIGN),
    ({"referer": f"{THEIRS}/#{OURS}"}, False, FOREIGN),
    # nothing at all: a program, unless it carries a session
    ({}, False, None),
    ({}, True, UNKNOWN),
    ({"origin": ""}, True, UNKNOWN),
    # a token that no browser adds by itself
    ({"authorization": "Bearer swt_x", "origin": THEIRS}, False, None),
    ({"authorization": "bearer swt_x"}, True, None),
    ({"authorization": "Basic eDp5"}, False, None),
    ({"authorization": "Basic eDp5", "sec-fetch-site": "cross-site"}, False, FOREIGN),
    ({"authorization": "Basic eDp5", "origin": THEIRS}, False, FOREIGN),
]


@pytest.mark.parametrize(("headers", "signed_in", "why"), CASES)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_change_comes_from_our_own_pages(
    method: str, headers: dict[str, str], signed_in: bool, why: str | None
) -> None:
    sent = Headers({"host": "watch.example:8321"} | headers)
    assert refusal(method, sent, public_url=None, signed_in=signed_in) == why


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_is_free(method: str) -> None:
    sent = Headers({"host": "watch.example", "sec-fetch-site": "cross-site", "origin": THEIRS})
    assert refusal(method, sent, public_url=None, signed_in=True) is None


@pytest.mark.parametrize(
    ("host", "origin", "public", "ours"),
    [
        ("watch.example", "https://watch.example", None, True),
        ("watch.example:443", "https://watch.example", None, True),
        ("watch.example", "http://watch.example:80", None, True),
        ("10.0.0.5:8321", "https://watch.example", "https://watch.example", True),
        ("10.0.0.5:8321", "https://watch.example", "https://Watch.Example:443/", True),
        ("10.0.0.5:8321", "https://watch.example", None, False),
        ("10.0.0.5:8321", "https://other.example", "https://watch.example", False),
        ("[::1]:8321", "http://[::1]:8321", None, True),
        ("", "null", None, False),
        ("", "ftp://", "ftp://", False),
    ],
)
def test_behind_a_proxy_the_public_address_is_ours_too(host: str, origin: str, public: str | None, ours: bool) -> None:
    sent = Headers({"host": host, "origin": origin})
    assert (refusal("POST", sent, public_url=public, signed_in=True) is None) is ours
