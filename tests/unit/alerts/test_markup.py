"""Escaping: whatever the text, the channel shows it and acts on none of it."""

import csv
import html
import html.parser
import io
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from alerts import markup

TEXTS = st.text(max_size=200)
HOSTILE = st.text(alphabet="<>&*_~`[]()!#|@=+-\\\"' \n\t\r.:/1a{}", max_size=80)
ANY = st.one_of(TEXTS, HOSTILE)


class Parsed(html.parser.HTMLParser):
    """The tags and the text that a browser finds."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(text=ANY)
@example(text="<script>alert(1)</script>")
@example(text='" onmouseover="x')
def test_html_shows_the_text_and_has_no_tag_of_it(text: str) -> None:
    found = Parsed(markup.html(text))
    assert found.tags <= {"br"}
    assert html.unescape(markup.html(text).replace("<br/>\n", "\n")) == text.replace("\r", "\r")
    assert '"' not in markup.html(text)
    assert "'" not in markup.html(text)


@given(text=ANY)
@example(text="<!channel> <@U1> <https://evil|ok> &lt;!here&gt;")
def test_slack_shows_the_text_and_finds_no_entity_of_it(text: str) -> None:
    escaped = markup.slack(text)
    assert not set(escaped) & set("<>")
    assert escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text


def shown(markdown: str) -> tuple[str, set[str]]:
    """The text that CommonMark shows, and the kinds of things it found beside text."""
    text, kinds = "", set()
    for token in MarkdownIt("commonmark").parse(markdown):
        kinds.add(token.type)
        for child in token.children or ():
            if child.type in ("text", "text_special"):
                text += child.content
            elif child.type in ("hardbreak", "softbreak"):
                text += "\n"
            else:
                kinds.add(child.type)
    return text, kinds


WORDS = st.lists(st.text(alphabet="<>&*_~`[]()!#|@=+-\\\"'.:/1ab{}", min_size=1, max_size=12), min_size=1, max_size=6)


@given(words=WORDS)
@example(words=["[click](https://evil.example)", "![x](y)", "<b>", "`code`", "**bold**", "# title", "1. one", "- item"])
@example(words=["&lt;script&gt;", "https://auto.link", "a\\"])
@example(words=["```", "~~~", "---", "===", "> quote", "| a | b |"])
def test_markdown_shows_the_words_and_has_no_formatting_of_them(words: list[str]) -> None:
    text, kinds = shown(markup.markdown(" ".join(words)))
    assert text == " ".join(words)
    assert kinds <= {"paragraph_open", "inline", "paragraph_close"}


@given(lines=st.lists(st.text(alphabet="#>-+*=1.ab`~", min_size=1, max_size=8), min_size=1, max_size=5))
@example(lines=["title", "==="])
@example(lines=["title", "---"])
@example(lines=["1)", "2)"])
def test_lines_stay_lines_and_begin_no_block(lines: list[str]) -> None:
    text, kinds = shown(markup.markdown("\n".join(lines)))
    assert text == "\n".join(lines)
    assert kinds <= {"paragraph_open", "inline", "paragraph_close"}


@given(text=ANY)
@example(text="ok\r\nBcc: x@evil.example")
@example(text="ok\u2028X: y\u0085Z: w\x0bV: u")
def test_a_header_is_one_line_and_adds_no_other(text: str) -> None:
    value = markup.header(text)
    assert len(value.splitlines()) <= 1
    assert value.isprintable()
    assert len(value) <= markup.SUBJECT_LENGTH
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = value
    mail.set_content("x")
    assert set(mail.keys()) == {"Subject", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"}


@given(cells=st.lists(st.one_of(ANY, st.sampled_from(["=1+1", "@SUM(A1)", "+1", "-1", "\t=1", "\r=1"])), min_size=1))
@example(cells=['=HYPERLINK("https://evil","x")', 'a,"b"\nc'])
def test_a_csv_cell_survives_and_is_no_formula(cells: list[str]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerow([markup.csv_cell(cell) for cell in cells])
    (row,) = csv.reader(io.StringIO(text.getvalue(), newline=""))
    assert [
        cell.removeprefix("'") if was.startswith(markup.FORMULA) else cell for cell, was in zip(row, cells, strict=True)
    ] == cells
    assert not any(cell.startswith(markup.FORMULA) for cell in row)


@pytest.mark.parametrize("name", sorted(markup.FORMATS))
def test_harmless_text_stays_readable_in_every_format(name: str) -> None:
    assert "support bot has moved" in markup.FORMATS[name]("support bot has moved")
