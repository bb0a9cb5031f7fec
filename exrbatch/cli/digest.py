"""`exrbatch digest PATH...`: print the content digest of every file."""

import argparse
import contextlib
import os
import sys

from rich.text import Text

from exrbatch.batch.digest_list import entry
from exrbatch.batch.discovery.roots import Roots
from exrbatch.batch.options import Options
from exrbatch.batch.priority import niceness
from exrbatch.batch.run import Run
from exrbatch.batch.run_limits.limits import FailOn
from exrbatch.batch.run_report import EXIT_FAILURES, EXIT_STOPPED, BatchReport
from exrbatch.cli.shown_run import about, show_run
from exrbatch.cli.summary import counts_line, listed, note_lines, stop_lines
from exrbatch.jobs.digest_job import DigestRules
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.paths import absolute
from exrbatch.text import format_duration, format_size, safe_text

SIGNALS = 128
"""Exit codes above this are those of runs that a signal has stopped."""


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch digest`; return the exit code."""
    options = Options(
        rules=DigestRules(),
        include=tuple(arguments.include),
        exclude=tuple(arguments.exclude),
        jobs=arguments.jobs,
        file_timeout=arguments.file_timeout,
        fail_on=FailOn.parse(arguments.fail_on),
        nice=niceness(None),
    )
    run_of_all = Run(arguments.paths, options, about(arguments))
    listing = _Listing(run_of_all.roots)
    code = show_run(run_of_all, arguments, summary_lines, sinks=[listing.add], is_stdout_taken=True)
    if arguments.json:
        return code
    if not listing.print(ends_with_nul=arguments.null):
        return code or EXIT_FAILURES
    if code == EXIT_STOPPED or code > SIGNALS:
        print("exrbatch: the list is incomplete", file=sys.stderr)
    return code


def summary_lines(report: BatchReport) -> list[Text]:
    """Return the lines of the summary of digests, without those of `failure_lines`."""
    lines = note_lines(report)
    different = [each for each in report.failures if each.status is Status.DIFFERENT]
    lines += listed("different", different, report.counts[Status.DIFFERENT], "bold red")
    lines += listed("skipped", report.skipped, report.counts[Status.SKIPPED], "yellow")
    lines.append(counts_line(report))
    size, seconds = format_size(report.read_size), max(report.seconds, 1e-9)
    speed = format_size(report.read_size / seconds)
    lines.append(Text(f"{size} read in {format_duration(seconds)} ({speed}/s); no file was changed", style="bold"))
    return lines + stop_lines(report)


class _Listing:
    """The list for stdout. It is sorted by path, so that equal trees give equal lists.

    Paths are relative to the folder that is common to all arguments, as in an output folder.
    """

    def __init__(self, roots: Roots) -> None:
        named = [path for path in roots.paths if not os.path.islink(path)]
        self._base = roots.base
        # A file that is named through a link only is found as its target.
        links = {os.path.realpath(path): path for path in roots.paths if os.path.islink(path)}
        self._links = {target: link for target, link in links.items() if target not in map(os.path.realpath, named)}
        self._found: list[tuple[str, str]] = []

    def add(self, report: FileReport) -> None:
        """Note the digest of a file, if it has one."""
        if report.content_sha256 is not None:
            path = absolute(self._links.get(report.path, report.path))
            self._found.append((os.path.relpath(path, self._base), report.content_sha256))

    def print(self, *, ends_with_nul: bool) -> bool:
        """Print the list on stdout. If that fails, say so, and return False."""
        entries = [entry(digest, path, ends_with_nul=ends_with_nul) for path, digest in sorted(self._found)]
        try:
            if sys.stdout.isatty():  # a name could send commands to the terminal
                sys.stdout.writelines(safe_text(os.fsdecode(each[:-1])) + "\n" for each in entries)
            else:
                sys.stdout.flush()
                sys.stdout.buffer.writelines(entries)
            sys.stdout.flush()
        except OSError as error:
            with contextlib.suppress(OSError):
                print(f"exrbatch: can't write the list: {error.strerror}", file=sys.stderr)
            return False
        return True
