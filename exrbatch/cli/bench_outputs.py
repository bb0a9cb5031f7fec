"""The result files of a benchmark: `--report`, `--csv` and `--html`; and reading them again."""

import argparse
import functools
import os
import sys
from collections.abc import Callable
from typing import ClassVar, TextIO

from exrbatch.bench import page
from exrbatch.bench.exports import CSV_HEADER, make_csv
from exrbatch.bench.figures import make_rows
from exrbatch.bench.goal import Goal
from exrbatch.bench.result import BEGINNING, ResultFile, Results, TrialResult, read_results
from exrbatch.cli.outputs import check_output, open_output
from exrbatch.errors import OptionsError
from exrbatch.text import safe_text


def read_run(path: str, option: str) -> Results:
    """Read the results of an earlier benchmark.

    Args:
        path: the file.
        option: the option that named it, for messages.

    Raises:
        OptionsError: the file can't be read, or is something else.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return read_results(file.read(), path)
    except UnicodeDecodeError:
        raise OptionsError(f"{path} is not a result of exrbatch bench ({option})") from None
    except OSError as error:
        raise OptionsError(f"can't read {path}: {error.strerror} ({option})") from None


class Outputs:
    """The result files that the user requested.

    Their paths are checked before the benchmark starts. If a file cannot be written later, a
    message is printed and the benchmark continues.

    Attributes:
        failed: whether a file could not be written.
    """

    BEGINNINGS: ClassVar = {"report": BEGINNING, "csv": CSV_HEADER, "html": page.BEGINNING}

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.failed = False
        self._stream: TextIO | None = None
        self._report: ResultFile | None = None
        self._paths = {name: path for name in self.BEGINNINGS if (path := getattr(arguments, name)) is not None}
        if len({os.path.realpath(path) for path in self._paths.values()}) < len(self._paths):
            raise OptionsError("--report, --csv and --html must name different files")
        for name, path in self._paths.items():
            check_output(path, self.BEGINNINGS[name], f"--{name}")

    def begin(self, results: Results) -> None:
        """Write the head of the report, which is known before the first trial."""
        if "report" in self._paths:
            self._stream = self._open("report")
            self._report = ResultFile(self._stream)
            self._try("report", self._report.begin, results)

    def add(self, result: TrialResult) -> None:
        """Write the result of one trial to the report."""
        if self._report is not None and not self.failed:
            self._try("report", self._report.add, result)

    def finish(self, results: Results, baseline: Results | None, goal: Goal) -> None:
        """Write the CSV file and the page, which need all trials, and close the report."""
        if self._stream is not None:
            self._try("report", self._stream.close)
        rows = make_rows(results)
        make_page = functools.partial(page.make_page, results, baseline=baseline, goal=goal)
        for name, text in (("csv", make_csv), ("html", make_page)):
            if name in self._paths:
                self._try(name, self._write, name, text(rows))

    def _open(self, name: str) -> TextIO:
        return open_output(self._paths[name], self.BEGINNINGS[name], f"--{name}")

    def _write(self, name: str, text: str) -> None:
        with self._open(name) as stream:
            stream.write(text)

    def _try(self, name: str, step: Callable[..., object], *arguments: object) -> None:
        try:
            step(*arguments)
        except (OSError, OptionsError) as error:
            self.failed = True
            reason = error.strerror if isinstance(error, OSError) else str(error)
            print(f"exrbatch: can't write {safe_text(self._paths[name])}: {reason}", file=sys.stderr)
