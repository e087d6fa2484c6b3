"""Where to go after signing in: only to a page of ours. Pure."""

from urllib.parse import urlsplit

LONGEST = 2000
NOT_BACK_TO = ("/sign-in", "/sign-out")


def local_path(wanted: str | None, default: str = "/") -> str:
    """`wanted` if it is a path on this server, with its query; else `default`.

    Refused is whatever some browser could take for another server: `//host`, backslashes, schemes, and characters that
    browsers drop or rewrite (controls, spaces, anything beyond ASCII).
    """
    if not wanted or len(wanted) > LONGEST or not wanted.startswith("/") or wanted.startswith("//"):
        return default
    if "\\" in wanted or not wanted.isascii() or any(character <= " " or character == "\x7f" for character in wanted):
        return default
    parts = urlsplit(wanted)
    if parts.scheme or parts.netloc or "//" in parts.path or parts.path in NOT_BACK_TO:
        return default
    return wanted
