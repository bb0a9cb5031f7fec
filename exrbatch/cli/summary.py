"""The summary of a run, and the line of one file. Returns text only, so that tests can read it."""

from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from exrbatch.batch.control import BY_USER
from exrbatch.batch.discovery.discover import MISSING_FRAME
from exrbatch.batch.run_report import BatchReport
from exrbatch.cli.sequence_names import sequence_names
from exrbatch.dashboard import STYLES
from exrbatch.exr.compression import OLDEST_NOTABLE_RELEASE, release_number
from exrbatch.jobs.file_report import COPYABLE, FileReport, Status
from exrbatch.jobs.job import Rules
from exrbatch.jobs.recompress_job import RecompressRules
from exrbatch.recompression.choices import LOSSY_SOURCE, LOSSY_SOURCE_HINT
from exrbatch.text import format_count, format_duration, format_saving, format_size, safe_text

MAX_LISTED = 20
"""Number of failures and reasons shown at the end. The --report file has all of them."""
SHOWN_SEQUENCES = 5
"""Number of sequences that are shown for each reason."""
NOTABLE_SECONDS, NOTABLE_WAIT = 5.0, 0.5
"""More workers are suggested only if all workers together took at least this many seconds, and
waited for at least this fraction of them."""
MOST_JOBS_PER_CORE = 4
RESTORED = "restored"
"""What the files are of a run that undoes another one."""


def file_line(report: FileReport, rules: Rules | None = None) -> Text:
    """Return the line about one finished file.

    Args:
        report: the report of the file.
        rules: what the run does; None for a recompression.
    """
    status = report.status.value.replace("_", " ")
    if isinstance(rules, RecompressRules) and rules.undoes is not None and report.status is Status.RECOMPRESSED:
        status = RESTORED
    line = Text(f"{status:<13}", style=STYLES[report.status])
    line.append(safe_text(report.path), "default not bold")
    change = _change(report.compressions_before, report.compressions_after)
    if report.status is Status.RECOMPRESSED:
        share = 100 * report.saved / report.size_before
        sizes = f"{format_size(report.size_before)} → {format_size(report.size_after)} ({-share:+.1f} %)"
        line.append(f": {change}, {sizes}", "default")
    elif report.status is Status.PLANNED:
        line.append(f": {change}, {format_size(report.size_before)}", "default")
    elif report.tried_size is not None:
        line.append(f": {format_size(report.size_before)}, would be {format_size(report.tried_size)}", "default")
    if report.copied:
        line.append(": copied", "default not bold")
    if report.reason:
        line.append(f": {report.reason}", "default not bold")
    for note in report.notes:
        line.append(f" [{note}]", "dim")
    return line


def _change(before: Sequence[str], after: Sequence[str]) -> str:
    """Return text such as "NONE → ZIP". Parts with the same compression are named once."""
    return f"{'+'.join(dict.fromkeys(before)) or '?'} → {'+'.join(dict.fromkeys(after)) or '?'}"


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


def summary_lines(report: BatchReport) -> list[Text]:
    """Return the lines of the summary, without those of `failure_lines`."""
    lines = note_lines(report)
    different = [each for each in report.failures if each.status is Status.DIFFERENT]
    lines += listed("different", different, report.counts[Status.DIFFERENT], "bold red")
    lines += listed("skipped", report.skipped, report.counts[Status.SKIPPED], "yellow")
    lines += _plan(report)
    lines.append(counts_line(report))
    lines.append(_sizes(report))
    if report.mirror is not None and report.not_in_mirror:
        lines.append(_missing(report, report.mirror))
    if report.skipped_all_for is not None:
        lines.append(
            Text(f"nothing was done: all files were skipped for one reason: {report.skipped_all_for}", style="bold red")
        )
    lines += stop_lines(report)
    return lines


