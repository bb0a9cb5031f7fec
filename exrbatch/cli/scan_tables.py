"""What `exrbatch scan` prints: a line or two for each sequence, totals, and what is wrong.

Names come last on a line and are never cut, so that they can be copied from the terminal. If the
terminal is too narrow for the longest of them, each name gets a line of its own.
"""

import shlex
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from exrbatch.cli.summary import MAX_LISTED
from exrbatch.cli.tables import stacked
from exrbatch.inventory.listing import FrameSequence, Inventory
from exrbatch.inventory.prediction import Estimate
from exrbatch.inventory.timeline import Interval
from exrbatch.jobs.file_report import FileReport
from exrbatch.text import format_count, format_duration, format_size, safe_text

HEADINGS = ("frames", "missing", "size", "compression", "window", "content", "notes")
NUMBERS = 3
"""Number of columns at the left that are aligned to the right."""
GAP = "  "
SIZES = ((1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB"))
TIMES = ((1.0, "s"), (60.0, "min"), (3600.0, "h"))
"""Units of an estimate, in bytes and seconds."""


def print_inventory(console: Console, inventory: Inventory) -> None:
    """Print the sequences."""
    rows = [cells(sequence) for sequence in inventory.sequences]
    names = [pasted(sequence.name) for sequence in inventory.sequences]
    shown = [place for place in range(len(HEADINGS)) if any(row[place] for row in rows)]
    widths = [max(cell_len(HEADINGS[place]), *(cell_len(row[place]) for row in rows)) for place in shown]
    used = sum(widths) + len(GAP) * len(widths)
    if not rows:
        return
    if console.is_terminal and used + max(map(cell_len, names)) > console.width:
        for sequence, name in zip(inventory.sequences, names, strict=True):
            console.print(Text(name, style="bold"))
            _print_indented(console, ", ".join(_phrases(sequence)))
        return
    console.print(_line([HEADINGS[place] for place in shown], shown, widths, "sequence"), style="bold")
    for row, name in zip(rows, names, strict=True):
        console.print(_line([row[place] for place in shown], shown, widths, name))


def _line(texts: Sequence[str], shown: Sequence[int], widths: Sequence[int], name: str) -> Text:
    padded = []
    for text, place, width in zip(texts, shown, widths, strict=True):
        blanks = " " * (width - cell_len(text))
        padded.append(blanks + text if place < NUMBERS else text + blanks)
    return Text(GAP.join([*padded, name]))


def _print_indented(console: Console, text: str) -> None:
    console.print(Padding(Text(text, style="dim"), (0, 0, 0, 2)), soft_wrap=False)


def cells(sequence: FrameSequence) -> tuple[str, ...]:
    """Return the cells of a sequence, one for each heading; empty if there is nothing to say."""
    facts = sequence.facts
    return (
        format_count(sequence.frames),
        format_count(sequence.missing) if sequence.missing else "",
        format_size(sequence.size),
        _compressions(sequence),
        f"{facts.width}x{facts.height}" if facts is not None else "",
        "mixed" if len({each.content for each, _ in sequence.headers}) > 1 else facts.content if facts else "",
        ", ".join(_notes(sequence)),
    )


def _phrases(sequence: FrameSequence) -> Iterator[str]:
    """Yield the facts about a sequence as they follow its name."""
    frames, missing, size, *rest = cells(sequence)
    yield frames + (" frame" if sequence.frames == 1 else " frames")
    if missing:
        yield f"{missing} missing"
    yield size
    yield from filter(None, rest)


def _compressions(sequence: FrameSequence) -> str:
    """Return the compressions; if frames differ, each with its number of frames."""
    names: dict[str, int] = {}
    for facts, number in sequence.headers:
        name = "+".join(dict.fromkeys(facts.compressions))
        names[name] = names.get(name, 0) + number
    if len(names) < 2:
        return "".join(names)
    return ", ".join(f"{name} {number}" for name, number in names.items())


def _notes(sequence: FrameSequence) -> Iterator[str]:
    lossy = sum(number for facts, number in sequence.headers if facts.lossy_channels)
    aces = sum(number for facts, number in sequence.headers if facts.is_aces)
    read = sum(number for _, number in sequence.headers)
    for number, word in ((lossy, "lossy source"), (aces, "ACES")):
        if number:
            yield word if number == read else f"{word}: {number}"
    for number, word in (
        (sequence.broken, "broken"),
        (sequence.symbolic_links, "symbolic link"),
        (sequence.hard_links, "with hard links"),
    ):
        if number:
            plural = "s" * (number > 1 and word.endswith("link"))
            yield f"{format_count(number)} {word}{plural}"


def pasted(name: str) -> str:
    """Return a path as it can be pasted into a shell; # needs no quotes within a word."""
    if not name.isprintable():
        return safe_text(name)
    name = f"./{name}" if name.startswith(("-", "#", "~")) else name
    return name if shlex.quote(name.replace("#", "")) == name.replace("#", "") else shlex.quote(name)


def print_totals(console: Console, inventory: Inventory) -> None:
    """Print what the sequences add up to, and what a run would leave out."""
    if not inventory.frames:
        console.print(Text("no frames found", style="bold"))
    else:
        singles = sum(sequence.frames + sequence.symbolic_links == 1 for sequence in inventory.sequences)
        counts = (
            (len(inventory.sequences) - singles, "sequence"),
            (singles, "single file"),
            (inventory.frames, "frame"),
        )
        words = [format_count(number, word) for number, word in counts if number]
        _print_prose(console, f"{', '.join(words)}, {format_size(inventory.size)}", "bold")
        shares = [f"{name} {format_size(size)}" for name, size in inventory.sizes_by_compression().items()]
        if shares:
            _print_prose(console, ", ".join(shares))
    for line in _facts(inventory):
        _print_prose(console, line)
    for report in _some(inventory.left_out, console):
        console.print(_reason("left out: ", "yellow", report))


def print_failures(console: Console, inventory: Inventory) -> None:
    """Print what is broken or can't be read."""
    for report in _some(inventory.failures, console):
        console.print(_reason("failed: ", "bold red", report))


def print_estimate(console: Console, estimate: Estimate) -> None:
    """Print what a run would save, for each compression."""
    console.print()
    jobs = format_count(estimate.jobs, "job")
    if not estimate.frames:
        _print_prose(console, "no frames that a run would process: nothing to estimate", "bold")
        return
    measured = f"{format_count(estimate.measured)} of {format_count(estimate.frames, 'frame')}"
    took = format_duration(estimate.seconds)
    _print_prose(console, f"estimate for {jobs}, from {measured}, measured in {took}", "bold")
    headings = ("compression", "saved", "share", "CPU time", "duration")
    rows = [
        [
            each.packing.name,
            with_interval(each.saved, SIZES),
            f"{100 * each.saved.best / max(1, estimate.size):.1f} %",
            with_interval(each.cpu_seconds, TIMES),
            with_interval(each.wall_seconds, TIMES),
        ]
        for each in estimate.packings
    ]
    for table in stacked(headings, rows, console.width):
        console.print(table)
    for line in _about(estimate):
        _print_prose(console, line, "dim")
    for report in _some(estimate.problems, console):
        console.print(_reason("not measured: ", "yellow", report))


def with_interval(value: Interval, units: Sequence[tuple[float, str]]) -> str:
    """Return a value and its interval in one unit: 16.7 s (9.4 to 23.9).

    Args:
        value: the value.
        units: the size and name of each unit, the smallest first.
    """
    size, unit = [each for each in units if abs(value.best) >= each[0] or each == units[0]][-1]
    digits = 0 if max(abs(value.low), abs(value.high)) >= 100 * size or (unit == "B") else 1
    best, low, high = (f"{number / size:.{digits}f}" for number in (value.best, value.low, value.high))
    return f"{best} {unit} ({low} to {high})"


def _about(estimate: Estimate) -> Iterator[str]:
    if estimate.left_out:
        left_out = format_count(estimate.left_out, "frame")
        yield f"{left_out} that a run would skip, or that are broken, are left out"
    yield "In brackets: 95 % intervals."
    yield "CPU time includes verification. The duration does not include waiting for storage."


def _facts(inventory: Inventory) -> Iterator[str]:
    sequences = inventory.sequences
    missing = sum(sequence.missing for sequence in sequences)
    links = sum(sequence.symbolic_links for sequence in sequences)
    hard = sum(sequence.hard_links for sequence in sequences)
    if missing:
        yield f"{format_count(missing, 'frame')} missing, in {_places(sequence.missing for sequence in sequences)}"
    for word, test in (("lossy sources", "lossy_channels"), ("ACES containers", "is_aces")):
        found = sum(any(getattr(facts, test) for facts, _ in sequence.headers) for sequence in sequences)
        if found:
            yield f"{word} in {format_count(found, 'sequence')}, which a run skips"
    if links:
        yield f"{format_count(links, 'symbolic link')}, which a run skips"
    if hard:
        yield f"{format_count(hard, 'file')} with other hard links, which a run skips; see --hardlinks of recompress"
    if inventory.not_selected:
        yield f"{format_count(inventory.not_selected, 'file')} left out by --include and --exclude"


def _places(numbers: Iterator[int]) -> str:
    return format_count(sum(number > 0 for number in numbers), "sequence")


def _some(reports: Sequence[FileReport], console: Console) -> Iterator[FileReport]:
    """Yield the first of some reports, and print how many there are beyond."""
    yield from reports[:MAX_LISTED]
    if (more := len(reports) - MAX_LISTED) > 0:
        console.print(Text(f"and {format_count(more)} more; --json lists all", style="yellow"))


def _reason(word: str, style: str, report: FileReport) -> Text:
    return Text(word, style=style).append(f"{safe_text(report.path)}: {report.reason}", "not bold default")


def _print_prose(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style=style), soft_wrap=False)
