"""`exrbatch retry`: process again what failed in an earlier run, or may succeed now."""

import argparse

from exrbatch.batch.run import Run
from exrbatch.cli.console import Output
from exrbatch.cli.earlier_run import arguments_of, past_run
from exrbatch.cli.recompress import about, options_of, show_run
from exrbatch.errors import ReasonCode
from exrbatch.jobs.file_report import Status
from exrbatch.journal.history import PastRun
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
    past = past_run(arguments.run)
    again = arguments_of(past)
    paths = to_retry(past)
    if not paths:
        Output(is_json=again.json).progress.print(
            f"nothing failed in {safe_text(past.name)}: nothing to do", markup=False
        )
        return 0
    return show_run(Run((), options_of(again), about(again), listed=paths), again)


def to_retry(past: PastRun) -> list[str]:
    """List the files of a run that failed, were being replaced when it died, or may succeed now."""
    wanted = [
        file.path
        for file in past.files.values()
        if file.status == Status.FAILED or (file.status == Status.SKIPPED and file.reason_code in MAY_PASS)
    ]
    return [*wanted, *past.unfinished]
