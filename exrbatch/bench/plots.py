"""Plot rows of figures as SVG text. Wraps matplotlib, which is an optional dependency."""

import io
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from exrbatch.bench.figures import Row
from exrbatch.errors import OptionsError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
"""The palette of Okabe and Ito, distinct for all kinds of colour vision. Markers differ, too."""
MARKERS = "osD^vPX*<>hp"
SIZE = (7.2, 4.6)
"""Width and height of a plot in inches."""


def check_matplotlib() -> None:
    """Raise `OptionsError` if matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise OptionsError("the plots of --html need matplotlib: in the exrbatch checkout, run pip install '.[plot]'")


ROOM = 1.08
"""Length of an axis relative to the largest value. The margin keeps the last marker whole."""


def size_against_speed(rows: Sequence[Row], speed: str) -> str:
    """Plot size against speed, with a point for each packing.

    A line joins the points that may be recommended and that no other such point beats.

    Args:
        rows: rows about the whole sample.
        speed: "pack" or "unpack", the attribute of `Row` that holds the speed.
    """
    what = {"pack": "compression", "unpack": "decompression"}[speed]

    def draw(axes: "Axes") -> None:
        points = [(getattr(row, speed), row) for row in rows]
        drawn = [(figure.median / 1e9, 100 * row.ratio, row) for figure, row in points if figure is not None]
        for index, (x, y, row) in enumerate(drawn):
            colour, marker = _style(index)
            face = "white" if row.is_lossy else colour
            # Markers are transparent, so that two points at nearly the same place are both visible.
            axes.plot([x], [y], marker, color=colour, mfc=face, markersize=9, alpha=0.8, label=_label(row))
        fair = [(x, y) for x, y, row in drawn if row.can_be_taken]
        joined = sorted((x, y) for x, y in fair if not any((a > x and b <= y) or (a >= x and b < y) for a, b in fair))
        axes.plot([x for x, _ in joined], [y for _, y in joined], "-", color="#BBBBBB", zorder=0)
        axes.set_xlabel(f"{what} speed, GB/s of raw bytes, one core (right is faster)")
        axes.set_ylabel("size, % of raw bytes (down is smaller)")
        axes.set_xlim(0, ROOM * max(x for x, _, _ in drawn))
        axes.set_ylim(0, ROOM * max(y for _, y, _ in drawn))

    return _svg(draw, f"Size against {what} speed")


def rate_against_jobs(rows: Sequence[Row], jobs: Sequence[int]) -> str:
    """Plot files per second against the number of jobs.

    A dashed line shows ideal scaling for the first row.

    Args:
        rows: rows about the whole sample that have rates.
        jobs: numbers of jobs on the x axis.
    """

    def draw(axes: "Axes") -> None:
        for index, row in enumerate(rows):
            colour, marker = _style(index)
            rates = sorted(row.rates.items())
            axes.plot(
                [number for number, _ in rates],
                [rate.median for _, rate in rates],
                f"{marker}-",
                color=colour,
                label=_label(row),
            )
        fewest, base = min(rows[0].rates.items())
        ideal = [base.median * number / fewest for number in jobs]
        axes.plot(jobs, ideal, "--", color="#555555", label=f"ideal ({_label(rows[0])})")
        axes.set_xticks(list(jobs), [str(number) for number in jobs])
        axes.set_xlabel("jobs")
        axes.set_ylabel("files per second, end to end")
        axes.set_ylim(bottom=0)

    return _svg(draw, "Throughput against jobs")


def _style(index: int) -> tuple[str, str]:
    return COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]


def _label(row: Row) -> str:
    return row.packing.name + (" (lossy)" if row.is_lossy else "")


def _svg(draw: "Callable[[Axes], None]", title: str) -> str:
    """Return one plot as SVG text. The legend is outside the axes, so that it hides no point."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # Text stays text, so that it can be searched and scaled by the browser. With a fixed salt, the
    # same data gives the same bytes.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "exrbatch", "font.size": 10, "font.family": "sans-serif"}):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes: Any = figure.add_subplot()
        draw(axes)
        axes.set_title(title)
        axes.grid(visible=True, color="#E5E5E5")
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]
