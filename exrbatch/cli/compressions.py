"""`exrbatch compressions`: the table of compressions as people read it. The README's table is made of the same rows."""

from exrbatch.exr.compression import Compression, CompressionFacts, Names

HEADINGS = ("name", "lines per chunk", "exact for", "deep data", "read by OpenEXR")


def rows() -> list[tuple[str, str, str, str, str]]:
    """List the compressions in the order of their numbers, a cell per heading."""
    return [
        (
            compression.name.lower(),
            str(compression.facts.lines_per_chunk),
            _exact(compression.facts),
            "yes" if compression.facts.deep else "no",
            f"{compression.facts.first_release} and newer",
        )
        for compression in Compression
    ]


def markdown() -> str:
    """The table as it stands in the README."""
    lines = [HEADINGS, tuple("---" for _ in HEADINGS), *rows()]
    return "\n".join(f"| {' | '.join(cells)} |".replace("| --- ", "|---").replace("--- |", "---|") for cells in lines)


def print_table() -> int:
    """Print the table; return the exit code."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*HEADINGS)
    for cells in rows():
        table.add_row(*cells)
    Console(highlight=False).print(table)
    return 0


def _exact(facts: CompressionFacts) -> str:
    if not facts.lossy_types:
        return "everything"
    types = " and ".join(kind.name.lower() for kind in sorted(facts.lossy_types))
    names = "" if facts.lossy_names is Names.ANY else f" of {facts.lossy_names.value}"
    return f"all but {types}{names}"
