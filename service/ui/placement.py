"""Where labels go so that none covers another, a dot or a caption. Pure geometry, in pixels."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LINE_HEIGHT = 14.0
GLYPH_WIDTH = 7.6
"""Of a bold 12 px letter in a wide face: an estimate on the safe side."""
GAP = 2.0
"""Pixels kept free around a label."""
RINGS = (12.0, 20.0, 30.0, 42.0, 56.0, 72.0)
ANGLES = (0, 180, -45, 45, -135, 135, -90, 90, -22, 22, -158, 158, -67, 67, -113, 113)
"""Degrees from due right, clockwise: beside the dot reads best, so it is tried first."""


@dataclass(frozen=True, kw_only=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def grown(self, by: float) -> "Box":
        return Box(left=self.left - by, top=self.top - by, right=self.right + by, bottom=self.bottom + by)

    def within(self, frame: "Box") -> bool:
        return (
            self.left >= frame.left
            and self.right <= frame.right
            and self.top >= frame.top
            and self.bottom <= frame.bottom
        )


def around(x: float, y: float, radius: float) -> Box:
    return Box(left=x - radius, top=y - radius, right=x + radius, bottom=y + radius)


def text_width(text: str) -> float:
    return len(text) * GLYPH_WIDTH


@dataclass(frozen=True, kw_only=True)
class Label:
    """Text placed in `box`. `leader`: from the dot's edge to the label when it stands apart, else None."""

    text: str
    box: Box
    leader: tuple[float, float, float, float] | None


def place(
    wanted: Sequence[tuple[str, float, float]],
    *,
    frame: Box,
    taken: Sequence[Box],
    avoid: Sequence[Box] = (),
    dot_radius: float,
) -> list[Label | None]:
    """A place for each (text, x, y), first come first served; None where there is no room within `frame`.

    No label covers a dot, another label or a box of `taken`; those of `avoid` only where there is no other room.
    """
    occupied = [*taken, *(around(x, y, dot_radius) for _, x, y in wanted)]
    found: list[Label | None] = []
    for text, x, y in wanted:
        free = [
            candidate
            for candidate in _candidates(text, x, y, dot_radius)
            if candidate.box.within(frame) and not any(candidate.box.overlaps(other) for other in occupied)
        ]
        clear = (candidate for candidate in free if not any(candidate.box.overlaps(other) for other in avoid))
        label = next(clear, free[0] if free else None)
        if label is not None:
            occupied.append(label.box.grown(GAP))
        found.append(label)
    return found


def _candidates(text: str, x: float, y: float, dot_radius: float) -> Iterator[Label]:
    width = text_width(text)
    for ring in RINGS:
        for degrees in ANGLES:
            dx, dy = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
            near_x, near_y = x + dx * ring, y + dy * ring
            left = near_x - width * (1 - dx) / 2  # to the right of the dot the label starts there, to the left it ends
            box = Box(left=left, top=near_y - LINE_HEIGHT / 2, right=left + width, bottom=near_y + LINE_HEIGHT / 2)
            leader = None
            if ring > RINGS[1]:
                leader = (x + dx * dot_radius, y + dy * dot_radius, near_x - dx * 2, near_y - dy * LINE_HEIGHT / 2)
            yield Label(text=text, box=box, leader=leader)
