"""The tables of `bench` at every width: all names and numbers are there, and nothing is cut."""

import io
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from exrbatch.bench.figures import Row, make_rows
from exrbatch.bench.goal import Goal
from exrbatch.bench.result import Results
from exrbatch.bench.text_tables import efficiency_grid, rate_text, rates_grid
from exrbatch.cli.bench_report import print_corpus, print_results
from exrbatch.cli.tables import stacked
from tests.bench.made import SEVEN, ZIP, in_memory, many_packings, many_results, results

WIDTHS = (40, 80, 120, 200)
RESULTS = many_results(many_packings())
ROWS = [row for row in make_rows(RESULTS) if row.content == "all"]
MEASURED = [row for row in ROWS if row.rates]


def printed(width: int, shown: Results = RESULTS, baseline: Results | None = None) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False, soft_wrap=True)
    print_corpus(console, shown.sample)
    print_results(console, shown, baseline, Goal.BALANCED)
    return stream.getvalue()


def columns_below(text: str, corner: str) -> dict[str, list[str]]:
    """Read the stacked tables with this corner: the cells of each column, by its whole heading."""
    found: dict[str, list[str]] = {}
    lines = text.splitlines()
    for index, line in enumerate(lines):
        if not line.strip().startswith(corner):
            continue
        top = index
        while lines[top - 1].strip():
            top -= 1
        rule = next(number for number in range(index, len(lines)) if "──" in lines[number])
        end = next(number for number in range(rule, len(lines)) if not lines[number].strip())
        ends = [match.end() for match in re.finditer(r"\S+(?: \S+)*", lines[rule + 1])]
        ends[0] = max(ends[0], line.index(corner) + len(corner))
        starts = [0, *ends[:-1]]
        for start, stop in list(zip(starts, ends, strict=True))[1:]:
            heading = " ".join(word for each in lines[top:rule] if (word := each[start:stop].strip()))
            found[heading] = [each[start:stop].strip() for each in lines[rule + 1 : end]]
    return found


def test_has_ten_compressions_and_seven_numbers_of_jobs() -> None:
    """This is what a machine with 64 cores measures."""
    assert len(MEASURED) == 10
    assert all(tuple(row.rates) == SEVEN for row in MEASURED)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Neither in tables nor in sentences."""
    for line in printed(width).splitlines():
        assert cell_len(line.rstrip()) <= width, line


@pytest.mark.parametrize("width", WIDTHS)
def test_every_rate_stands_below_the_name_of_its_compression(width: int) -> None:
    """There is a row for each number of jobs, with plain numbers."""
    columns = columns_below(printed(width), "files/s")
    assert set(columns) == {row.name for row in MEASURED}
    for row in MEASURED:
        assert columns[row.name] == [rate_text(rate.median) for rate in row.rates.values()]


@pytest.mark.parametrize("width", WIDTHS)
def test_efficiency_has_its_own_table(width: int) -> None:
    """Its last row has the knees."""
    columns = columns_below(printed(width), "% of ideal")
    assert set(columns) == {row.name for row in MEASURED}
    for row in MEASURED:
        shares = [f"{100 * share:.0f}" for share in row.efficiency.values()]
        assert columns[row.name] == [*shares, f"{row.knee or '?'}"]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_figure_of_the_main_table_is_complete(width: int) -> None:
    """At 40 columns it is stacked, and each piece repeats the names."""
    text = printed(width)
    for row in ROWS:
        assert re.search(rf"^ +\*? +{re.escape(row.name)} ", text, re.MULTILINE), row.name
        for number in (f"{100 * row.ratio:.1f} %", f"{100 * row.change:.1f} %", *speeds(row)):
            assert re.search(rf"(?<!\S){re.escape(number)}(?!\S)", text), number
    assert "…" not in text


def speeds(row: Row) -> list[str]:
    return [f"{figure.median / 1e9:.3f} ±{100 * figure.spread:.0f} %" for figure in (row.pack, row.unpack) if figure]


@pytest.mark.parametrize("width", WIDTHS)
def test_all_tables_can_be_read_at_every_width(width: int) -> None:
    """Rows of a table with long names are wrapped, not cut."""
    long = "scan lines, 20 channels half+float subsampled, grainy"
    found = results([in_memory(ZIP, 1, (500, 1, 1), (100, 1, 1))], long, "deep tiles, R half, clean")
    text = printed(width, found, baseline=found)
    for word in (*long.split(), "plates"[:0]):
        assert word in text
    assert all(cell_len(line.rstrip()) <= width for line in text.splitlines())
    assert text.count("1.000") == 3


@pytest.mark.parametrize("width", [1, 10, 40])
def test_a_table_that_fits_nowhere_still_shows_every_cell(width: int) -> None:
    """Each column then has a table of its own."""
    tables = stacked(["name", "a", "b"], [["zip", "1234567", "7654321"]], width)
    assert len(tables) == (1 if width == 40 else 2)


def test_knees_that_cannot_be_told_are_question_marks() -> None:
    """A single pass has no spread."""
    rows = make_rows(many_results(many_packings()[:2], passes=1))
    assert set(efficiency_grid(rows).rows[-1][1:]) == {"?"}
    assert [line[0] for line in rates_grid(rows).rows][:2] == ["1 job", "2 jobs"]


def test_hostile_channel_names_are_shown_safely() -> None:
    """A name may hold escape sequences, which must not reach the terminal."""
    hostile = "R\x1b[2J"
    trials = [
        replace(
            trial,
            files=[
                replace(file, errors=tuple(replace(error, channel=hostile) for error in file.errors))
                for file in trial.files
            ],
        )
        for trial in RESULTS.trials
    ]
    text = printed(80, replace(RESULTS, trials=trials))
    assert "\x1b" not in text
    assert "R\\x1b[2J" in text
