"""The summary of a check. Returns text only, so that tests can read it."""

from rich.text import Text

from exrbatch.batch.run_report import BatchReport
from exrbatch.cli.summary import count_line, listed, note_lines, stop_lines
from exrbatch.dashboard import STYLES
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.text import format_count, format_duration, format_size, safe_text

MAX_FILES = 100
"""Number of damaged files that are shown. The --report file has all of them."""
FEW_FILES, MAX_PLACES = 10, 5
"""Of up to `FEW_FILES` damaged files, `MAX_PLACES` damaged places of each are shown, else only one.

The --report file has up to 100 places of each file.
"""


def summary_lines(report: BatchReport) -> list[Text]:
    """Return the lines of the summary of a check, without those of `failure_lines`."""
    damaged = sorted((failure for failure in report.failures if failure.damage), key=lambda each: each.path)
    lines = note_lines(report)
    lines += listed("skipped", report.skipped, report.counts[Status.SKIPPED], "yellow")
    for file in damaged[:MAX_FILES]:
        lines += _damage_lines(file, MAX_PLACES if report.damaged <= FEW_FILES else 1)
    if (more := report.damaged - min(len(damaged), MAX_FILES)) > 0:
        lines.append(
            Text(f"and {format_count(more)} more damaged files; --report FILE.jsonl lists them all", style="red")
        )
    lines.append(_counts(report))
    seconds = max(report.seconds, 1e-9)
    size = format_size(report.read_size)
    line = f"{size} checked in {format_duration(report.seconds)} ({format_size(report.read_size / seconds)}/s)"
    lines.append(Text(f"{line}; no file was changed", style="bold"))
    lines += stop_lines(report)
    return lines


def _damage_lines(file: FileReport, most: int) -> list[Text]:
    """Return a line for each damaged place, up to `most`. The last line says how many are left."""
    words = [f"{safe_text(file.path)}: {place}" for place in file.damage[:most]]
    if (more := file.damage_count - len(words)) > 0:
        words[-1] += f" (and {format_count(more)} more damaged places)"
    return [Text("damaged: ", style=STYLES[Status.FAILED]).append(each, "not bold default") for each in words]


def _counts(report: BatchReport) -> Text:
    counts = [
        (report.counts[Status.SOUND], "sound", STYLES[Status.SOUND]),
        (report.damaged, "damaged", STYLES[Status.FAILED]),
        (report.counts[Status.FAILED] - report.damaged, "failed", STYLES[Status.FAILED]),
        (report.counts[Status.SKIPPED], "skipped", STYLES[Status.SKIPPED]),
    ]
    return count_line(report, [(f"{format_count(count)} {word}", style) for count, word, style in counts if count])
