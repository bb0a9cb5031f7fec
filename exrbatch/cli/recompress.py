"""`exrbatch recompress`, and the records and summary that it shares with `exrbatch verify`."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable

from rich.text import Text

from exrbatch.batch.limits import physical_cores
from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.batch.run_report import EXIT_FAILURES, BatchReport
from exrbatch.cli.console import lasting_console
from exrbatch.cli.driving import drive
from exrbatch.cli.outputs import open_output
from exrbatch.cli.records import REPORT_BEGINNING, GuardedSink, JsonDocument, RecordFile, Sink
from exrbatch.cli.summary import file_line, release_note, summary_lines, waiting_line


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch recompress`; return the exit code."""
    options = Options.parse(
        compression=arguments.compression,
        readers=arguments.readers,
        allow_lossy=arguments.allow_lossy,
        include_lossy_sources=arguments.include_lossy_sources,
        allow_aces=arguments.allow_aces,
        verify=arguments.verify,
        verify_cold=arguments.verify_cold,
        effort=arguments.effort,
        output=arguments.output,
        include=tuple(arguments.include),
        exclude=tuple(arguments.exclude),
        force=arguments.force,
        dry_run=arguments.dry_run,
        jobs=arguments.jobs,
        hardlinks=arguments.hardlinks,
        backup_dir=arguments.backup_dir,
        keep_backups=arguments.keep_backups,
        file_timeout=arguments.file_timeout,
    )
    return show_run(Run(arguments.paths, options), arguments)


def show_run(
    run: Run,
    arguments: argparse.Namespace,
    report: BatchReport | None = None,
    summarize: Callable[[BatchReport], list[Text]] | None = None,
) -> int:
    """Drive a run, write its records, print its summary, and return the exit code.

    Args:
        run: the run; it has not started yet.
        arguments: the options added by `add_reporting`.
        report: totals to add to; None for new ones.
        summarize: returns the lines of the summary; None for that of `cli.summary`.
    """
    console = lasting_console(sys.stderr if arguments.json else sys.stdout)
    if (needs := release_note(run.options.rules)) is not None:
        console.print(needs)
    for note in map(Text, run.notes):
        console.print(note, style="yellow")
    guarded: list[GuardedSink] = []
    if arguments.report is not None:
        records = open_output(arguments.report, REPORT_BEGINNING, "--report")
        guarded.append(GuardedSink(RecordFile(records).add, lambda _report: records.close()))
    if arguments.json:
        document = JsonDocument(sys.stdout)
        guarded.append(GuardedSink(document.add, document.close))
    shown: list[Sink] = [lambda report: console.print(file_line(report))] if arguments.verbose else []
    sinks = [*(sink.add for sink in guarded), *shown]
    report = drive(run, console, quiet=arguments.quiet, sinks=sinks, report=report)
    for sink in guarded:
        sink.finish(report)
    is_comparison = run.options.other is not None
    for line in summarize(report) if summarize else summary_lines(report, is_comparison=is_comparison):
        console.print(line)
    if run.is_remote and (advice := waiting_line(report, run.jobs, physical_cores())) is not None:
        console.print(advice)
    _settle_stdout()
    if any(sink.error is not None for sink in guarded):
        return report.exit_code or EXIT_FAILURES
    return report.exit_code


def _settle_stdout() -> None:
    """Flush stdout; if its reader is gone, discard the rest.

    Otherwise the interpreter would print an error when it exits.
    """
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
