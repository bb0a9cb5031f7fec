"""The summary of a run, and the line of one file. Returns text only, so that tests can read it."""

from collections.abc import Sequence

from rich.text import Text

from exrbatch.batch.run_report import BatchReport
from exrbatch.dashboard import STYLES
from exrbatch.exr.compression import OLDEST_NOTABLE_RELEASE, release_number
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.jobs.job import Rules
from exrbatch.jobs.recompress_job import RecompressRules
from exrbatch.text import format_duration, format_saving, format_size, safe_text

MAX_LISTED = 20
"""Number of failures and reasons shown at the end. The --report file has all of them."""
SHARED_BY = 3
"""If at least this many files failed for one reason, it is shown once, with the first of them."""
NOTABLE_SECONDS, NOTABLE_WAIT = 5.0, 0.5
"""More workers are suggested only if all workers together took at least this many seconds, and
waited for at least this fraction of them."""
MOST_JOBS_PER_CORE = 4


def file_line(report: FileReport) -> Text:
    """Return the line about one finished file."""
    line = Text(f"{report.status.value.replace('_', ' '):<13}", style=STYLES[report.status])
    line.append(safe_text(report.path), "default not bold")
    if report.status is Status.RECOMPRESSED:
        share = 100 * report.saved / report.size_before
        line.append(
            f": {format_size(report.size_before)} -> {format_size(report.size_after)} ({-share:+.1f} %)", "default"
        )
    elif report.tried_size is not None:
        line.append(f": {format_size(report.size_before)}, would be {format_size(report.tried_size)}", "default")
    if report.reason:
        line.append(f": {report.reason}", "default not bold")
    for note in report.notes:
        line.append(f" [{note}]", "dim")
    return line


def release_note(rules: Rules) -> Text | None:
    """Return a note if only new releases of OpenEXR can read the result; else None."""
    if not isinstance(rules, RecompressRules):
        return None
    if rules.compression is None:
        release, what = rules.readers, "auto may choose a compression that"
    else:
        release, what = rules.compression.facts.first_release, rules.compression.name
    if release_number(release) < release_number(OLDEST_NOTABLE_RELEASE):
        return None
    return Text(f"{what} needs OpenEXR {release} or newer to be read", style="yellow")


def summary_lines(report: BatchReport, *, is_comparison: bool = False) -> list[Text]:
    """Return the lines of the summary.

    Args:
        report: the totals of the run.
        is_comparison: whether the run compared files instead of recompressing them.
    """
    lines: list[Text] = []
    lines += grouped("note", report.notes.most_common(), "dim")
    lines += grouped("skipped", report.skip_reasons.most_common(), "yellow")
    lines += failure_lines(report.failures, report.counts[Status.FAILED])
    counts = Text(f"{report.files} file{'s' * (report.files != 1)}: ", style="bold")
    shown = [status for status in Status if report.counts[status]]
    for index, status in enumerate(shown):
        counts.append(", " if index else "", "default not bold")
        counts.append(f"{report.counts[status]} {_WORDS[status]}", STYLES[status])
    is_stopped = report.stop_reason is not None or report.signal_number is not None
    nothing = "no file was processed" if is_stopped else "no OpenEXR files found"
    lines.append(counts if shown else Text(nothing))
    lines.append(_sizes(report, is_comparison=is_comparison))
    if report.skipped_all_for is not None:
        lines.append(
            Text(f"nothing was done: all files were skipped for one reason: {report.skipped_all_for}", style="bold red")
        )
    if report.stop_reason is not None:
        lines.append(Text(f"stopped before the end: {report.stop_reason}", style="bold red"))
    elif report.signal_number is not None:
        lines.append(Text("stopped before the end; run the same command again to continue", style="yellow"))
    return lines


def waiting_line(report: BatchReport, jobs: int, cores: int) -> Text | None:
    """Suggest more workers if the present ones spent most of their time waiting for remote storage.

    Args:
        report: the totals of the run.
        jobs: number of workers of the run.
        cores: number of cores of the machine.

    Returns:
        The suggestion; None if more workers would not help.
    """
    if report.worker_seconds < NOTABLE_SECONDS or report.waiting_share < NOTABLE_WAIT:
        return None
    wanted = min(round(cores / (1 - report.waiting_share + 0.01)), MOST_JOBS_PER_CORE * cores)
    if wanted <= jobs:
        return None
    share = f"the workers spent {100 * report.waiting_share:.0f} % of their time waiting for storage"
    return Text(f"{share}; more workers may be faster: -j {wanted} (now {jobs})", style="yellow")


def failure_lines(reports: Sequence[FileReport], count: int) -> list[Text]:
    """Return a line for each failed file, but only one for a reason that many files share.

    Args:
        reports: reports of failed files.
        count: number of failed files, including those whose reports were not kept.
    """
    by_reason: dict[str, list[FileReport]] = {}
    for failure in reports:
        by_reason.setdefault(failure.reason or "", []).append(failure)
    said: list[tuple[str, int]] = []  # text of a line, and the number of files that it is about
    for reason, failures in by_reason.items():
        if len(failures) >= SHARED_BY:
            said.append((f"{len(failures)} files, the first {safe_text(failures[0].path)}: {reason}", len(failures)))
        else:
            said += [(f"{safe_text(each.path)}: {reason}", 1) for each in failures]
    shown = said[:MAX_LISTED]
    lines = [Text("failed: ", style="bold red").append(words, "not bold default") for words, _ in shown]
    if (more := count - sum(count for _, count in shown)) > 0:
        lines.append(Text(f"and {more} more failures; --report FILE.jsonl lists them all", style="red"))
    return lines


_WORDS = {
    Status.RECOMPRESSED: "recompressed",
    Status.ALREADY: "already",
    Status.NO_GAIN: "no gain",
    Status.SKIPPED: "skipped",
    Status.FAILED: "failed",
    Status.PLANNED: "would be recompressed",
    Status.EQUAL: "equal",
    Status.MEASURED: "measured",
    Status.SOUND: "sound",
}


def grouped(word: str, reasons: list[tuple[str, int]], style: str) -> list[Text]:
    """Return a line for each reason, with the number of files that it is about."""
    lines = [
        Text(f"{word}: ", style=style).append(f"{count} x {reason}", "default")
        for reason, count in reasons[:MAX_LISTED]
    ]
    if len(reasons) > MAX_LISTED:
        lines.append(Text(f"{word}: and {len(reasons) - MAX_LISTED} more reasons", style=style))
    return lines


def _sizes(report: BatchReport, *, is_comparison: bool) -> Text:
    if is_comparison:
        return Text(f"comparison finished in {format_duration(report.seconds)}", style="bold")
    if report.counts[Status.PLANNED]:
        return Text(f"dry run finished in {format_duration(report.seconds)}: no file was changed", style="bold")
    seconds = max(report.seconds, 1e-9)
    before, after = format_size(report.replaced_size), format_size(report.replaced_size - report.saved)
    change = f"{before} -> {after}, {format_saving(report.saved, report.saved_share)}"
    if not report.replaced_size:
        change = "no file was recompressed"
    speed = f"{report.files / seconds:.1f} files/s, {format_size(report.done_size / seconds)}/s"
    return Text(f"{change} in {format_duration(report.seconds)} ({speed})", style="bold")
