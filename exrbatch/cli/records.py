"""Records of a run, written as the files end.

`--report` writes a line of JSON for each file, `--json` one document for all.
"""

import contextlib
import json
import sys
from collections.abc import Callable
from typing import TextIO

from exrbatch.batch.run_report import BatchReport
from exrbatch.jobs.file_report import FileReport

Sink = Callable[[FileReport], None]
"""A function that gets each file's report when the file ends."""
REPORT_BEGINNING = '{"type": "file"'
"""How every `--report` file begins."""


class RecordFile:
    """A file of JSON lines: one typed record per file, flushed when the file ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def add(self, report: FileReport) -> None:
        """Write one record."""
        self._stream.write(json.dumps({"type": "file"} | report.to_json()) + "\n")
        self._stream.flush()


class GuardedSink:
    """A sink that is used until a write fails. Then it warns once, and the run continues.

    Attributes:
        error: the last error; None if all writes succeeded.
    """

    def __init__(self, add: Sink, finish: Callable[[BatchReport], None]) -> None:
        self._add = add
        self._finish = finish
        self.error: OSError | None = None

    def add(self, report: FileReport) -> None:
        """Pass one report on, unless an earlier one failed."""
        if self.error is None:
            self._try(lambda: self._add(report))

    def finish(self, report: BatchReport) -> None:
        """Write the end and close the sink, even after a failure."""
        self._try(lambda: self._finish(report))

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except OSError as error:
            if self.error is None:
                with contextlib.suppress(OSError):
                    print(f"exrbatch: can't write the report: {error.strerror}; it is incomplete", file=sys.stderr)
            self.error = error


class JsonDocument:
    """The document of `--json`, written record by record so that memory use stays constant."""

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
