"""Records of a run, written as the files end.

`--report` writes a line of JSON for each file, `--json` one document for all.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable
from typing import TextIO

from exrbatch.batch.run import Run
from exrbatch.batch.run_report import BatchReport
from exrbatch.jobs.file_report import FileReport
from exrbatch.journal.records import Record
from exrbatch.journal.writer import STATUS_SECONDS
from exrbatch.text import timestamp

Sink = Callable[[FileReport], None]
"""A function that gets each file's report when the file ends."""


class RecordFile:
    """A file of JSON lines: a record of the run, one for each file, and the totals.

    Each record is flushed at once. A file without totals is from a run that died.
    """

    def __init__(self, stream: TextIO, about: Record) -> None:
        """Prepare the file.

        Args:
            stream: where to write; `close` closes it.
            about: what is known about the run.
        """
        self._stream, self._about = stream, about
        self._next_status = time.monotonic() + STATUS_SECONDS

    def begin(self) -> None:
        """Write the record of the run."""
        self._write({"type": "run", **self._about})

    def add(self, report: FileReport) -> None:
        """Write the record of one file."""
        self._write({"type": "file"} | report.to_json())

    def look(self, run: Run, report: BatchReport) -> None:
        """Write the status of the run if that is due."""
        if time.monotonic() >= self._next_status:
            self._next_status = time.monotonic() + STATUS_SECONDS
            counts = {str(status): count for status, count in report.counts.items()}
            totals = {"at": timestamp(time.time()), "counts": counts, "bytes_saved": report.saved}
            self._write({"type": "status", **totals, **run.status()})

    def close(self, report: BatchReport) -> None:
        """Write the totals and close the file."""
        self._write({"type": "summary"} | report.to_json())
        self._stream.close()

    def _write(self, record: dict[str, object]) -> None:
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()


class GuardedSink:
    """A sink that is used until a write fails. Then it warns once, and the run continues.

    Attributes:
        error: the last error; None if all writes succeeded.
    """

    def __init__(
        self,
        add: Sink,
        finish: Callable[[BatchReport], None],
        look: Callable[[Run, BatchReport], None] | None = None,
    ) -> None:
        self._add, self._look = add, look
        self._finish = finish
        self.error: OSError | None = None

    def add(self, report: FileReport) -> None:
        """Pass one report on, unless an earlier one failed."""
        if self.error is None:
            self.attempt(lambda: self._add(report))

    def look(self, run: Run, report: BatchReport) -> None:
        """Let the sink write the status of the run, unless an earlier write failed."""
        look = self._look
        if self.error is None and look is not None:
            self.attempt(lambda: look(run, report))

    def finish(self, report: BatchReport) -> None:
        """Write the end and close the sink, even after a failure."""
        self.attempt(lambda: self._finish(report))

    def attempt(self, step: Callable[[], None]) -> None:
        """Take a step of writing. If it fails, warn once."""
        try:
            step()
        except OSError as error:
            if self.error is None:
                with contextlib.suppress(OSError):
                    print(f"exrbatch: can't write the report: {error.strerror}; it is incomplete", file=sys.stderr)
            self.error = error


class JsonDocument:
    """The document of `--json`, written record by record so that memory use stays constant."""

    def __init__(self, stream: TextIO, about: Record) -> None:
        """Prepare the document.

        Args:
            stream: where to write.
            about: what is known about the run.
        """
        self._stream = stream
        self._separator = json.dumps(about)[:-1] + ', "files": [\n'

    def add(self, report: FileReport) -> None:
        """Write one file's record."""
        self._stream.write(self._separator + json.dumps(report.to_json()))
        self._separator = ",\n"

    def close(self, report: BatchReport) -> None:
        """Write the totals and end the document."""
        opening = self._separator if self._separator.startswith("{") else "\n"
        self._stream.write(f'{opening}], "summary": {json.dumps(report.to_json())}}}\n')
        self._stream.flush()
