"""What a judge is shown of a hostile text, and what counts of what the judge says. Pure; never raises on any text.

A fence is two marker lines with a code that its author could not know. Between them every line stands after a bar, so
that none can pass for a marker or for a turn of the conversation; what could be taken for one inside a line is broken
visibly. The words stay: the judge grades what a reader would have seen. To delimit and mark untrusted text is the
method of arXiv 2403.14720 ("spotlighting"). It bounds what a reply can forge; a judge can still be talked over.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby

BAR = "| "
"""Stands before each line of the material."""

MAX_SAID = 20_000
"""Of what a judge says, only so many last characters are searched for its grade."""

_MAX_RUN = 200
_MAX_SAME_LINES = 20
_KEPT_OF_RUN = 20
_KEPT_OF_LINES = 3
_TOLD_HIDDEN = 8
"""Fewer hidden characters go without a word: joined emoji and flags have up to six."""

_HIDDEN = "\0"
_LINE_BREAKS = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_STYLED_KINDS = frozenset({"<wide>", "<narrow>", "<small>", "<font>"})
_RAISED_KINDS = frozenset({"<super>", "<sub>"})
_ORDINALS = "\u00aa\u00ba"
_MARKER_PARTS = frozenset("<>|[]{}\"':/_")
# Ranges that show nothing, though their category is none of the hidden ones: fillers, joiners, variation selectors.
_BLANK = (
    (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x3164, 0x3164), (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0), (0xE0000, 0xE0FFF),
)  # fmt: skip
# Characters that look like the ASCII ones and that normalisation leaves alone.
_ALIKE = {
    **dict.fromkeys("\u02c2\u1438\u276c\u276e\u27e8\u29fc\u2991\u227a\u2329", "<"),
    **dict.fromkeys("\u02c3\u1433\u276d\u276f\u27e9\u29fd\u2992\u227b\u232a", ">"),
    **dict.fromkeys("\u22d8\u2af7", "<<<"),
    **dict.fromkeys("\u22d9\u2af8", ">>>"),
}
# These are quotation marks or signs in ordinary text: only next to another angle do they count as one.
_OPENING = "<\u2039\u00ab\u3008\u300a\u226a\u27ea"
_CLOSING = ">\u203a\u00bb\u3009\u300b\u226b\u27eb"
_ANGLES = re.compile(f"[{_OPENING}]{{2,}}|[{_CLOSING}]{{2,}}")
_BARS = "[|\u01c0\u2223\u2758\u2502\u2503\u23d0]"

_RUN = re.compile(r"([^\n])\1{15,}")
# Any "<" that touches what follows may begin a tag or token; "<=" and "<-" cannot.
_TAG = re.compile(r"<(?=[^\s=\u00a6-])")
_BRACKETED = re.compile(
    r"\[(/?(?:INST|SYS|SYSTEM|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|THINK))\]", re.IGNORECASE
)


def _spelled(word: str) -> tuple[str, ...]:
    """Patterns for the letters of `word` as JSON may spell them: either case, plain or escaped."""
    patterns = []
    for letter in word:
        codes = f"{ord(letter.lower()):x}|{ord(letter.upper()):x}"
        patterns.append(rf"(?:{letter}|\\+(?:u00|x|u\{{0*)(?:{codes})\}}?)")
    return tuple(patterns)


_S, *_CORE = _spelled("score")
_QUOTE = r"(?:\\*(?:[\"'`\u2018-\u201f\u2032\u2033\u00ab\u00bb\u2039\u203a]|u002[27]))"
_KEY = re.compile(rf"({_QUOTE}\s*{_S}|\{{\s*{_S})({''.join(_CORE)})(?=\s*{_QUOTE}?\s*[:=])", re.IGNORECASE)

_THOUGHT = re.compile(r"<(/?)(?:think|thinking|reasoning)>", re.IGNORECASE)
_OBJECT = re.compile(r'\{(?=\s*["}])')
_UNFINISHED = re.compile(r'\{\s*"score"\s*:')


class _Shown(dict[int, str]):
    """From a code point to how it is shown, for str.translate. Worked out when first met."""

    def __missing__(self, code: int) -> str:
        shown = _shown(chr(code))
        if len(self) < 10_000:  # a text with every character there is must not fill the memory
            self[code] = shown
        return shown


def _shown(character: str) -> str:
    """`character`, its plain ASCII look-alike, or the mark of a hidden one."""
    if character in "\n\t" or " " <= character <= "~":
        return character
    if character in _ALIKE:
        return _ALIKE[character]
    category = unicodedata.category(character)
    if category in ("Cs", "Co"):
        return "\ufffd"
    if category in ("Cc", "Cf") or any(first <= ord(character) <= last for first, last in _BLANK):
        return _HIDDEN
    plain = unicodedata.normalize("NFKC", character)
    return plain if plain.isascii() and _is_fold(character, plain) else character


def _is_fold(character: str, plain: str) -> bool:
    """Whether `plain` may stand for `character`: not where it would say something else, as a power would."""
    kind = unicodedata.decomposition(character).partition(" ")[0]
    if kind in _RAISED_KINDS:
        return len(plain) == 1 and not plain.isdigit() and character not in _ORDINALS
    if kind in _STYLED_KINDS or not kind.startswith("<"):
        return True
    return any(part.isalpha() or part in _MARKER_PARTS for part in plain)


_SHOWN = _Shown()


def fenced(what: str, text: str, code: str) -> str:
    """`text`, made harmless, between marker lines that say `what` it is and carry `code`."""
    return f"<<<{what} {code}>>>\n{neutralise(text, code=code)}\n<<<end of {what} {code}>>>"


def neutralise(text: str, *, code: str, limit: int = 8000) -> str:
    """`text` such that it can be read and not be obeyed: all that could pass for structure is broken visibly.

    Of more than `limit` characters, long repetitions counted short, the middle is left out. Harm that stands there is
    missed, and the judge sees that something is missing. Bars and notes come on top of the limit.
    """
    seen = _LINE_BREAKS.sub("\n", text).translate(_SHOWN)
    seen = re.sub(f"{_HIDDEN}+", _hidden_note, seen)
    seen = _middle_left_out("\n".join(_lines(_RUN.sub(_run_note, seen).split("\n"))), limit)
    if code:
        seen = re.sub(re.escape(code), "[...]", seen, flags=re.IGNORECASE)
    return "\n".join(BAR + line for line in _broken(seen).split("\n"))


def _broken(text: str) -> str:
    """`text` without anything that a template, a parser or a reader could take for structure."""
    text = _ANGLES.sub(lambda run: ("<" if run[0][0] in _OPENING else ">") * len(run[0]), text)
    text = re.sub(f"<{_BARS}", "<\u00a6", text)
    text = re.sub(f"{_BARS}>", "\u00a6>", text)
    text = _TAG.sub("< ", text)
    text = re.sub(r">(?=>)", "> ", text)
    text = _BRACKETED.sub(r"[ \1 ]", text)
    return _KEY.sub(r"\1 \2", text)


def _note(count: int, what: str) -> str:
    return f"[... {count} {what} left out ...]"


def _hidden_note(run: re.Match[str]) -> str:
    count = len(run[0])
    return _note(count, "hidden characters") if count >= _TOLD_HIDDEN else ""


def _run_note(run: re.Match[str]) -> str:
    count = len(run[0])
    if count <= _MAX_RUN:
        return run[0]
    return run[1] * _KEPT_OF_RUN + _note(count - _KEPT_OF_RUN, "equal characters")


def _lines(lines: Iterable[str]) -> Iterator[str]:
    """`lines`, of which a blank or equal one comes only a few times in a row."""
    for shared, group in groupby(lines, key=str.strip):
        same = list(group)
        if len(same) <= _MAX_SAME_LINES:
            yield from same
        else:
            yield from same[:_KEPT_OF_LINES]
            yield _note(len(same) - _KEPT_OF_LINES, "equal lines" if shared else "blank lines")


def _middle_left_out(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head = limit - limit // 2
    tail = len(text) - limit // 2
    return text[:head] + _note(tail - head, "characters") + text[tail:]


def grade_in(said: str, low: int, high: int) -> int | None:
    """The grade that a judge's words give: the `score` of the last JSON object that has one.

    None unless that is a whole number from `low` to `high`, given once. A contradiction is no grade.
    """
    spoken = _spoken(said)[-MAX_SAID:]
    decoder = json.JSONDecoder(object_pairs_hook=_scores)
    grade: int | None = None
    end = read = 0
    for begin in _OBJECT.finditer(spoken):
        if begin.start() < end:
            continue  # inside an object that was read as a whole
        try:
            scores, end = decoder.raw_decode(spoken, begin.start())
        except (ValueError, RecursionError):
            continue
        if scores:
            grade = _grade(scores, low, high)
            read = end
    return None if _UNFINISHED.search(spoken, read) else grade


def _scores(pairs: list[tuple[str, object]]) -> list[object]:
    """All values that a JSON object gives for `score`: there may be several."""
    return [value for key, value in pairs if key == "score"]


def _grade(scores: list[object], low: int, high: int) -> int | None:
    grade = scores[0] if len(scores) == 1 else None
    if isinstance(grade, bool) or not isinstance(grade, int):
        return None
    return grade if low <= grade <= high else None


def _spoken(said: str) -> str:
    """`said` without its reasoning. A block that never ends is one only where the text begins with it.

    Many servers leave out the tag that begins the reasoning, so whatever stands before a lone end tag is reasoning.
    """
    parts: list[str] = []
    since = 0
    inside: int | None = None
    for tag in _THOUGHT.finditer(said):
        if not tag[1]:
            inside = tag.start() if inside is None else inside
            continue
        if inside is None:
            parts.clear()
        else:
            parts.append(said[since:inside])
        since, inside = tag.end(), None
    begins = inside is not None and not "".join((*parts, said[since:inside])).strip()
    return "" if begins else "".join((*parts, said[since:]))