def _missing(report: BatchReport, mirror: str) -> Text:
    """Return how many files the output folder lacks."""
    is_or_are = "is" if report.not_in_mirror == 1 else "are"
    missing = f"{format_count(report.not_in_mirror, 'file')} {is_or_are} NOT in {safe_text(mirror)}"
    can_copy = sum(report.skip_codes[code] for code in COPYABLE) - report.copied[Status.SKIPPED]
    hint = f"; --copy-skipped copies {format_count(can_copy)} of them" if can_copy else ""
    return Text(f"{missing}: see skipped and failed above{hint}", style="bold red")


def note_lines(report: BatchReport) -> list[Text]:
    """Return the most common notes, with the number of files that each is about."""
    notes = report.notes.most_common(MAX_LISTED)
    return [named_line("note", f"{format_count(count)} × {note}", "dim") for note, count in notes]


def failure_lines(report: BatchReport) -> list[Text]:
    """Return the lines about files that failed, by reason and sequence, in path order.

    Damage that a check has found is a result, not a failure of the check.
    """
    missing = [each.path for each in report.failures if each.reason == MISSING_FRAME]
    names = sequence_names(missing)
    lines = [named_line("missing", f"{name}{_number(files)}", "bold red") for name, files in names[:MAX_LISTED]]
    if more := sum(named.files for named in names[MAX_LISTED:]):
        lines.append(named_line("missing", f"and {format_count(more, 'more file')}", "bold red"))
    failed = [each for each in report.failures if each.status is Status.FAILED and not each.damage]
    rest = [each for each in failed if each.reason != MISSING_FRAME]
    return lines + listed("failed", rest, report.counts[Status.FAILED] - report.damaged - len(missing), "bold red")


def counts_line(report: BatchReport) -> Text:
    """Return how many files ended in each way.

    Files that were copied to the output because they need no change are called that.
    """
    words: list[tuple[str, str]] = []
    copied = report.copied[Status.ALREADY] + report.copied[Status.NO_GAIN]
    for status in Status:
        count, copies = report.counts[status], report.copied[status]
        if status is Status.SKIPPED:
            also = f" ({format_count(copies)} copied)" if copies else ""
        else:
            count, also = count - copies, ""
        if count:
            word = _WORDS[status].replace("recompressed", RESTORED) if report.is_undo else _WORDS[status]
            words.append((f"{format_count(count)} {word}{also}", STYLES[status]))
    if copied:
        words.append((f"{format_count(copied)} copied", "green"))
    return count_line(report, words)


def count_line(report: BatchReport, words: Sequence[tuple[str, str]]) -> Text:
    """Return the line with the number of files.

    Args:
        report: the totals of the run.
        words: how many files ended in which way, each with its style; empty if there were none.
    """
    if not words:
        is_stopped = report.stop_reason is not None or report.signal_number is not None
        found = "no file was processed" if is_stopped else "no OpenEXR files found"
        left_out = format_count(report.left_out, "file")
        return Text(f"{found}; {left_out} left out by --include, --exclude or size" if report.left_out else found)
    line = Text(f"{format_count(report.files, 'file')}: ", style="bold")
    for index, (word, style) in enumerate(words):
        line.append(", " if index else "", "default not bold").append(word, style)
    return line


def _plan(report: BatchReport) -> list[Text]:
    """Return what a dry run would do: "2,187 files, 1.9 GB: NONE → ZIP 2,100, PIZ → ZIP 87"."""
    if not report.planned:
        return []
    pairs: Counter[str] = Counter()
    for (before, after), count in report.planned.items():
        pairs[_change(before, after)] += count
    counts = ", ".join(f"{change} {format_count(count)}" for change, count in pairs.most_common())
    return [Text(f"{format_count(pairs.total(), 'file')}, {format_size(report.planned_size)}: {counts}", style="green")]


