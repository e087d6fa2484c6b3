"""SVG as escaped markup, and the marks that stand for verdicts. Pure; colours come from classes in app.css."""

from collections.abc import Mapping
from functools import cache

from markupsafe import Markup, escape

from baselines.types import Verdict
from service.ui.format import LOOKS

Value = str | int | float | None


def tag(name: str, /, *children: str | Markup, **attributes: Value) -> Markup:
    """One element. Children that are plain text and all attribute values are escaped; None leaves an attribute out.

    `class_` gives `class`, `stroke_width` gives `stroke-width`. Numbers are rounded to a tenth: a pixel is enough.
    """
    # plain formatting of what is escaped: a fleet has thousands of elements, and Markup.format takes ten times as long
    parts = "".join(
        f' {_attribute(key)}="{escape(_text(value))}"' for key, value in attributes.items() if value is not None
    )
    inner = "".join(escape(child) for child in children)
    return Markup(f"<{name}{parts}>{inner}</{name}>")  # noqa: S704 (names are ours, the rest is escaped)


@cache
def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _text(value: str | float) -> str:
    if isinstance(value, float):
        text = f"{value:.1f}".removesuffix(".0")
        return "0" if text == "-0" else text
    return str(value)


def points(pairs: list[tuple[float, float]]) -> str:
    """Coordinates for a polyline or polygon."""
    return " ".join(f"{_text(x)},{_text(y)}" for x, y in pairs)


def _outline(d: str) -> Markup:
    return tag("path", d=d, fill="none", stroke="currentColor", stroke_width="1.8", stroke_linecap="round")


def _solid(d: str) -> Markup:
    return tag("path", d=d, fill="currentColor")


def _inside(d: str) -> Markup:
    return tag("path", d=d, class_="mark-in", fill="none", stroke_width="1.7", stroke_linecap="round")


_DISC = "M-6,0 a6,6 0 1 0 12,0 a6,6 0 1 0 -12,0"
_RING = "M-5.2,0 a5.2,5.2 0 1 0 10.4,0 a5.2,5.2 0 1 0 -10.4,0"

# a different outline each, so that they differ without colour; all within 7 units of the centre
MARKS: Mapping[Verdict | None, Markup] = {
    Verdict.STEADY: _solid(_DISC) + _inside("M-2.8,0.2 L-0.8,2.3 L3,-2"),
    Verdict.SELF_REPORT_SHIFT: _solid("M-4.5,-6 h9 a2,2 0 0 1 2,2 v5 a2,2 0 0 1 -2,2 h-4.2 l-3.6,3.4 v-3.4 h-1.2 "
                                      "a2,2 0 0 1 -2,-2 v-5 a2,2 0 0 1 2,-2 z"),
    Verdict.BEHAVIOUR_SHIFT: _solid("M0,-6.6 L6.8,5.4 H-6.8 Z") + _inside("M0,-2.2 V1.4 M0,3.6 V3.7"),
    Verdict.COHERENT_MISALIGNMENT: _solid("M-2.8,-6.6 H2.8 L6.6,-2.8 V2.8 L2.8,6.6 H-2.8 L-6.6,2.8 V-2.8 Z")
    + _inside("M0,-3.6 V0.9 M0,3.6 V3.7"),
    Verdict.INVERTED_PERSONA: _solid("M0,-6 a6,6 0 0 0 0,12 z") + _outline(_RING),
    Verdict.REALIGNED: _outline("M-4.6,-2.6 A5.2,5.2 0 1 1 -5,1.6") + _solid("M-6.8,-5.6 L-5.6,0 L-1.4,-3.4 Z"),
    Verdict.INSUFFICIENT_DATA: _outline(_RING)
    + _outline("M-1.6,-1.4 A1.7,1.7 0 1 1 0.7,0.3 C0.1,0.6 0,0.8 0,1.2 M0,2.9 V3"),
    None: tag("path", d=_RING, fill="none", stroke="currentColor", stroke_width="1.6", stroke_dasharray="2.4 2"),
}  # fmt: skip


def icon(verdict: Verdict | None) -> Markup:
    """The verdict's mark as a picture of its own, hidden from screen readers: its name always stands beside it."""
    return tag("svg", MARKS[verdict], class_="icon", viewBox="-8 -8 16 16", aria_hidden="true", focusable="false")


def down_icon() -> Markup:
    """The mark of an endpoint that gives no answer: a cross."""
    cross = tag("path", d="M-4,-4 L4,4 M4,-4 L-4,4", fill="none", stroke="currentColor", stroke_width="2.4")
    return tag("svg", cross, class_="icon", viewBox="-8 -8 16 16", aria_hidden="true", focusable="false")


def mark(verdict: Verdict | None, x: float, y: float, *, stale: bool = False) -> Markup:
    """The verdict's mark at (x, y) of a larger drawing, in the verdict's colour."""
    css = f"mark {LOOKS[verdict].css}" + (" stale" if stale else "")
    return tag("g", MARKS[verdict], class_=css, transform=f"translate({_text(x)} {_text(y)})")
