"""Place the names of points in a plot so that they cover neither each other nor the points."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

RINGS = 6
"""Distances from its point at which a name is tried."""
ANGLES = 16
"""Directions from its point in which a name is tried."""
GAP = 3.0
"""Least distance of names from each other, in pixels."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels. y grows upwards."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """Return the area that both rectangles cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)

    def outside(self, bounds: "Box") -> float:
        """Return the area that lies outside of `bounds`."""
        return (self.right - self.left) * (self.top - self.bottom) - self.overlap(bounds)

    def distance(self, x: float, y: float) -> float:
        """Return the distance of a point from the nearest edge; 0 inside."""
        return math.hypot(max(self.left - x, 0, x - self.right), max(self.bottom - y, 0, y - self.top))


def place_labels(
    points: Sequence[tuple[float, ...]],
    sizes: Sequence[tuple[float, float]],
    taken: Sequence[Box],
    bounds: Box,
    marker: float,
) -> list[Box]:
    """Return a rectangle for each name. Names of crowded points may be at some distance.

    Args:
        points: x and y of each point.
        sizes: width and height of each name.
        taken: areas that names should not cover, such as markers.
        bounds: the area in which names should lie.
        marker: width of a marker.
    """
    placed: list[Box] = []
    for point, size in zip(points, sizes, strict=True):
        costs = [
            (_cost(box, [*placed, *taken], bounds), number, box)
            for number, box in enumerate(_candidates(point, size, marker))
        ]
        placed.append(min(costs, key=lambda each: each[:2])[2])
    return placed


def _cost(box: Box, others: Sequence[Box], bounds: Box) -> float:
    roomy = Box(box.left - GAP, box.bottom - GAP / 2, box.right + GAP, box.top + GAP / 2)
    return sum(map(roomy.overlap, others)) + 2 * box.outside(bounds)


def _candidates(point: tuple[float, ...], size: tuple[float, float], marker: float) -> Iterator[Box]:
    """Yield rectangles around a point: the nearest first, beginning at its right."""
    (x, y), (width, height) = point, size
    for ring in range(RINGS):
        away = marker * (0.9 + ring * 1.2)
        for step in range(ANGLES):
            angle = 2 * math.pi * step / ANGLES
            across, up = math.cos(angle), math.sin(angle)
            # The middle of the rectangle lies so far away that its edge has the distance `away`.
            middle_x, middle_y = x + across * (away + width / 2), y + up * (away + height / 2)
            yield Box(middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2)
