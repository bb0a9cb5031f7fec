"""The main command: drive a run, show it, sum it up."""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType, TracebackType
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from exrbatch.batch.limits import physical_cores
from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.batch.run_report import EXIT_FAILURES, BatchReport, RecordFile
from exrbatch.batch.scheduler import StopRequest
from exrbatch.batch.workers.forkserver import STATUS_SIGNALS, STOP_SIGNALS
from exrbatch.cli.console import lasting_console
from exrbatch.cli.outputs import open_output
from exrbatch.cli.summary import file_line, release_note, summary_lines, waiting_line
from exrbatch.dashboard import STOPPING, Dashboard, plain_line
from exrbatch.jobs.file_report import FileReport

Sink = Callable[[FileReport], None]
"""Gets each file's report as the file ends."""
REPORT_BEGINNING = '{"type": "file"'
"""How every report begins."""
PLAIN_SECONDS = 30.0
"""Between two lines when the output is no terminal."""


def run_recompress(arguments: argparse.Namespace) -> int:
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


def show_run(run: Run, arguments: argparse.Namespace, report: BatchReport | None = None) -> int:
    """Drive a run as the options for reporting say; return the exit code."""
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
    for line in summary_lines(report):
        console.print(line)
    if run.is_remote and (advice := waiting_line(report, run.jobs, physical_cores())) is not None:
        console.print(advice)
    _settle_stdout()
    if any(sink.error is not None for sink in guarded):
        return report.exit_code or EXIT_FAILURES
    return report.exit_code


def drive(
    run: Run,
    console: Console,
    *,
    quiet: bool = False,
    sinks: Sequence[Sink] = (),
    report: BatchReport | None = None,
) -> BatchReport:
    """Run to the end with a live dashboard (on a terminal) or a plain line now and then; return the totals."""
    report = report or BatchReport()
    status = _StatusLine(console, run, report)
    is_live = console.is_terminal and not console.is_dumb_terminal and not quiet
    next_line = time.monotonic() + PLAIN_SECONDS
    with contextlib.ExitStack() as stack:
        stack.enter_context(_interrupts(run.stop, None if is_live else console))
        stack.enter_context(status)
        if is_live:
            stack.enter_context(Live(Dashboard(run, report), console=console, refresh_per_second=4))
        stack.enter_context(_killed_on_error(run))
        for finished in run.events():
            if finished is not None:
                report.add(finished)
                for sink in sinks:
                    sink(finished)
            if not is_live and not quiet and time.monotonic() >= next_line:
                next_line += PLAIN_SECONDS
                status.is_wanted = True
            status.print_if_wanted()
    report.signal_number, report.stop_reason = run.stop.signal_number, run.stop.reason
    return report


class _StatusLine:
    """Prints one line about the run: now and then, and when SIGUSR1 (on BSD and macOS also SIGINFO) asks for it.

    Attributes:
        is_wanted: whether one is to be printed at the next opportunity.
    """

    def __init__(self, console: Console, run: Run, report: BatchReport) -> None:
        self._console, self._run, self._report = console, run, report
        self.is_wanted = False

    def __enter__(self) -> "_StatusLine":
        for number in STATUS_SIGNALS:
            signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in STATUS_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # one that comes late must not end the process

    def print_if_wanted(self) -> None:
        """Print the line if somebody asked for it."""
        if self.is_wanted:
            self.is_wanted = False
            self._console.print(Text(plain_line(self._run, self._report)))

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.is_wanted = True


@contextlib.contextmanager
def _killed_on_error(run: Run) -> Iterator[None]:
    """Stop the workers at once when the second signal, or an error, comes between two events of the run."""
    try:
        yield
    except BaseException:
        run.kill()
        raise


def _settle_stdout() -> None:
    """Write what is left, or forget it where nobody reads any more: else the interpreter complains at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class GuardedSink:
    """Passes reports on until that fails once; then warns, and the job goes on without. `error`: what failed."""

    def __init__(self, add: Sink, finish: Callable[[BatchReport], None]) -> None:
        self._add = add
        self._finish = finish
        self.error: OSError | None = None

    def add(self, report: FileReport) -> None:
        """Pass one report on."""
        if self.error is None:
            self._try(lambda: self._add(report))

    def finish(self, report: BatchReport) -> None:
        """Write the end and close, also after a failure."""
        self._try(lambda: self._finish(report))

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except OSError as error:
            if self.error is None:
                with contextlib.suppress(OSError):
                    print(f"exrbatch: can't write the report any more: {error.strerror}", file=sys.stderr)
            self.error = error


class JsonDocument:
    """The one document of --json, written while the run goes on: memory does not grow with the files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._separator = '{"files": [\n'

    def add(self, report: FileReport) -> None:
        """Write one file's record."""
        self._stream.write(self._separator + json.dumps(report.to_json()))
        self._separator = ",\n"

    def close(self, report: BatchReport) -> None:
        """Write the totals and end the document."""
        opening = self._separator if self._separator.startswith("{") else "\n"
        self._stream.write(f'{opening}], "summary": {json.dumps(report.to_json())}}}\n')
        self._stream.flush()


@contextlib.contextmanager
def _interrupts(stop: StopRequest, console: Console | None) -> Iterator[None]:
    """First Ctrl-C, SIGTERM or SIGHUP: finish what runs, and say so unless the dashboard does. Second: stop now."""

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.signal_number is not None:
            for each in STOP_SIGNALS:
                signal.signal(each, signal.SIG_IGN)  # the third must not disturb the removal of temp files
            raise KeyboardInterrupt
        stop.signal_number = number
        if console is not None:
            console.print(Text(STOPPING, style="yellow"))

    # What was ignored when we started, as by nohup, stays ignored.
    heard = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in heard}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
