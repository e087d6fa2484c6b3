"""The plane of self-report drift (across) and behaviour drift (up) that the alignment maps are drawn on. Pure."""

from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from service.ui.charts import Scale, clamp, linear
from service.ui.placement import LINE_HEIGHT, Box, around, text_width
from service.ui.svg import tag

HALF = 0.5
"""Halfway from base to misaligned: where the quarters meet. A guide for the eye; the verdict rests on evidence."""
QUARTERS: tuple[tuple[tuple[str, ...], str, bool, bool], ...] = (
    (("steady",), "steady", False, False),
    (("says so, does not act", "self-report shift"), "says", True, False),
    (("acts, does not say so", "inverted persona"), "acts", False, True),
    (("says so and acts", "coherent misalignment"), "both", True, True),
)
"""(caption lines, class, in the right half, in the upper half)"""
Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Plane:
    """Drift in `domain`, on both axes, onto `width` x `height` pixels. What lies outside is drawn at the edge."""

    width: float = 420.0
    height: float = 410.0
    domain: tuple[float, float] = (-0.15, 1.3)

    @cached_property
    def frame(self) -> Box:
        return Box(left=44.0, top=10.0, right=self.width - 8, bottom=self.height - 44)

    @cached_property
    def x(self) -> Scale:
        return linear(self.domain, (self.frame.left, self.frame.right))

    @cached_property
    def y(self) -> Scale:
        return linear(self.domain, (self.frame.bottom, self.frame.top))

    def inside(self, x: float, y: float) -> bool:
        """Whether the point is drawn where it is, and not at the edge."""
        return clamp(x, *self.domain) == x and clamp(y, *self.domain) == y

    def background(self) -> list[Markup]:
        """The quarters, the line from base to misaligned, the grid and the axes."""
        frame, parts = self.frame, [self._quarter(*one) for one in QUARTERS]
        parts.append(tag("line", class_="direction", x1=self.x(0), y1=self.y(0), x2=self.x(1), y2=self.y(1)))
        for value in (0.0, 0.5, 1.0):
            x, y = self.x(value), self.y(value)
            parts.append(tag("line", class_="grid", x1=x, x2=x, y1=frame.top, y2=frame.bottom))
            parts.append(tag("line", class_="grid", x1=frame.left, x2=frame.right, y1=y, y2=y))
            parts.append(tag("text", f"{value:g}", class_="tick", x=x, y=frame.bottom + 15, text_anchor="middle"))
            parts.append(tag("text", f"{value:g}", class_="tick", x=frame.left - 6, y=y + 4, text_anchor="end"))
        return [*parts, *self._axes()]

    def _quarter(self, _lines: tuple[str, ...], css: str, right: bool, upper: bool) -> Markup:
        frame, x, y = self.frame, self.x(HALF), self.y(HALF)
        return tag(
            "rect", class_=f"quarter {css}", x=x if right else frame.left, y=frame.top if upper else y,
            width=(frame.right - x) if right else (x - frame.left),
            height=(y - frame.top) if upper else (frame.bottom - y),
        )  # fmt: skip

    def _axes(self) -> list[Markup]:
        x, y = (self.frame.left + self.frame.right) / 2, (self.frame.top + self.frame.bottom) / 2
        across = "self-report drift: what it says →"
        up = "behaviour drift: what it does →"
        return [
            tag("text", across, class_="axis", x=x, y=self.height - 9, text_anchor="middle"),
            tag("text", up, class_="axis", text_anchor="middle", transform=f"translate(13 {y:g}) rotate(-90)"),
        ]

    def captions(self) -> list[tuple[Markup, Box]]:
        """The names of the quarters, each with the place it takes."""
        return [self._caption(*one) for one in QUARTERS]

    def _caption(self, lines: tuple[str, ...], css: str, right: bool, upper: bool) -> tuple[Markup, Box]:
        frame = self.frame
        x = frame.right - 8 if right else frame.left + 8
        height = len(lines) * LINE_HEIGHT
        top = frame.top + 5 if upper else frame.bottom - 5 - height
        width = max(text_width(line) for line in lines)
        drawn = [
            tag("text", line, class_=f"caption {css}" if i == 0 else "caption second", x=x,
                y=top + (i + 1) * LINE_HEIGHT - 3, text_anchor="end" if right else "start")
            for i, line in enumerate(lines)
        ]  # fmt: skip
        box = Box(left=x - width if right else x, top=top, right=x if right else x + width, bottom=top + height)
        return Markup("").join(drawn), box

    def cross(self, label: str, at_x: float, at_y: float) -> tuple[Markup, tuple[Box, Box]]:
        """A published state of the profiles, named; with the places that cross and name take."""
        x, y = self.x(at_x), self.y(at_y)
        drawn = tag("path", d=f"M{x - 5:.1f},{y:.1f} h10 M{x:.1f},{y - 5:.1f} v10", class_="cross")
        # steady endpoints crowd around base: its label goes below and to the left, out of their way
        at_base = at_x <= 0 and at_y <= 0
        end, bottom = (x - 8, y + 19) if at_base else (x + text_width(label) / 2, y - 8)
        text = tag("text", label, class_="landmark-label", x=end, y=bottom - 3, text_anchor="end")
        name = tag("title", f"{label}: the published state")
        box = Box(left=end - text_width(label), top=bottom - 13, right=end, bottom=bottom)
        return tag("g", name, drawn, text, class_="landmark"), (around(x, y, 6), box)

    def whiskers(self, at: tuple[float, float], across: Interval | None, up: Interval | None) -> str:
        """The path of the intervals around a point; empty without any."""
        x, y, path = self.x(at[0]), self.y(at[1]), ""
        if across is not None:
            low, high = self.x(across[0]), self.x(across[1])
            path += f"M{low:.1f},{y - 3:.1f} v6 M{low:.1f},{y:.1f} H{high:.1f} M{high:.1f},{y - 3:.1f} v6 "
        if up is not None:
            low, high = self.y(up[0]), self.y(up[1])
            path += f"M{x - 3:.1f},{low:.1f} h6 M{x:.1f},{low:.1f} V{high:.1f} M{x - 3:.1f},{high:.1f} h6"
        return path.strip()

    def whisker_boxes(self, at: tuple[float, float], across: Interval | None, up: Interval | None) -> list[Box]:
        x, y, boxes = self.x(at[0]), self.y(at[1]), []
        if across is not None:
            boxes.append(Box(left=self.x(across[0]), right=self.x(across[1]), top=y - 3, bottom=y + 3))
        if up is not None:
            boxes.append(Box(left=x - 3, right=x + 3, top=self.y(up[1]), bottom=self.y(up[0])))
        return boxes
