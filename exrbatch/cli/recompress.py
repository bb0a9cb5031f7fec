"""The main command: drive a run, show it, sum it up."""

import argparse
import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from exrbatch.batch.options import Options, parse_effort, parse_target, parse_verify
from exrbatch.batch.report import BatchReport, RecordFile
from exrbatch.batch.run import Run
from exrbatch.batch.scheduler import StopRequest
from exrbatch.batch.start import STOP_SIGNALS
from exrbatch.cli.summary import file_line, release_note, summary_lines
from exrbatch.dashboard import Dashboard, plain_line
from exrbatch.errors import OptionsError
from exrbatch.file.report import FileReport

Sink = Callable[[FileReport], None]
"""Gets each file's report as the file ends."""
PLAIN_SECONDS = 30.0
"""Between two lines when the output is no terminal."""


def run_recompress(arguments: argparse.Namespace) -> int:
    """Run `exrbatch recompress`; return the exit code."""
    compression, prefer = parse_target(arguments.compression)
    options = Options(
        compression=compression,
        prefer=prefer,
        readers=arguments.readers,
        allow_lossy=arguments.allow_lossy,
        include_lossy_sources=arguments.include_lossy_sources,
        allow_aces=arguments.allow_aces,
        verify=parse_verify(arguments.verify),
        verify_cold=arguments.verify_cold,
        effort=parse_effort(arguments.effort),
        output=arguments.output,
        include=tuple(arguments.include),
        exclude=tuple(arguments.exclude),
        force=arguments.force,
        dry_run=arguments.dry_run,
        jobs=arguments.jobs,
    )
    run = Run(arguments.paths, options)
    console = Console(stderr=arguments.json, highlight=False, soft_wrap=True)
    if (note := release_note(options)) is not None:
        console.print(note)
    with contextlib.ExitStack() as stack:
        sinks: list[Sink] = []
        if arguments.report is not None:
            sinks.append(RecordFile(stack.enter_context(_open_report(arguments.report))).add)
        document = JsonDocument(sys.stdout) if arguments.json else None
        if document is not None:
            sinks.append(document.add)
        if arguments.verbose:
            sinks.append(lambda report: console.print(file_line(report)))
        report = drive(run, console, quiet=arguments.quiet, sinks=sinks)
        if document is not None:
            document.close(report)
    for line in summary_lines(report):
        console.print(line)
    return report.exit_code


def drive(run: Run, console: Console, *, quiet: bool = False, sinks: Sequence[Sink] = ()) -> BatchReport:
    """Run to the end with a live dashboard (on a terminal) or a plain line now and then; return the totals."""
    report = BatchReport()
    is_live = console.is_terminal and not console.is_dumb_terminal and not quiet
    next_line = time.monotonic() + PLAIN_SECONDS
    with contextlib.ExitStack() as stack:
        stack.enter_context(_interrupts(run.stop, console))
        if is_live:
            stack.enter_context(Live(Dashboard(run, report), console=console, refresh_per_second=4))
        for finished in run.events():
            if finished is not None:
                report.add(finished)
                for sink in sinks:
                    sink(finished)
            if not is_live and not quiet and time.monotonic() >= next_line:
                next_line += PLAIN_SECONDS
                console.print(Text(plain_line(run, report)))
        report.signal_number = run.stop.signal_number
    return report


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


def _open_report(path: str) -> TextIO:
    try:
        return open(path, "w", encoding="utf-8")
    except OSError as error:
        raise OptionsError(f"can't write the report {path}: {error.strerror}") from None


@contextlib.contextmanager
def _interrupts(stop: StopRequest, console: Console) -> Iterator[None]:
    """First Ctrl-C, SIGTERM or SIGHUP: finish what runs. Second: stop now."""

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.signal_number is not None:
            raise KeyboardInterrupt
        stop.signal_number = number
        console.print(Text("finishing the files in work; once more to stop now", style="yellow"))

    before = {number: signal.signal(number, handle) for number in STOP_SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