def stop_lines(report: BatchReport) -> list[Text]:
    """Return why the run ended early and how many files remain, if it did."""
    if report.stop_reason is None and report.signal_number is None:
        return []
    least = "at least " if report.may_remain else ""
    rest = f"{least}{format_count(report.remaining, 'file')} {'remains' if report.remaining == 1 else 'remain'}"
    if report.stop_reason is not None:
        gap = " " if report.stop_reason.startswith(BY_USER) else ": "
        stopped = Text(f"stopped before the end{gap}{report.stop_reason}; {rest}", style="bold red")
        return [stopped, Text(f"to go on: {report.to_continue}", style="yellow")]
    return [Text(f"stopped before the end: {rest}; to go on: {report.to_continue}", style="yellow")]


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


def listed(
    word: str, reports: Sequence[FileReport], count: int, style: str, hint: str = "--report FILE.jsonl lists them all"
) -> list[Text]:
    """List files by reason and sequence, in path order.

    Lossy sources differ only by their channels, so they have one reason, which is explained once.

    Args:
        word: the beginning of each line.
        reports: the files, or as many of them as are known.
        count: number of all such files.
        style: style of the first word.
        hint: where the user finds those that are not listed; empty for nowhere.
    """
    by_reason: dict[str, list[str]] = {}
    for report in sorted(reports, key=lambda each: each.path):
        reason = report.reason or ""
        if reason.endswith(LOSSY_SOURCE_HINT):
            reason = LOSSY_SOURCE
        by_reason.setdefault(reason, []).append(report.path)
    lines: list[Text] = []
    left = count
    for reason, paths in by_reason.items():
        if len(lines) >= MAX_LISTED:
            break
        names = sequence_names(paths)
        lines += [
            named_line(word, f"{name}{_number(files)}: {reason}", style) for name, files in names[:SHOWN_SEQUENCES]
        ]
        if rest := sum(named.files for named in names[SHOWN_SEQUENCES:]):
            lines.append(named_line(word, f"and {format_count(rest, 'more file')}: {reason}", style))
        if reason == LOSSY_SOURCE:
            lines.append(named_line(LOSSY_SOURCE, LOSSY_SOURCE_HINT, style))
        left -= len(paths)
    if left > 0:
        lines.append(named_line(word, "; ".join(filter(None, (f"and {format_count(left, 'more file')}", hint))), style))
    return lines


def named_line(word: str, text: str, style: str) -> Text:
    """Return a line that begins with a word in a style of its own."""
    return Text(f"{word}: ", style=style).append(text, "not bold not dim default")


def _number(files: int) -> str:
    return f" ({format_count(files)})" if files > 1 else ""


_WORDS = {
    Status.RECOMPRESSED: "recompressed",
    Status.ALREADY: "already",
    Status.NO_GAIN: "no gain",
    Status.SKIPPED: "skipped",
    Status.FAILED: "failed",
    Status.PLANNED: "would be recompressed",
    Status.EQUAL: "equal",
    Status.DIFFERENT: "different",
    Status.MEASURED: "measured",
    Status.SOUND: "sound",
    Status.DIGESTED: "digested",
}


def _sizes(report: BatchReport) -> Text:
    duration = format_duration(report.seconds)
    if Status.PLANNED in report.statuses:
        return Text(f"dry run finished in {duration}: no file was changed", style="bold")
    if not report.saves_bytes and not report.is_undo:
        return Text(f"compared {format_size(report.read_size)} in {duration}; no file was changed", style="bold")
    if not report.replaced_size:
        done = RESTORED if report.is_undo else "recompressed"
        return Text(f"nothing was {done}; finished in {duration}", style="bold")
    seconds = max(report.seconds - report.paused, 1e-9)
    if report.paused >= 1:
        duration = f"{duration}, {format_duration(report.paused)} of it paused"
    before, after = format_size(report.replaced_size), format_size(report.replaced_size - report.saved)
    saving = "" if report.is_undo else f", {format_saving(report.saved, report.saved_share)}"
    change = f"{before} → {after}{saving}"
    speed = f"{report.worked_files / seconds:.1f} files/s, {format_size(report.worked_size / seconds)}/s"
    return Text(f"{change} in {duration} ({speed})", style="bold")
