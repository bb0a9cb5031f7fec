"""The figures of `exrbatch report` as text for a terminal."""

import shlex
import time

from rich.text import Text

from exrbatch.cli.report_figures import Figures, Reason
from exrbatch.dashboard import STYLES
from exrbatch.jobs.file_report import Status
from exrbatch.journal.history import PastRun
from exrbatch.journal.records import read_list, read_path
from exrbatch.text import format_count, format_duration, format_saving, format_size, safe_text

MOST_SEQUENCES = 20
MOST_NAMES = 5
MOST_REASONS = 20
MOST_PATHS = 2
_INTERRUPTED = {129: "interrupted (terminal closed)", 130: "interrupted (Ctrl-C)", 143: "interrupted (SIGTERM)"}
_ORDER = [status.value for status in Status]


def report_lines(figures: Figures) -> list[Text]:
    """Return the lines of a report."""
    lines = [Text(run_line(run), style="bold red" if run.state == "died" else "") for run in figures.runs]
    lines += [Text(counts_text(figures), style="bold"), Text(saving_text(figures), style="bold green")]
    lines += _sequences(figures)
    if figures.slowest:
        lines += [Text(), Text("slowest files", style="bold")]
        lines += [
            Text(f"  {format_duration(file.seconds):>9}  {format_size(file.size_before):>9}  {safe_text(file.path)}")
            for file in figures.slowest[:5]
        ]
    return lines + _problems(figures)


def run_line(run: PastRun, *, has_figures: bool = False) -> str:
    """Return one line about a run: when it began, what it was, and how it ended.

    Args:
        run: the run.
        has_figures: also say how many files it processed, and what it saved.
    """
    figures = f", {_figures(run)}" if has_figures else ""
    what = " ".join([safe_text(str(run.about.get("command", ""))), *_paths(run)])
    return f"{safe_text(run.name)}  {began_text(run)}  {what}  {duration_text(run)}{figures}: {ending(run)}"


def began_text(run: PastRun) -> str:
    """Return when a run began, as a clock here has shown it."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(run.began)) if run.began else "unknown time"


def duration_text(run: PastRun) -> str:
    """Return how long a run took; empty if that is unknown."""
    return format_duration(max(0.0, run.last_seen - run.began)) if run.began else ""


def command_text(run: PastRun) -> str:
    """Return the command line of a run; for a program that used the library, its function."""
    if arguments := read_list(run.about, "arguments"):
        return safe_text(shlex.join(["exrbatch", *arguments]))
    return safe_text(str(run.about.get("command", "")))


def _paths(run: PastRun) -> list[str]:
    if len(run.roots) <= MOST_PATHS:
        return [safe_text(path) for path in run.roots]
    base = read_path(run.about, "base")
    return [format_count(len(run.roots), "path"), *([] if base is None else ["below", safe_text(base)])]


def _figures(run: PastRun) -> str:
    files = format_count(len(run.files), "file")
    saved = sum(file.saved for file in run.files.values())
    return f"{files}, {format_saving(saved)}" if saved > 0 else files


def _remaining(run: PastRun) -> str:
    """Return how many files remained when a run died, by its last status; empty if none says so."""
    last = run.status
    found = last.get("found")
    if not isinstance(found, int) or found <= len(run.files):
        return ""
    least = "" if last.get("is_scanned") else "at least "
    return f"; {least}{format_count(found - len(run.files), 'file')} remained"


def ending(run: PastRun) -> str:
    """Say in words how a run ended."""
    if run.state == "running":
        return "still going on"
    if run.state == "died":
        last = run.last_file
        died = "it died before its first file ended" if last is None else f"it died after {safe_text(last.path)}"
        can_go_on = run.about.get("command") == "recompress" and run.source.stem == run.name
        return f"{died}{_remaining(run)}" + (f"; to go on: exrbatch continue {safe_text(run.name)}" * can_go_on)
    if run.state == "unknown":
        return "not recorded how it ended"
    reason = run.summary.get("stop_reason")
    if isinstance(reason, str):
        return f"stopped before the end: {safe_text(reason)}"
    code = run.summary.get("exit_code")
    if code in (0, 1):
        return "done, with failures" if code else "done"
    return _INTERRUPTED.get(code, f"ended with exit code {code}") if isinstance(code, int) else "ended"


def counts_text(figures: Figures) -> str:
    """Return how many files ended in each way."""
    known = sorted(figures.counts.items(), key=lambda item: _ORDER.index(item[0]) if item[0] in _ORDER else 99)
    words = ", ".join(f"{format_count(count)} {status.replace('_', ' ')}" for status, count in known)
    return f"{format_count(figures.counts.total(), 'file')}: {words}" if words else "no file was processed"


def saving_text(figures: Figures) -> str:
    """Return how much was saved."""
    if not figures.size:
        return "nothing was recompressed"
    after = format_size(figures.size - figures.saved)
    return f"{format_size(figures.size)} → {after}, {format_saving(figures.saved, figures.saved / figures.size)}"


def _sequences(figures: Figures) -> list[Text]:
    if not figures.sequences:
        return []
    lines = [Text(), Text("savings by sequence", style="bold")]
    for each in figures.sequences[:MOST_SEQUENCES]:
        saving = format_saving(each.saved, each.saved / each.size if each.size else 0.0)
        lines.append(Text(f"  {saving:<26} {format_count(each.files, 'file'):>12}  {each.name}"))
    if rest := figures.sequences[MOST_SEQUENCES:]:
        saving = format_saving(sum(each.saved for each in rest))
        lines.append(Text(f"  {saving:<26} in {format_count(len(rest), 'more sequence')}", style="dim"))
    return lines


def _problems(figures: Figures) -> list[Text]:
    if not figures.reasons:
        return []
    lines = [Text(), Text("failed and skipped", style="bold")]
    for each in figures.reasons[:MOST_REASONS]:
        lines += _reason(each)
    if (rest := len(figures.reasons) - MOST_REASONS) > 0:
        lines.append(Text(f"  and {format_count(rest, 'more reason')}; --json and --html have all", style="dim"))
    return lines


def _reason(reason: Reason) -> list[Text]:
    style = STYLES[Status(reason.status)] if reason.status in _ORDER else ""
    first = Text("  ").append(reason.status, style).append(f" ({format_count(reason.files)}): {reason.reason}")
    names = [Text(f"    {name}") for name in reason.names[:MOST_NAMES]]
    if (rest := len(reason.names) - MOST_NAMES) > 0:
        names.append(Text(f"    and {format_count(rest, 'more name')}", style="dim"))
    return [first, *names]
