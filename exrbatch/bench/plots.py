"""Plot rows of figures as SVG text. Wraps matplotlib, which is an optional dependency.

The colours are those of the page's style sheet, so that one plot serves a light and a dark page.
"""

import io
import math
import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from exrbatch.bench.figures import Row
from exrbatch.bench.labels import Box, place_labels
from exrbatch.bench.passes import Statistic
from exrbatch.errors import OptionsError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LIGHT = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B8860B", "#3A9BDC", "#7A3EB1", "#6B6B6B", "#8C2D04", "#1B7837",
    "#C51B7D", "#35478C",
)  # fmt: skip
DARK = (
    "#4DA8E0", "#FF8C42", "#2CCB9B", "#E6A0C4", "#E8B93C", "#8CCBFF", "#B98AE8", "#B0B0B0", "#E0784A", "#6CC684",
    "#F06CB5", "#93A5E8",
)  # fmt: skip
"""Colours of the series on a light and a dark page. Markers differ, too."""
MARKERS = "osD^vPX*<>hp"
SIZE = (11.5, 5.6)
"""Width and height of a plot in inches."""
MARKER = 8
"""Size of a marker in points."""
MARGIN = 1.12
"""Factor between the outermost figure and the end of an axis."""
LOG_FROM = 4
"""An axis is logarithmic if the largest figure is at least this multiple of the smallest."""
STEPS = (1, 1.5, 2, 3, 5, 7)
"""Leading digits of the ticks of a logarithmic axis."""
# Placeholders for variables of the style sheet: matplotlib accepts only colours that it knows.
INK, LINE = "#010203", "#040506"
SERIES = tuple(f"#0a0b{index:02x}" for index in range(len(LIGHT)))


def check_matplotlib() -> None:
    """Raise `OptionsError` if matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise OptionsError("the plots of --html need matplotlib: in the exrbatch checkout, run pip install '.[plot]'")


def style_sheet() -> str:
    """Return the variables that the plots use, for light and dark pages."""

    def variables(ink: str, line: str, colours: Sequence[str]) -> str:
        series = "".join(f" --s{index}: {colour};" for index, colour in enumerate(colours))
        return f"--ink: {ink}; --line: {line};{series}"

    light, dark = variables("#1a1a1a", "#e2e2e2", LIGHT), variables("#e6e6e6", "#3a3d42", DARK)
    return f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"


def size_against_speed(rows: Sequence[Row], speed: str) -> str:
    """Plot size against speed, with a named point for each packing.

    A line joins the points that may be recommended and that no other such point beats.

    Args:
        rows: rows about the whole sample.
        speed: "pack" or "unpack", the attribute of `Row` that holds the speed.
    """
    what = {"pack": "compression", "unpack": "decompression"}[speed]
    figures = {id(row): getattr(row, speed) for row in rows}
    drawn = [(figures[id(row)], 100 * row.ratio, row) for row in rows if figures[id(row)] is not None]

    def draw(axes: "Axes") -> None:
        points = []
        for index, (figure, y, row) in enumerate(drawn):
            colour, marker = _style(index)
            x = figure.median / 1e9
            points.append((x, y))
            axes.errorbar(
                [x],
                [y],
                xerr=_bar(figure, 1e9),
                fmt=marker,
                color=colour,
                mfc="none" if row.is_lossy or row.is_computed else colour,
                markersize=MARKER,
                elinewidth=1,
                capsize=2,
            )
        fair = [point for point, (_, _, row) in zip(points, drawn, strict=True) if row.can_be_taken]
        joined = sorted((x, y) for x, y in fair if not any((a > x and b <= y) or (a >= x and b < y) for a, b in fair))
        axes.plot([x for x, _ in joined], [y for _, y in joined], "-", color=LINE, linewidth=2, zorder=0)
        _fit(axes, "x", [value for figure, _, _ in drawn for value in _ends(figure, 1e9)])
        _fit(axes, "y", [y for _, y, _ in drawn])
        axes.set_xlabel(f"{what} speed in GB/s of raw bytes, one core (further right is faster)")
        axes.set_ylabel("size in % of raw bytes (further down is smaller)")
        bars = [_ends(figure, 1e9) for figure, _, _ in drawn]
        _name(axes, points, bars, [row.name for _, _, row in drawn])

    return _svg(draw, f"Size against {what} speed", has_legend=False)


def rate_against_jobs(rows: Sequence[Row], jobs: Sequence[int], cores: int | None) -> str:
    """Plot files per second against the number of jobs, on a logarithmic axis.

    A thin line shows ideal scaling of the first row, up to the number of cores.

    Args:
        rows: rows about the whole sample that have rates.
        jobs: numbers of jobs on the x axis.
        cores: number of cores; None if it is unknown.
    """

    def draw(axes: "Axes") -> None:
        for index, row in enumerate(rows):
            colour, marker = _style(index)
            rates = sorted(row.rates.items())
            axes.errorbar(
                [number for number, _ in rates],
                [rate.median for _, rate in rates],
                yerr=[[_bar(rate, 1.0)[0][0] for _, rate in rates]] * 2,
                fmt=f"{marker}-",
                color=colour,
                markersize=6,
                elinewidth=1,
                capsize=3,
                label=row.name,
            )
        fewest, base = min(rows[0].rates.items())
        most = cores or max(jobs)
        ends = sorted({fewest, min(most, max(jobs)), max(jobs)} | {number for number in jobs if number <= most})
        ideal = [base.median * max(1.0, min(number, most) / min(fewest, most)) for number in ends]
        axes.plot(ends, ideal, "--", color=INK, linewidth=0.8, label=f"ideal for\n{rows[0].name}", zorder=0)
        axes.set_xscale("log", base=2)
        axes.set_xticks(list(jobs), [str(number) for number in jobs])
        axes.minorticks_off()
        axes.set_xlim(min(jobs) / MARGIN, max(jobs) * MARGIN)
        _fit(axes, "y", [value for row in rows for rate in row.rates.values() for value in _ends(rate, 1.0)])
        axes.set_xlabel("jobs (worker processes)")
        axes.set_ylabel("files per second, whole runs with disk")

    return _svg(draw, "Throughput against jobs", has_legend=True)


def _style(index: int) -> tuple[str, str]:
    return SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)]


def _bar(figure: Statistic, unit: float) -> list[list[float]]:
    """Return the lengths of an error bar, which is as long as the distance of the quartiles."""
    half = figure.median * figure.spread / 2 / unit
    return [[half], [half]]


def _ends(figure: Statistic, unit: float) -> tuple[float, float]:
    """Return the ends of an error bar. One that reaches far down does not stretch the axis."""
    median, half = figure.median / unit, figure.median * figure.spread / 2 / unit
    return max(median - half, median / 2), median + half


def _fit(axes: Any, axis: str, values: Sequence[float]) -> None:
    """Let the figures fill an axis, and give it ticks with plain numbers."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

    low, high = min(values, default=0.0), max(values, default=1.0)
    set_limits, lines = (axes.set_xlim, axes.xaxis) if axis == "x" else (axes.set_ylim, axes.yaxis)
    if low > 0 and high >= LOG_FROM * low:
        (axes.set_xscale if axis == "x" else axes.set_yscale)("log")
        lines.set_major_locator(FixedLocator(_log_ticks(low / MARGIN, high * MARGIN)))
        set_limits(low / MARGIN, high * MARGIN)
    else:
        margin = max(high - low, high / 10) * (MARGIN - 1)
        set_limits(low - margin, high + margin)
        lines.set_major_locator(MaxNLocator(8, steps=[1, 2, 2.5, 5, 10]))
    lines.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
    lines.set_minor_locator(FixedLocator([]))


