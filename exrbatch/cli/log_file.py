"""`--log FILE`: progress and failures of runs, with date and time, one run behind the other."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from rich.text import Text

from exrbatch.batch.run import Run
from exrbatch.batch.run_report import BatchReport
from exrbatch.cli.display import beginning
from exrbatch.cli.outputs import check_output, open_output
from exrbatch.dashboard import Snapshot, plain_line
from exrbatch.jobs.file_report import BAD, FileReport
from exrbatch.text import safe_text

LOG_BEGINNING = "# exrbatch log"
"""How a log begins. A file that begins otherwise is never written to."""
LOG_SECONDS = 30.0
"""Seconds between two lines about the progress."""


def check_log(path: str | None) -> None:
    """Check that a log can be written to `path`. Nothing is changed.

    Raises:
        OptionsError: it can't, or something else is there.
    """
    if path is not None:
        check_output(path, LOG_BEGINNING, "--log", appends=True, kind="log")


class LogFile:
    """The log of one run. Each line is flushed at once. After an error, no more is written.

    Attributes:
        error: the first error; None if all lines were written.
    """

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare the log.

        Args:
            stream: where to write, at the end of the file; `close` closes it.
            clock: returns the time in seconds.
        """
        self.error: OSError | None = None
        self._stream, self._clock = stream, clock
        self._next = clock() + LOG_SECONDS
        self._notices = 0

    @classmethod
    def open(cls, path: str, run: Run) -> "LogFile":
        """Open a log, and write the first line of a run; before that a heading if the log is new.

        Raises:
            OptionsError: the log can't be opened.
        """
        is_new = not os.path.exists(path) or os.path.getsize(path) == 0
        log = cls(open_output(path, LOG_BEGINNING, "--log", appends=True, kind="log"))
        log._print(f"{LOG_BEGINNING}\n" if is_new else "")
        log.write(beginning(run))
        return log

    def write(self, line: str) -> None:
        """Write a line."""
        self._print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")

    def _print(self, text: str) -> None:
        if self.error is None:
            try:
                self._stream.write(text)
                self._stream.flush()
            except OSError as error:
                self.error = error
                with contextlib.suppress(OSError):
                    print(f"exrbatch: can't write the log: {error.strerror}; it is incomplete", file=sys.stderr)

    def add(self, report: FileReport) -> None:
        """Write a line about a file that has failed or differs."""
        if report.status in BAD:
            self.write(f"{report.status}: {safe_text(report.path)}: {report.reason}")

    def watch(self, run: Run, report: BatchReport) -> None:
        """Write new notices, and a line about the progress if it is time for one."""
        for notice in run.notices[self._notices :]:
            self._notices += 1
            self.write(notice)
        if self._clock() >= self._next:
            self._next += LOG_SECONDS
            self.write(plain_line(Snapshot.of(run, report)))

    def close(self, report: BatchReport, summary: Sequence[Text]) -> None:
        """Write the summary and the exit code, and close the log."""
        for line in summary:
            self.write(line.plain)
        self.write(f"exit code {report.exit_code}")
        with contextlib.suppress(OSError):
            self._stream.close()
