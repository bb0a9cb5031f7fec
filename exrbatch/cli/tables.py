"""Tables that show every cell complete, however narrow the terminal is.

A table that is too wide is cut into several, one below the other. Each repeats the first column,
which has the names of the rows.
"""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

GAP = 3
"""Width that the box takes for each column besides its cells."""
MARGIN = 1
"""Width that the box takes for the whole table."""
LEAST_NAME = 12
"""Names of rows are not wrapped at a smaller width than this."""


def stacked(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int, text_columns: int = 1) -> list[Table]:
    """Return one table or several that together show all columns.

    Args:
        headings: headings of the columns; may have line breaks.
        rows: the cells of each row, one for each heading.
        width: width of the terminal.
        text_columns: number of columns at the left that are aligned as text.
    """
    widths = [max(map(_width, column)) for column in zip(headings, *rows, strict=True)]
    # A name is wrapped if it would leave too little width for the widest of the other columns.
    most = max(LEAST_NAME, width - MARGIN - GAP - max(widths[1:], default=0) - GAP)
    name_width = min(widths[0], most)
    tables: list[Table] = []
    shown = 1
    while shown < len(headings) or not tables:
        end, used = shown, MARGIN + name_width + GAP
        while end < len(headings) and (end == shown or used + widths[end] + GAP <= width):
            used += widths[end] + GAP
            end += 1
        tables.append(_table(headings, rows, range(shown, end), text_columns, name_width))
        shown = end
    return tables


def _width(text: str) -> int:
    return max(map(cell_len, text.split("\n")))


def _table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], columns: range, text_columns: int, name_width: int
) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(Text(headings[0]), overflow="fold", max_width=name_width)
    for index in columns:
        is_text = index < text_columns
        table.add_column(Text(headings[index]), justify="left" if is_text else "right", no_wrap=True, overflow="fold")
    for row in rows:
        table.add_row(Text(row[0]), *(Text(row[index]) for index in columns))
    return table
