"""A curve in one line of text."""

import itertools
from collections.abc import Sequence

_HEIGHTS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """Draw values from 0 to their maximum, one character each; means of them if there are too many.

    Args:
        values: the values, at least 0.
        width: maximum number of characters.
    """
    if not values or width < 1:
        return ""
    columns = min(width, len(values))
    edges = [len(values) * column // columns for column in range(columns + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in itertools.pairwise(edges)]
    top = max(means) or 1.0
    return "".join(_HEIGHTS[min(len(_HEIGHTS) - 1, int(mean / top * len(_HEIGHTS)))] for mean in means)
