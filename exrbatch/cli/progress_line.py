"""Lines on stdout from which a farm reads how far a run is."""

import argparse
import contextlib
import re
import sys
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Self

from exrbatch.batch.run import Run
from exrbatch.batch.run_report import BatchReport
from exrbatch.cli.progress_line_argument import PLACEHOLDER, TEXTS
from exrbatch.errors import OptionsError
from exrbatch.jobs.file_report import BAD
from exrbatch.text import format_count, format_saving

LOOK_SECONDS = 0.5
"""Seconds between two looks at the run, at least."""
_MESSAGES: Mapping[str, Sequence[tuple[str, str]]] = MappingProxyType(
    {
        "openjd": [("openjd_", "openjd-")],
        "tractor": [("(TR|ALF)_(?=[A-Z])", r"\1-")],
        "afanasy": [(r"(?i)\[ (?=PARSER )", "[?"), ("(PROGRESS|FRAME): ", r"\1? "), ("@(?=IMAGE!?@)", "?")],
    }
)
"""What a farm takes for a message, and what stands for it in other texts.

There are messages about more than progress. Tractor lets one replace the exit code, and Afanasy
takes one for the end.
"""


class ProgressLine:
    """Prints the progress of one run, or of several that follow each other.

    The numbers only grow. 100 is printed only if everything is done.

    Attributes:
        is_wanted: whether lines are printed at all.
        share: the part of the whole that the present run is: where it begins and where it ends,
            from 0 to 1.
    """

    def __init__(self, farm: str | None) -> None:
        """Prepare; `farm` is one of `TEXTS`, a text with `PLACEHOLDER`, or None for no lines."""
        self.is_wanted = farm is not None
        self._is_openjd = farm == "openjd"
        self._messages = _MESSAGES.get(farm or "", ())
        self._has_failed = False
        self._text = TEXTS.get(farm or "", farm or "")
        self._digits = 3 if farm == "tractor" else 1
        self._shown = -1
        self._next_look = 0.0
        self.share = 0.0, 1.0

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Self:
        """Return the lines that a command prints.

        Raises:
            OptionsError: stdout is for a JSON document.
        """
        farm = getattr(arguments, "progress_line", None)
        if farm is not None and arguments.json:
            raise OptionsError("--progress-line and --json exclude each other: both write to stdout")
        return cls(farm)

    def look(self, run: Run, report: BatchReport) -> None:
        """Print a line if the number has changed. Called about ten times a second."""
        if not self.is_wanted or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        begin, end = self.share
        self._show(min(99, int(100 * (begin + (end - begin) * _done(run, report)))), report)

    def finish(self, report: BatchReport, code: int) -> None:
        """Print how the run has ended, with this exit code."""
        self._has_failed |= code != 0
        if code == 0:
            self._show(min(99 if self._has_failed else 100, int(100 * self.share[1] + 1e-6)), report)
        elif self._is_openjd:
            self._print(f"openjd_fail: {_failure(report)}")

    def _show(self, percent: int, report: BatchReport) -> None:
        if not self.is_wanted or percent <= self._shown:
            return
        self._shown = percent
        self._print(self._text.replace(PLACEHOLDER, f"{percent:0{self._digits}}"))
        if self._is_openjd:
            saved = format_saving(report.saved) if report.saves_bytes else "changing no file"
            self._print(f"openjd_status: {format_count(report.files, 'file')} done, {saved}")

    def _print(self, line: str) -> None:
        with contextlib.suppress(OSError):  # nobody reads it any more
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    def harmless(self, text: str) -> str:
        """Change a text for stderr so that it can't be taken for a message to the farm.

        Farms read both streams as one, and the name of a file may look like such a message.
        """
        for pattern, replacement in self._messages:
            text = re.sub(pattern, replacement, text)
        if self._messages:
            return text
        before, _, after = self._text.partition(PLACEHOLDER)
        if not (before + after).strip():
            return text
        return re.sub(rf"({re.escape(before)})\d+({re.escape(after)})", r"\1?\2", text)


def _done(run: Run, report: BatchReport) -> float:
    """Return which part of a run is done, from 0 to 1; 0 until all its files are known."""
    if not run.backlog.is_complete:
        return 0.0
    if not run.backlog.size:
        return report.files / max(1, run.backlog.files)
    size = report.done_size + sum(row.done_size for row in run.running())
    return min(1.0, size / run.backlog.size)


def _failure(report: BatchReport) -> str:
    """Return in a few words why a run has not succeeded. Names of files are left out."""
    if report.signal_number is not None:
        return f"stopped by signal {report.signal_number}, {format_count(report.remaining, 'file')} left"
    if report.stop_reason is not None:
        return f"stopped before the end, {format_count(report.remaining, 'file')} left"
    failed = sum(report.counts[status] for status in BAD)
    if not failed:
        return "see the summary on stderr"
    return f"{format_count(failed, 'file')} of {format_count(report.files)} failed"
