"""What the HTML pages of exrbatch share: a style for light and dark screens, notes and tables."""

import itertools
from collections.abc import Collection, Iterable, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --line: #e2e2e2; --back: #ffffff; --soft: #555;
  --good: #eef6ee; --edge: #2a7d2a; --best: #eef4ff; --bad: #b3261e; --bar: #3b78c4 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --line: #3a3d42; --back: #17191c; --soft: #a5a8ad;
    --good: #1d2b1f; --edge: #5cb85c; --best: #1f2a3d; --bad: #ff8a80; --bar: #6ea8fe }
}
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem; color: var(--ink); background: var(--back) }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
.advice { background: var(--good); border-left: 4px solid var(--edge); padding: .6rem 1rem }
.wide, figure { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid var(--line) }
th { border-bottom: 2px solid var(--soft); vertical-align: bottom; white-space: pre }
td { white-space: nowrap } td.text, th.text { text-align: left }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--back) }
tr.best td, tr.best td:first-child { background: var(--best); font-weight: 600 }
.texts td.text { white-space: normal; overflow-wrap: break-word }
.texts td.text:has(wbr) { min-width: 9rem } .texts td:first-child { position: static }
.texts td.text:first-child:not(:has(wbr)) { white-space: nowrap } .texts + .advice { margin-top: 1rem }
figure { margin: 1.5rem 0 } figure svg { display: block; width: 100%; min-width: 46rem; height: auto }
figure svg text { paint-order: stroke; stroke: var(--back); stroke-width: 3px; stroke-linejoin: round }
.note { color: var(--soft); max-width: 60rem } details { margin: .5rem 0 } li { overflow-wrap: anywhere }
"""


def beginning(title: str, style: str = STYLE) -> str:
    """Return the beginning of a page, up to its heading.

    Args:
        title: title and heading.
        style: its style sheet.
    """
    head = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    shown = escape(title)
    return f"{first_line(title)}{head}<style>{style}</style></head><body><h1>{shown}</h1>"


def first_line(title: str) -> str:
    """Return how a page with this title begins, by which it is known again later."""
    return f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'


END = "</body></html>\n"


def note(text: str) -> str:
    """Return a paragraph of small text."""
    return f'<p class="note">{escape(text)}</p>'


def table(headings: Collection[str], lines: Iterable[tuple[Sequence[str], bool]], text_columns: int = 1) -> str:
    """Return a table. Paths in it may be broken behind each slash.

    Args:
        headings: headings of the columns; none for a table without a heading.
        lines: for each row, its cells, and whether to highlight it.
        text_columns: number of columns at the left that are aligned as text.
    """

    def cells(tag: str, texts: Iterable[str]) -> str:
        kinds = (' class="text"' if index < text_columns else "" for index in itertools.count())
        shown = (escape(text).replace("/", "/<wbr>") for text in texts)
        return "".join(f"<{tag}{kind}>{text}</{tag}>" for kind, text in zip(kinds, shown, strict=False))

    body = [f"<tr{' class=best' if is_best else ''}>{cells('td', texts)}</tr>" for texts, is_best in lines]
    head = f"<tr>{cells('th', headings)}</tr>" if headings else ""
    return f'<div class="wide"><table>{head}{"".join(body)}</table></div>'
