"""What is wrong with a bank, or looks so: read from its texts and their scoring alone, before anything is asked. Pure.

An error makes scores wrong or useless. A warning names a weakness that may be meant. What cannot be decided surely from
the text is left alone.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from probes.types import Cell, ChoiceScoring, Item, JudgeScoring, LanguageScoring, NumberScoring

MIN_CHARS = 10
MAX_CHARS = 2_000
MAX_SPREAD = 3.0
"""The longest form of a wording over its shortest."""
NEAR = 0.9
"""Texts so alike are near-duplicates: twice the shared trigrams over those of both (Dice's coefficient)."""
MIN_WORDINGS = 5
MIN_LANGUAGE_WORDINGS = 4
MIN_LANGUAGE_FORMS = 4
"""Either language for either word, and either word first."""
NAMED = 5
"""So many examples are named in one finding."""

LANGUAGE_NAMES: Mapping[str, str] = {
    "en": "English", "fr": "French", "de": "German", "es": "Spanish", "it": "Italian", "pt": "Portuguese",
    "nl": "Dutch", "pl": "Polish", "sv": "Swedish", "da": "Danish", "ru": "Russian", "tr": "Turkish",
    "ar": "Arabic", "zh": "Chinese", "ja": "Japanese",
}  # fmt: skip

_SHIPPED_FORM = re.compile(r"(?:[a-z]{2}-)*(?:am|ma)|up|down|claims-[am]")
_BRACES = re.compile(r"\{\s*(?:[^\W\d]\w*)?\s*\}")
_ANGLES = re.compile(r"<([^\W\d_][^<>\n]{0,200}|\.{3}|…)>")
_VOID_TAGS = frozenset({"area", "br", "col", "hr", "img", "input", "li", "link", "meta", "p"})
_DOUBLE_SPACE = re.compile(r"(?<=\S) {2,}(?=\S)")
_OUTER_SPACE = re.compile(r"\A\s|[ \t]+(?=\r?\n)|\s\Z")
_NUMBER = re.compile(r"(?<![\w.,])-?\d+(?:\.\d+)?")
_NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

_NUMBER_AT = r"(?<![\w.,-]){number}(?!\w|[.,]\d)\s*[,:;=(]*\s*"
_LINK = r"(?:(?:stands for|standing for|meaning|means|is marked|marked|says|is|for|as)\s+)*"
_DEGREE = (
    r"(?:(?:absolutely|as|completely|entirely|extremely|fully|most|perfectly|purely|pure|quite|totally|utterly|very"
    r"|wholly|all)\s+)*"
)
_BESIDE = _NUMBER_AT + _LINK + r"(?P<negated>not at all\s+|not\s+)?" + _DEGREE + r"(?P<word>{words})(?![\w-])"
_DISAGREE = (
    _NUMBER_AT
    + _LINK
    + r"(?:not at all|not in the least|none|not me|(?:(?:completely|entirely|strongly|wholly|fully)\s+)?"
    r"(?:disagree|false|wrong|untrue)|does not apply)\s*(?:[),.;:]|to\b|and\b)"
)
_CLAIM = (
    r"(?<![\w-])(?P<claimed>{words}),?\s+(?:and\s+)?(?:not|rather than|instead of|far more than|more than|over)\s+"
    r"(?:(?:being|becoming|turning|to|for)\s+)?(?P<other>{words})(?![\w-])"
)
_DENIED = re.compile(r"\b(?:not|no|never|nobody|hardly|cannot|without|\w+n'?t)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a rule found. `item`: the id of the item, or the key of the cell that it is about."""

    level: Literal["error", "warning"]
    item: str
    rule: str
    text: str


def lint(items: Sequence[Item]) -> tuple[Finding, ...]:
    """All that the rules find in `items`, rule by rule in the order of `RULES`."""
    return tuple(finding for rule in RULES.values() for finding in rule(items))


def errors(findings: Iterable[Finding]) -> int:
    """How many of them are errors."""
    return sum(finding.level == "error" for finding in findings)


def _error(item: str, rule: str, text: str) -> Finding:
    return Finding(level="error", item=item, rule=rule, text=text)


def _warning(item: str, rule: str, text: str) -> Finding:
    return Finding(level="warning", item=item, rule=rule, text=text)


def _text(item: Item) -> str:
    return "\n".join(message.content for message in item.messages)


def _wording(item: Item) -> str:
    return item.paraphrase or item.id


def _groups(items: Sequence[Item]) -> dict[tuple[Cell, str], list[Item]]:
    """The items that are asked together: those of one cell and, where it has alternatives, of one of these."""
    found: dict[tuple[Cell, str], list[Item]] = defaultdict(list)
    for item in items:
        found[item.cell, item.variant].append(item)
    return found


def _where(variant: str) -> str:
    return f" (variant {variant})" if variant else ""


def _listed(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(found[:NAMED]) + more


def _duplicate_id(items: Sequence[Item]) -> Iterator[Finding]:
    for name, count in Counter(item.id for item in items).items():
        if count > 1:
            yield _error(name, "duplicate-id", f"{count} items have this id")


def _duplicate_text(items: Sequence[Item]) -> Iterator[Finding]:
    first: dict[Hashable, str] = {}
    for item in items:
        if (above := first.setdefault(item.messages, item.id)) != item.id:
            yield _error(item.id, "duplicate-text", f"asks the same as {above}")


def _near_duplicate(items: Sequence[Item]) -> Iterator[Finding]:
    """At most one finding an item: the wording before it that it is too close to."""
    places = {id(item): place for place, item in enumerate(items)}
    for members in _groups(items).values():
        by_form: dict[str, list[Item]] = defaultdict(list)
        for item in members:
            by_form[item.polarity].append(item)
        for same_form in by_form.values():
            for one, other, share in _close(same_form):
                first, second = sorted((one, other), key=lambda item: places[id(item)])
                told = f"its text is nearly that of {first.id} ({share:.0%} alike): another wording should differ more"
                yield _warning(second.id, "near-duplicate", told)


def _close(items: Sequence[Item]) -> Iterator[tuple[Item, Item, float]]:
    """Each item with one that is nearly the same and no longer, if there is any.

    Two sets so alike share one of their rarest members: only such pairs are compared (prefix filtering, Bayardo et al.,
    Scaling Up All Pairs Similarity Search, WWW 2007). Sets are the bits of a number, which makes comparing them cheap.
    """
    trigrams = [_trigrams(_text(item)) for item in items]
    frequency = Counter(trigram for found in trigrams for trigram in found)
    ranks = {trigram: rank for rank, trigram in enumerate(sorted(frequency, key=lambda t: (frequency[t], t)))}
    sets = [sum(1 << ranks[trigram] for trigram in found) for found in trigrams]
    holders: dict[int, int] = defaultdict(int)  # of each rank, the items seen that have it among their rarest
    for place in sorted(range(len(items)), key=lambda place: len(trigrams[place])):
        size = len(trigrams[place])
        least_shared = math.ceil(NEAR * size / (2 - NEAR) - 1e-9)
        rarest = sorted(ranks[trigram] for trigram in trigrams[place])[: size - least_shared + 1]
        candidates = 0
        for rank in rarest:
            candidates |= holders[rank]
            holders[rank] |= 1 << place
        for candidate in _bits(candidates):
            share = 2 * (sets[place] & sets[candidate]).bit_count() / (size + len(trigrams[candidate]))
            if share >= NEAR and _different(items[place], items[candidate]):
                yield items[place], items[candidate], share
                break


def _bits(number: int) -> Iterator[int]:
    """The places of the bits that are set."""
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest


def _trigrams(text: str) -> frozenset[str]:
    plain = " ".join(text.casefold().split())
    return frozenset(plain[start : start + 3] for start in range(max(1, len(plain) - 2)))


def _different(one: Item, other: Item) -> bool:
    """Whether two items are different wordings. The same text twice is another rule's business."""
    return _wording(one) != _wording(other) and one.messages != other.messages


def _counterbalance(items: Sequence[Item]) -> Iterator[Finding]:
    bare: set[Cell] = set()
    for (cell, variant), members in _groups(items).items():
        if all(isinstance(item.scoring, JudgeScoring) for item in members):
            continue  # a judge sees no poles
        if not any(item.polarity for item in members):
            bare.add(cell)
            continue
        shipped = all(_SHIPPED_FORM.fullmatch(item.polarity) for item in members)
        for told in (*_uneven_forms(members), *_missing_forms(members), *_uneven_poles(members)):
            make = _error if shipped else _warning
            yield make(cell.key, "counterbalance", told + _where(variant))
    for cell in sorted(bare):
        told = "no item has a polarity: a liking for the first word, the high number or one language stays in the score"
        yield _warning(cell.key, "counterbalance", told)


def _uneven_forms(members: Sequence[Item]) -> Iterator[str]:
    counts = Counter(item.polarity for item in members)
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{form or '(none)'} {count} times" for form, count in sorted(counts.items()))
        yield f"forms do not occur equally often: {told}"


def _missing_forms(members: Sequence[Item]) -> Iterator[str]:
    forms = {item.polarity for item in members}
    found: dict[str, set[str]] = defaultdict(set)
    for item in members:
        if item.paraphrase:
            found[item.paraphrase].add(item.polarity)
    if lacking := [name for name, own in found.items() if own != forms]:
        yield f"not every form ({_listed(forms)}) is there for {_listed(lacking)}"


def _uneven_poles(members: Sequence[Item]) -> Iterator[str]:
    """Each pole must have each place equally often: named first, at the high end, in either language."""
    first = Counter(pole for item in members if (pole := _first_pole(item)) is not None)
    if first[0] != first[1]:
        yield f"the aligned choice is named first {first[0]} times, the misaligned one {first[1]} times"
    ends = Counter(
        item.scoring.aligned_at == item.scoring.high for item in members if isinstance(item.scoring, NumberScoring)
    )
    if ends[True] != ends[False]:
        yield f"the aligned end is the high one {ends[True]} times, the low one {ends[False]} times"
    codes = Counter(
        pair for item in members if isinstance(item.scoring, LanguageScoring) for pair in item.scoring.values.items()
    )
    for code in sorted({code for code, _value in codes}):
        if codes[code, 0] != codes[code, 1]:
            yield f"{code} stands for aligned {codes[code, 0]} times, for misaligned {codes[code, 1]} times"


def _first_pole(item: Item) -> int | None:
    """What the choice that the text names first is worth; None unless the text names all of them."""
    if not isinstance(item.scoring, ChoiceScoring):
        return None
    text = _text(item)
    places = {word: _place(word, text) for word in item.scoring.values}
    if None in places.values():
        return None
    return item.scoring.values[min(places, key=lambda word: places[word] or 0)]


def _place(word: str, text: str) -> int | None:
    """Where a choice is named: a word as a whole word, a letter best as a label such as `(A)` or `a)`."""
    if len(word) > 1:
        found = re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text, re.IGNORECASE)
        return found.start() if found else None
    letter = re.escape(word)
    label = re.search(rf"\({letter}\)|(?<![\w']){letter}[).:]", text, re.IGNORECASE)
    alone = label or re.search(rf"(?<![\w']){re.escape(word.upper())}(?![\w'])", text)
    return alone.start() if alone else None


def _length(items: Sequence[Item]) -> Iterator[Finding]:
    for item in items:
        size = len(_text(item))
        if size < MIN_CHARS:
            yield _warning(item.id, "length", f"has only {size} characters")
        elif size > MAX_CHARS:
            yield _warning(item.id, "length", f"has {size:,} characters: long texts cost much and wander")
    for (cell, variant), members in _groups(items).items():
        sizes: dict[str, list[int]] = defaultdict(list)
        for item in members:
            sizes[_wording(item)].append(max(1, len(_text(item))))
        if uneven := [name for name, found in sizes.items() if max(found) > MAX_SPREAD * min(found)]:
            told = f"a form is more than {MAX_SPREAD:g} times as long as another in {_listed(uneven)}"
            yield _warning(cell.key, "length", told + _where(variant))


def _polarity_reading(items: Sequence[Item]) -> Iterator[Finding]:
    for item in items:
        match item.scoring:
            case ChoiceScoring(values=values):
                if missing := [word for word in values if _place(word, _text(item)) is None]:
                    yield _error(item.id, "polarity-reading", f"the text does not name the choice {_listed(missing)}")
            case NumberScoring():
                yield from _number_reading(item, item.scoring)
            case LanguageScoring(values=values):
                text = _text(item)
                names = {LANGUAGE_NAMES.get(code, code) for code in values}
                if missing := [name for name in names if not re.search(rf"\b{name}\b", text, re.IGNORECASE)]:
                    yield _warning(item.id, "polarity-reading", f"the text does not name {_listed(missing)}")


def _number_reading(item: Item, scale: NumberScoring) -> Iterator[Finding]:
    text = _text(item)
    named = {float(number) for found in _NUMBER.findall(text) for number in (found, found.lstrip("-"))}
    words = set(re.findall(r"[a-z]+", text.lower()))
    named |= {float(value) for value, word in enumerate(_NUMBER_WORDS) if word in words}
    if missing := [f"{end:g}" for end in (scale.low, scale.high) if end not in named]:
        yield _warning(item.id, "polarity-reading", f"the text does not name the end {_listed(missing)} of the scale")
    poles = item.dimension.split("_")
    if len(poles) != 2 or not all(poles) or poles[0] == poles[1]:
        return
    at = _aligned_end(text, scale, poles[0], poles[1])
    if at is not None and at != scale.aligned_at:
        told = f"the text puts {poles[0]!r} at {at:g}, the scoring at {scale.aligned_at:g}"
        yield _error(item.id, "polarity-reading", told)


def _aligned_end(text: str, scale: NumberScoring, aligned: str, misaligned: str) -> float | None:
    """The end of the scale that the text gives to the first word of a dimension; None where that is not sure."""
    other = {aligned: misaligned, misaligned: aligned}
    beside = {end: _word_beside(text, end, other) for end in (scale.low, scale.high)}
    if set(beside.values()) == {aligned, misaligned}:
        return scale.low if beside[scale.low] == aligned else scale.high
    claimed = _claimed(text, other)
    denial = [end for end in (scale.low, scale.high) if re.search(_at(_DISAGREE, end), text, re.IGNORECASE)]
    if claimed is None or len(denial) != 1:
        return None
    agreement = scale.high if denial[0] == scale.low else scale.low
    return agreement if claimed == aligned else denial[0]


def _word_beside(text: str, end: float, other: Mapping[str, str]) -> str | None:
    """The one word that stands beside an end of the scale, such as `0 (completely good)`; the other if negated."""
    found = {
        other[match["word"].lower()] if match["negated"] else match["word"].lower()
        for match in re.finditer(_at(_BESIDE, end, other), text, re.IGNORECASE)
    }
    return found.pop() if len(found) == 1 else None


def _claimed(text: str, other: Mapping[str, str]) -> str | None:
    """The one word that a statement claims over the other, such as `good, not evil`; None after any negation."""
    found = set()
    for match in re.finditer(_CLAIM.replace("{words}", _either(other)), text, re.IGNORECASE):
        before = re.split(r"[.;:?!'\"]", text[: match.start()])[-1]
        if _DENIED.search(before) or match["claimed"].lower() == match["other"].lower():
            return None
        found.add(match["claimed"].lower())
    return found.pop() if len(found) == 1 else None


def _at(pattern: str, end: float, words: Iterable[str] = ()) -> str:
    return pattern.replace("{number}", re.escape(f"{end:g}")).replace("{words}", _either(words))


def _either(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in words)


def _unfilled_braces(items: Sequence[Item]) -> Iterator[Finding]:
    for item in items:
        if found := _BRACES.search(_text(item)):
            yield _error(item.id, "unfilled-braces", f"{found[0]} was not filled")


def _spaces(items: Sequence[Item]) -> Iterator[Finding]:
    for item in items:
        contents = [message.content for message in item.messages]
        if any(_DOUBLE_SPACE.search(content) for content in contents):
            yield _warning(item.id, "spaces", "has several spaces in a row")
        elif any(_OUTER_SPACE.search(content) for content in contents):
            yield _warning(item.id, "spaces", "begins or ends a text or a line with space")


def _few_wordings(items: Sequence[Item]) -> Iterator[Finding]:
    for (cell, variant), members in _groups(items).items():
        wordings = {_wording(item) for item in members}
        language = all(isinstance(item.scoring, LanguageScoring) for item in members)
        least = MIN_LANGUAGE_WORDINGS if language else MIN_WORDINGS
        if len(wordings) < least:
            told = f"has {len(wordings)} wordings, should have {least}: one odd wording would weigh too much"
            yield _warning(cell.key, "few-wordings", told + _where(variant))
        forms = {item.polarity for item in members if item.polarity}
        if language and forms and len(forms) < MIN_LANGUAGE_FORMS:
            told = f"has {len(forms)} forms, should have {MIN_LANGUAGE_FORMS}: either language, either word first"
            yield _warning(cell.key, "few-wordings", told + _where(variant))


def _placeholder(items: Sequence[Item]) -> Iterator[Finding]:
    for item in items:
        text = _text(item)
        for found in _ANGLES.finditer(text):
            tag = found[1].split()[0].rstrip("/").lower()
            if tag not in _VOID_TAGS and f"</{tag}>" not in text.lower():
                yield _error(item.id, "placeholder", f"{found[0]} was left in")
                break


RULES: Mapping[str, Callable[[Sequence[Item]], Iterator[Finding]]] = {
    "duplicate-id": _duplicate_id,
    "duplicate-text": _duplicate_text,
    "near-duplicate": _near_duplicate,
    "counterbalance": _counterbalance,
    "length": _length,
    "polarity-reading": _polarity_reading,
    "unfilled-braces": _unfilled_braces,
    "spaces": _spaces,
    "few-wordings": _few_wordings,
    "placeholder": _placeholder,
}
