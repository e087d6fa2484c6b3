"""Text from users and models, made harmless for each kind of channel. Pure. Nothing is lost: a reader sees the text."""

import html as _html
import re
import unicodedata
from collections.abc import Callable, Mapping

MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-=.!|~&])")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection)."""

SUBJECT_LENGTH = 250


def html(text: str) -> str:
    """As text of an HTML element or of a quoted attribute; a new line becomes a break."""
    return _html.escape(text).replace("\n", "<br/>\n")


def slack(text: str) -> str:
    """As Slack asks: `&`, `<` and `>` as entities, so that no mention, link or command can be written."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown(text: str) -> str:
    """As CommonMark that shows exactly `text`; a new line becomes a hard break."""
    return MARKDOWN.sub(r"\\\1", text).replace("\n", "  \n")


def header(text: str) -> str:
    """As the value of a mail header or a title: one line, without control characters."""
    kept = "".join(" " if unicodedata.category(c) in ("Zl", "Zp") or c.isspace() else c for c in text)
    kept = "".join(c for c in kept if unicodedata.category(c)[0] != "C")
    return kept.strip()[:SUBJECT_LENGTH]


def csv_cell(text: str) -> str:
    """As a cell that a spreadsheet shows and does not compute. Quoting is left to the CSV writer."""
    return f"'{text}" if text.startswith(FORMULA) else text


def plain(text: str) -> str:
    """As it is: for channels that act on nothing."""
    return text


FORMATS: Mapping[str, Callable[[str], str]] = {"text": plain, "html": html, "markdown": markdown}
"""By the name that the channel gives its format."""
