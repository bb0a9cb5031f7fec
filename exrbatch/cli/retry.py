"""`exrbatch retry`: process again what failed in an earlier run, or may succeed now."""

import argparse
import os

from exrbatch.batch.run import Run
from exrbatch.cli.cluster_arguments import engine_of
from exrbatch.cli.console import Output
from exrbatch.cli.earlier_run import REPEATABLE, arguments_of, past_run
from exrbatch.cli.recompress import options_of
from exrbatch.cli.shown_run import about, show_run
from exrbatch.errors import ReasonCode
from exrbatch.jobs.file_report import Status
from exrbatch.journal.history import PastFile, PastRun
from exrbatch.journal.records import read_path
from exrbatch.text import safe_text

MAY_PASS = (
    ReasonCode.CHANGED,
    ReasonCode.DONE_MEANWHILE,
    ReasonCode.HARD_LINKS,
    ReasonCode.LEFTOVER,
    ReasonCode.MEMORY,
    ReasonCode.NO_SPACE,
    ReasonCode.OPEN_FOR_WRITING,
    ReasonCode.STORAGE,
    ReasonCode.TOO_YOUNG,
    ReasonCode.WRITE_PROTECTED,
)
"""Reasons to skip a file that may no longer apply. Other reasons lie in the file itself."""


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch retry`; return the exit code."""
    past = past_run(arguments.run, of=REPEATABLE)
    again = arguments_of(past, arguments)
    paths = to_retry(past)
    if not paths:
        Output(is_json=again.json).progress.print(
            f"nothing failed in {safe_text(past.name)}: nothing to do", markup=False
        )
        return 0
    with engine_of(again) as engine:
        run = Run((), options_of(again), {**about(again), "retries": past.name}, listed=paths, engine=engine)
        return show_run(run, again)


def to_retry(past: PastRun) -> list[str]:
    """List the files of a run that failed, were being replaced when it died, or may succeed now."""
    wanted = [
        _name_of(file, past)
        for file in past.files.values()
        if file.status == Status.FAILED or (file.status == Status.SKIPPED and file.reason_code in MAY_PASS)
    ]
    return [*wanted, *past.unfinished]


def _name_of(file: PastFile, past: PastRun) -> str:
    """Return the name of a file that has the right place in the output tree.

    A file that was named through a link has the place of the link, but is reported by its own path.
    """
    output, base = read_path(past.about, "output"), read_path(past.about, "base")
    if output is not None and base is not None and file.destination is not None:
        named = os.path.join(base, os.path.relpath(file.destination, output))
        if os.path.islink(named) and os.path.realpath(named) == os.path.realpath(file.path):
            return named
    return file.path
