"""After signing in one stays here, however the way back is spelled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ui.local_path import local_path

ELSEWHERE = [
    "https://evil.example",
    "http:evil.example",
    "HTTPS://evil.example/",
    "//evil.example",
    "///evil.example",
    "////evil.example/a",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/ /evil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/a/..//evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "evil.example",
    "@evil.example",
    "?next=//evil.example",
    "#//evil.example",
    "",
    "/\x00/evil.example",
    "/\x7f",
    "/\u2028/evil.example",
    "\uff0f\uff0fevil.example",
    "/\uff0fevil.example",
    "/\u3002evil.example",
    "/endpoints\r\nSet-Cookie: a=b",
    "/" + "a" * 3000,
    "/sign-in",
    "/sign-in?next=/",
    "/sign-out",
]


@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_no_spelling_leads_away(wanted: str) -> None:
    assert local_path(wanted) == "/"


@pytest.mark.parametrize(
    "wanted",
    ["/", "/endpoints/prod", "/?page=2", "/runs/01k5?live=0#main", "/endpoints/a%2Fb", "/endpoints/new?a=//x", "/a:b"],
)
def test_a_page_of_ours_is_kept(wanted: str) -> None:
    assert local_path(wanted) == wanted


def test_without_one_it_is_the_fleet() -> None:
    assert local_path(None) == "/"
    assert local_path("//x", "/alerts") == "/alerts"


@given(st.text(max_size=60) | st.text(alphabet="/\\.:@?#\t\n ae%2f", max_size=12))
def test_what_is_left_is_always_a_path(wanted: str) -> None:
    found = local_path(wanted)
    assert found.startswith("/")
    assert found[1:2] not in ("/", "\\")
    assert found.isprintable()