def _log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two limits: all of `STEPS`, or fewer over a wide range."""
    decades = math.log10(high / low)
    steps = STEPS if decades < 1.3 else (1, 2, 5) if decades < 3 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]


def _name(
    axes: Any, points: Sequence[tuple[float, float]], bars: Sequence[tuple[float, float]], names: Sequence[str]
) -> None:
    """Write the names beside the points so that they do not cover each other.

    Args:
        axes: the plot.
        points: x and y of each point.
        bars: left and right end of each point's error bar.
        names: name of each point.
    """
    figure = axes.figure
    figure.canvas.draw()  # only then the layout is known, and the size of texts
    pixels = [tuple(map(float, axes.transData.transform(point))) for point in points]
    sizes = []
    for name in names:
        text = axes.text(0, 0, name)
        extent = text.get_window_extent()
        text.remove()
        sizes.append((float(extent.width), float(extent.height)))
    area = axes.get_window_extent()
    scale = figure.dpi / 72
    half = MARKER * scale / 2
    taken = []
    for (x, y), (left, right) in zip(pixels, bars, strict=True):
        start, end = (float(axes.transData.transform((each, 1.0))[0]) for each in (left, right))
        taken.append(Box(min(start, x - half), y - half, max(end, x + half), y + half))
    bounds = Box(float(area.x0), float(area.y0), float(area.x1), float(area.y1))
    for index, box in enumerate(place_labels(pixels, sizes, taken, bounds, MARKER * scale)):
        x, y = pixels[index]
        is_apart = box.distance(x, y) > 1.5 * MARKER * scale
        axes.annotate(
            names[index],
            points[index],
            xytext=((box.left - x) / scale, (box.bottom - y) / scale),
            textcoords="offset points",
            horizontalalignment="left",
            verticalalignment="bottom",
            color=_style(index)[0],
            arrowprops={"arrowstyle": "-", "color": _style(index)[0], "linewidth": 0.6} if is_apart else None,
        )


def _svg(draw: "Callable[[Axes], None]", title: str, *, has_legend: bool) -> str:
    """Return one plot as SVG text. The legend is outside the axes, so that it hides no point."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # Text stays text, so that it can be searched and scaled by the browser. With a fixed salt, the
    # same data gives the same bytes.
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "exrbatch",
        "font.size": 11,
        "font.family": "sans-serif",
    }
    inks = ("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor", "xtick.color", "ytick.color")
    with rc_context(settings | dict.fromkeys(inks, INK)):
        figure = Figure(figsize=SIZE, layout="constrained", facecolor="none")
        axes: Any = figure.add_subplot(facecolor="none")
        axes.set_title(title)
        draw(axes)
        axes.grid(visible=True, color=LINE, linewidth=0.7)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        if has_legend:
            axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return _with_variables(text[text.index("<svg") :])


def _with_variables(svg: str) -> str:
    """Replace placeholders of colours by variables of the style sheet."""
    names = {INK: "--ink", LINE: "--line"} | {colour: f"--s{index}" for index, colour in enumerate(SERIES)}
    return re.sub("|".join(names), lambda found: f"var({names[found[0]]})", svg)
