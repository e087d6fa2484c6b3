"""Text of a model as it is: every character that hides, reorders or controls is shown by its number. Pure."""

import re
import unicodedata

from markupsafe import Markup, escape

SHORT = 1_500
"""Characters of a reply that a list shows."""
WHOLE = 300_000
"""Characters that the page of one answer shows; what is longer is in the downloads."""
_HIDDEN = re.compile(
    "["
    "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f"  # controls, but for tab and new line
    "\\xad\\u034f\\u061c\\u070f\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e"  # format: direction, zero width, ...
    "\\u2060-\\u206f\\ufeff\\ufff0-\\ufffb"
    "\\u115f\\u1160\\u17b4\\u17b5\\u2800\\u3164\\uffa0"  # letters that are drawn as nothing
    "\\ufe00-\\ufe0d"  # variation selectors that no emoji needs: text can be hidden in them, as in the tags below
    "\\ud800-\\udfff\\ue000-\\uf8ff"  # halves of pairs, private use
    "\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a\\U00013430-\\U0001343f\\U000e0000-\\U0010ffff"
    "]"
)
CONTROLS = {
    "\x00": "NUL", "\x07": "Bell", "\x08": "Backspace", "\r": "Carriage return", "\x1b": "Escape", "\x7f": "Delete",
}  # fmt: skip
"""Unicode gives control characters no names."""


def visible(text: str) -> Markup:
    """`text` as HTML that shows each of its characters. Controls, direction and zero-width characters become a marked
    `U+202E` with their name as a tooltip."""
    found: list[str] = []
    start = 0
    for match in _HIDDEN.finditer(text):
        found += (str(escape(text[start : match.start()])), _shown(match.group()))
        start = match.end()
    found.append(str(escape(text[start:])))
    return Markup("".join(found))  # noqa: S704 (every part was escaped)


def _shown(character: str) -> str:
    name = CONTROLS.get(character) or unicodedata.name(character, "a character without a name").capitalize()
    return f'<span class="esc" title="{escape(name)}">U+{ord(character):04X}</span>'


def cut(text: str, limit: int) -> str:
    """The first `limit` characters, or a few less where the cut would part a character from its marks."""
    end = min(limit, len(text))
    while limit - 50 < end < len(text) and unicodedata.combining(text[end]):
        end -= 1
    return text[:end]
