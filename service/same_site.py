"""Whether a request that changes something comes from our own pages. Pure.

What a browser sends with cookies of ours on behalf of another site is told by headers that no script can set:
`Sec-Fetch-Site`, and, over plain HTTP, where browsers leave it out, `Origin` or `Referer`.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
OURS = ("same-origin", "none")
"""Of Sec-Fetch-Site; `none`: the person did it, such as by a bookmark."""
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
FOREIGN = "a page of another site may not change anything here"
UNKNOWN = (
    "your browser does not say which page this request comes from (no Sec-Fetch-Site, Origin or Referer header), so it "
    "may come from another site; a privacy extension or a proxy may remove these headers"
)


def refusal(method: str, headers: Headers, *, public_url: str | None, signed_in: bool) -> str | None:
    """Why the request may not change anything; None when it may. `signed_in`: it carries a session's cookie."""
    if method in SAFE_METHODS or headers.get("authorization", "").lower().startswith("bearer "):
        return None  # no browser adds a Bearer token by itself
    site = headers.get("sec-fetch-site")
    if site is not None:
        return None if site in OURS else FOREIGN
    source = headers.get("origin") or headers.get("referer")
    if source is not None:
        own = {headers.get("host", "").lower().removesuffix(":80").removesuffix(":443"), _host(public_url or "")} - {""}
        return None if _host(source) in own else FOREIGN
    return UNKNOWN if signed_in else None


def _host(url: str) -> str:
    """Host and port as a Host header has them, without the default port; empty for what is no http(s) address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in DEFAULT_PORTS:
        return ""
    return parts.netloc.lower().removesuffix(DEFAULT_PORTS[parts.scheme])
