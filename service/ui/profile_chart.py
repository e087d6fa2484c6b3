"""The states of one dimension as marks on a line from 0 (aligned) to 1 (misaligned). Pure."""

from collections.abc import Mapping

from markupsafe import Markup

from service.ui import format as fmt
from service.ui.svg import tag

WIDTH, HEIGHT, EDGE = 220, 18, 8


def strip(means: Mapping[str, float | None]) -> Markup:
    """A mark for each state that has a mean: a disc for base, a square for misaligned, a diamond for realigned, a ring
    for an own baseline; with the figures as its name."""
    known = {state: mean for state, mean in means.items() if mean is not None}
    line = tag("line", x1=EDGE, x2=WIDTH - EDGE, y1=HEIGHT / 2, y2=HEIGHT / 2, class_="strip-line")
    marks = [_mark(state, EDGE + mean * (WIDTH - 2 * EDGE)) for state, mean in known.items()]
    said = ", ".join(f"{state} {fmt.number(mean)}" for state, mean in known.items())
    return tag(
        "svg",
        line,
        *marks,
        class_="strip",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=said or "no figures",
    )


def legend(state: str) -> Markup:
    """The mark of one state by itself."""
    return tag("svg", _mark(state, 8), class_="strip-key", viewBox="0 0 16 18", aria_hidden="true", focusable="false")


def _mark(state: str, x: float) -> Markup:
    y, css = HEIGHT / 2, f"state-mark m-{state}"
    if state == "base":
        return tag("circle", cx=x, cy=y, r=5, class_=css)
    if state == "misaligned":
        return tag("rect", x=x - 4.5, y=y - 4.5, width=9, height=9, class_=css)
    if state == "realigned":
        return tag("path", d=f"M{x:.1f},{y - 6} L{x + 6:.1f},{y} L{x:.1f},{y + 6} L{x - 6:.1f},{y} Z", class_=css)
    return tag("circle", cx=x, cy=y, r=4.5, class_=css, fill="none", stroke_width=2)
