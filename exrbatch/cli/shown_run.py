"""A run as a command shows it: its progress, its records and its summary."""

import argparse
import sys
from collections.abc import Callable, Sequence

from rich.text import Text

from exrbatch.batch.priority import lowered_session
from exrbatch.batch.resources import physical_cores
from exrbatch.batch.run import Run
from exrbatch.batch.run_report import EXIT_FAILURES, BatchReport
from exrbatch.cli.awake import awake_command, kept_awake
from exrbatch.cli.console import Output
from exrbatch.cli.driving import Watcher, drive
from exrbatch.cli.log_file import LogFile, check_log
from exrbatch.cli.on_finish import run_on_finish
from exrbatch.cli.outputs import open_output, settle_stdout
from exrbatch.cli.progress_line import ProgressLine
from exrbatch.cli.records import GuardedSink, JsonDocument, RecordFile, Sink
from exrbatch.cli.summary import failure_lines, file_line, release_note, summary_lines, waiting_line
from exrbatch.journal.records import BEGINNINGS, Record
from exrbatch.journal.writer import about_run
from exrbatch.signals import STOP_SIGNALS, handled, note_late, restored

NOTHING_TO_DO = "the list of files is empty: nothing to do"


def about(arguments: argparse.Namespace) -> dict[str, object]:
    """Describe a command for its records, with the options that it has used."""
    return {**about_run(arguments.module.rpartition(".")[2]), "options": plain_options(arguments)}


def plain_options(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the value of each option of a command by its name, as far as it can be recorded."""
    plain: dict[str, object] = {
        name: value
        for name, value in vars(arguments).items()
        if isinstance(value, bool | int | float | str | list | None)
    }
    for name in ("module", "uses_workers", "paths", "project_note", "config", "no_config", "preset"):
        plain.pop(name, None)
    return plain


def show_run(
    run: Run,
    arguments: argparse.Namespace,
    summarize: Callable[[BatchReport], list[Text]] = summary_lines,
    *,
    sinks: Sequence[Sink] = (),
    is_stdout_taken: bool = False,
    progress: ProgressLine | None = None,
) -> int:
    """Drive a run, write its records, print its summary, and return the exit code.

    Args:
        run: the run; it has not started yet.
        arguments: the options added by `add_reporting`.
        summarize: returns the lines of the summary, without those of `failure_lines`.
        sinks: functions that get each file's report when the file ends.
        is_stdout_taken: whether the caller prints the results, so that the summary goes to stderr.
        progress: lines for a farm, which take stdout, too; None for those that the arguments ask
            for.
    """
    progress = progress or ProgressLine.of(arguments)
    output = Output(is_json=arguments.json or is_stdout_taken or progress.is_wanted, rewrite=progress.harmless)
    is_empty = not run.roots.paths
    if (needs := release_note(run.options.rules)) is not None and not arguments.quiet and not is_empty:
        output.progress.print(needs)
    for note in map(Text, run.notes):
        output.progress.print(note, style="yellow")
    check_log(arguments.log)
    guarded = _records(arguments, run.about)
    logs = [] if arguments.log is None else [LogFile.open(arguments.log, run)]
    rules = run.options.rules
    shown: list[Sink] = [lambda report: output.print_file(file_line(report, rules))] if arguments.verbose else []
    sinks = [*(sink.add for sink in guarded), *sinks, *shown, *(log.add for log in logs)]
    watchers = [progress.look, *(sink.look for sink in guarded), *(log.watch for log in logs)]
    with restored(STOP_SIGNALS):
        # no worker, journal or socket is needed to do nothing
        report = run.new_totals() if is_empty else _drive(run, arguments, output, sinks, watchers)
        with handled(STOP_SIGNALS, note_late, keep_ignored=True):  # another Ctrl-C must not cut the records off
            for sink in guarded:
                sink.finish(report)
            for log in logs:
                log.close(report, [Text(NOTHING_TO_DO)] if is_empty else [*failure_lines(report), *summarize(report)])
            if is_empty and not arguments.quiet:
                output.progress.print(Text(NOTHING_TO_DO))
            if not (is_empty or (arguments.quiet and report.is_uneventful)):
                _print_summary(run, report, output, summarize)
            settle_stdout()
            is_fine = not any([*(sink.error for sink in guarded), *(log.error for log in logs)])
            if arguments.on_finish is not None:
                command = arguments.module.rpartition(".")[2]
                is_fine = run_on_finish(arguments.on_finish, report, command, arguments.report) and is_fine
    code = report.exit_code if is_fine else report.exit_code or EXIT_FAILURES
    progress.finish(report, code)
    return code


def _drive(
    run: Run, arguments: argparse.Namespace, output: Output, sinks: Sequence[Sink], watchers: Sequence[Watcher]
) -> BatchReport:
    with lowered_session(run.options.nice), kept_awake(awake_command()) as awake:
        if arguments.verbose:
            output.progress.print(Text(awake))
        quiet, verbose = arguments.quiet, arguments.verbose
        return drive(run, output.progress, quiet=quiet, sinks=sinks, watchers=watchers, verbose=verbose)


def _records(arguments: argparse.Namespace, about: Record) -> list[GuardedSink]:
    """Open the records that the user wants: a report file, a JSON document, or both."""
    guarded = []
    if arguments.report is not None:
        records = RecordFile(open_output(arguments.report, BEGINNINGS, "--report", appends=True), about)
        guarded.append(GuardedSink(records.add, records.close, records.look))
        guarded[-1].attempt(records.begin)
    if arguments.json:
        document = JsonDocument(sys.stdout, about)
        guarded.append(GuardedSink(document.add, document.close))
    return guarded


def _print_summary(
    run: Run, report: BatchReport, output: Output, summarize: Callable[[BatchReport], list[Text]]
) -> None:
    if report.signal_number is not None and not report.was_begun:
        output.progress.print(Text("interrupted; no file was changed", style="yellow"))
        return
    for line in failure_lines(report):
        output.progress.print(line)
    for line in summarize(report):
        output.results.print(line)
    if run.is_remote and run.options.limits.bandwidth is None:
        advice = waiting_line(report, run.jobs, physical_cores())
        if advice is not None:
            output.progress.print(advice)
