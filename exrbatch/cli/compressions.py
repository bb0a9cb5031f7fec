"""`exrbatch compressions`: the table of compressions. docs/compressions.md has the same rows."""

import argparse
import sys
from typing import TextIO, cast

from exrbatch.cli.outputs import print_document
from exrbatch.exr.compression import Compression, CompressionFacts, Names

FORMAT = "exrbatch-compressions-1"
HEADINGS = ("name", "lines per chunk", "lossless", "deep data", "read by OpenEXR")


def rows() -> list[tuple[str, str, str, str, str]]:
    """Return one row per compression, ordered by number, with one cell per heading."""
    return [
        (
            compression.name.lower(),
            str(compression.facts.lines_per_chunk),
            _lossless(compression.facts),
            "yes" if compression.facts.deep else "no",
            f"{compression.facts.first_release} and newer",
        )
        for compression in Compression
    ]


def markdown() -> str:
    """Return the table in Markdown, exactly as docs/compressions.md has it."""
    lines = [HEADINGS, tuple("---" for _ in HEADINGS), *rows()]
    return "\n".join(f"| {' | '.join(cells)} |".replace("| --- ", "|---").replace("--- |", "---|") for cells in lines)


def run(arguments: argparse.Namespace) -> int:
    """Print the table; return the exit code."""
    if arguments.json:
        keys = [heading.replace(" ", "_") for heading in HEADINGS]
        records = [dict(zip(keys, cells, strict=True)) for cells in rows()]
        return 0 if print_document({"format": FORMAT, "compressions": records}) else 1
    from rich.console import Console
    from rich.table import Table

    from exrbatch.cli.console import LastingStream

    table = Table(*HEADINGS)
    for cells in rows():
        table.add_row(*cells)
    Console(file=cast(TextIO, LastingStream(sys.stdout)), highlight=False).print(table)
    return 0


def _lossless(facts: CompressionFacts) -> str:
    if not facts.lossy_types:
        return "yes"
    types = " and ".join(kind.name.lower() for kind in sorted(facts.lossy_types))
    names = "" if facts.lossy_names is Names.ANY else f" of {facts.lossy_names.value}"
    return f"except for {types}{names}"
