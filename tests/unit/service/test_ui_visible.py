"""Text of a model as HTML that hides nothing."""

import html
import re
import sys
import unicodedata

import pytest

from service.ui.visible import cut, visible
from tests.support.hostile import REPLIES

PLAIN = "plain text, tabs\tand\nlines, Größe, 日本語, עברית, العربية, e\u0301, \U0001f469, \u2764\ufe0f"


def unmarked(shown: str) -> str:
    """What the HTML stands for."""
    number = re.compile(r'<span class="esc" title="[^"<>]*">U\+([0-9A-F]{4,6})</span>')
    parts = re.split(number, shown)
    texts = [html.unescape(part) if index % 2 == 0 else chr(int(part, 16)) for index, part in enumerate(parts)]
    return "".join(texts)


def test_plain_text_of_any_language_stays_as_it_is() -> None:
    assert visible(PLAIN) == PLAIN


@pytest.mark.parametrize("text", REPLIES)
def test_nothing_is_markup_and_nothing_is_lost(text: str) -> None:
    shown = str(visible(text))
    assert unmarked(shown) == text
    assert not re.search(r"<(?!span class=\"esc\" title=\"[^\"<>]*\">U\+|/span>)", shown)


def test_a_direction_override_is_seen() -> None:
    assert visible("a\u202eb") == 'a<span class="esc" title="Right-to-left override">U+202E</span>b'
    assert 'title="Escape">U+001B</span>[2J' in visible("\x1b[2J")


def test_every_control_and_format_character_is_seen() -> None:
    """But for those of Arabic and other scripts that are drawn: number signs and the like."""
    drawn = {0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6DD, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
    hidden = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    missed = [
        f"U+{code:04X}"
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in hidden
        and code not in drawn
        and chr(code) not in "\n\t"
        and not visible(chr(code)).startswith("<span")
    ]
    assert missed == []


def test_a_cut_keeps_a_letter_and_its_marks_together() -> None:
    assert cut("abc", 5) == "abc"
    assert cut("abcdef", 3) == "abc"
    assert cut("ab" + "e\u0301\u0302" + "z", 4) == "ab"
    assert len(cut("a" + "\u0301" * 1000, 500)) >= 450, "marks without end are cut all the same"
