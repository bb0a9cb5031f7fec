"""The page and its plots: complete, self-contained, and readable in the dark and on a phone."""

import re
import xml.etree.ElementTree as ET

import pytest

from exrbatch import Compression, Effort
from exrbatch.bench import plots
from exrbatch.bench.figures import Row, make_rows
from exrbatch.bench.labels import Box, place_labels
from exrbatch.bench.packing import Packing
from exrbatch.bench.page import BEGINNING, make_page
from exrbatch.bench.passes import Statistic
from tests.bench.made import SEVEN, many_packings, many_results

PACKINGS = [*many_packings(), Packing(Compression.HTJ2K32, Effort.BALANCED)]
RESULTS = many_results(PACKINGS)
ROWS = [row for row in make_rows(RESULTS) if row.content == "all"]


def texts(svg: str) -> list[str]:
    """Return all texts of a plot."""
    return ["".join(each.itertext()).strip() for each in ET.fromstring(svg).iter() if each.tag.endswith("text")]


def test_the_page_is_self_contained() -> None:
    """It needs no other file, adapts to the width of the screen, and has light and dark colours."""
    page = make_page(RESULTS, ROWS, None)
    assert len(ROWS) == 12
    assert page.startswith(BEGINNING)
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert "prefers-color-scheme: dark" in page
    assert page.count("<svg") == 3
    assert not re.findall(r"""(?:src|href)=["']?(?!#)[^"'> ]""", page.replace("xlink:href", "href"))


def test_every_colour_of_a_plot_is_a_variable_of_the_page() -> None:
    """A colour of its own would be invisible in the dark or in the light."""
    page = make_page(RESULTS, ROWS, None)
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        assert not re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", svg)
        for name in re.findall(r"var\((--\w+)\)", svg):
            assert len(re.findall(rf"{name}: #", plots.style_sheet())) == 2, name


def test_throughput_has_a_tick_for_each_number_of_jobs() -> None:
    """The axis is logarithmic, so that small numbers are not crowded; each row has its name."""
    svg = plots.rate_against_jobs([row for row in ROWS if row.rates], SEVEN, 64)
    shown = texts(svg)
    assert {str(number) for number in SEVEN} <= set(shown)
    assert {row.name for row in ROWS if row.rates} <= set(shown)
    assert "jobs (worker processes)" in shown
    assert "files per second, whole runs with disk" in shown


@pytest.mark.parametrize("speed", ["pack", "unpack"])
def test_each_point_has_its_name(speed: str) -> None:
    """There is a plot for compression and one for decompression, with units."""
    shown = texts(plots.size_against_speed(ROWS, speed))
    assert {row.name for row in ROWS} <= set(shown)
    assert "size in % of raw bytes (further down is smaller)" in shown
    assert any("speed in GB/s of raw bytes" in text for text in shown)


def test_the_same_figures_give_the_same_page() -> None:
    """Pages can be compared."""
    assert make_page(RESULTS, ROWS, None) == make_page(RESULTS, ROWS, None)


def test_plots_of_a_single_row_and_of_equal_figures_work() -> None:
    """An axis needs a length even if all figures are equal, or if one has an enormous spread."""
    row = next(row for row in ROWS if row.rates)
    row.pack = Statistic(1e9, 3.0, 1e8, 5)
    for rows in ([row], [row, row]):
        assert row.name in texts(plots.size_against_speed(rows, "pack"))
        assert row.name in texts(plots.rate_against_jobs(rows, list(row.rates), None))


def without_speed() -> list[Row]:
    row = make_rows(many_results(PACKINGS[:1]))[0]
    row.pack = None
    return [row]


def test_a_row_without_a_speed_is_left_out_of_its_plot() -> None:
    """Deep files without samples take no time."""
    assert "zstd fast" not in texts(plots.size_against_speed(without_speed(), "pack"))


def test_names_of_crowded_points_do_not_cover_each_other() -> None:
    """Twelve points in a small area still have twelve readable names."""
    points = [(200.0 + 6 * (place % 4), 200.0 + 6 * (place // 4)) for place in range(12)]
    sizes = [(70.0 + place, 14.0) for place in range(12)]
    markers = [Box(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    bounds = Box(0, 0, 800, 400)
    placed = place_labels(points, sizes, markers, bounds, 8.0)
    for index, box in enumerate(placed):
        assert box.outside(bounds) == pytest.approx(0)
        assert all(box.overlap(other) == 0 for other in [*placed[:index], *markers])


def test_names_stay_inside_the_plot() -> None:
    """A point at the right edge has its name on its left."""
    (box,) = place_labels([(399.0, 100.0)], [(80.0, 14.0)], [], Box(0, 0, 400, 200), 8.0)
    assert box.right <= 400
