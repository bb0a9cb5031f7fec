"""From the error that ended a file to its report: the one place that decides what is skipped and what has failed."""

import errno
import os
from dataclasses import replace
from typing import Any

from exrbatch.errors import (
    ExrbatchError,
    InvalidFile,
    NeedsMemory,
    NoSpace,
    ReplaceFailed,
    SourceChanged,
    UnsupportedFile,
)
from exrbatch.jobs.file_report import FileReport, Status, failed
from exrbatch.jobs.plan import FilePlan, Task
from exrbatch.jobs.preconditions import BEING_WRITTEN, is_being_written

_SKIPPED = {"status": Status.SKIPPED}
# By class of the error, the first that fits: what the report has besides the reason. FAILED is the default.
_OUTCOMES: tuple[tuple[type[BaseException], dict[str, Any]], ...] = (
    (NeedsMemory, _SKIPPED | {"retry_alone": True}),
    (UnsupportedFile, _SKIPPED),
    (SourceChanged, _SKIPPED),
    (NoSpace, _SKIPPED | {"retry_alone": True, "disk_is_full": True}),
    (FileNotFoundError, _SKIPPED),
    (Exception, {}),
)


def outcome_of(error: Exception, plan: FilePlan) -> FileReport:
    """Make the report of a file that ended with an error. An error that nobody expected is a bug of ours."""
    report = failed(plan, _reason(error, plan), size_of(plan.source))
    if isinstance(error, InvalidFile) and plan.task is Task.RECOMPRESS and is_being_written(plan.source):
        return replace(report, status=Status.SKIPPED, reason=BEING_WRITTEN)
    report = replace(report, **next(fields for kind, fields in _OUTCOMES if isinstance(error, kind)))
    if isinstance(error, ReplaceFailed) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        report = replace(report, disk_is_full=True)
    if plan.task is Task.COMPARE and report.status is Status.SKIPPED:
        report = replace(report, status=Status.FAILED)  # what was not compared is not equal
    return report


def _operation(error: OSError, plan: FilePlan) -> str:
    """Name what failed: calls that are given a path, but for opening the source, look at something."""
    if error.filename is None:
        return "can't read it"
    return "can't open it" if error.filename == plan.source else f"can't look at {error.filename}"


def _reason(error: Exception, plan: FilePlan) -> str:
    if isinstance(error, ExrbatchError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "removed before it could be processed"
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError):
        return f"{_operation(error, plan)}: {error.strerror}"
    return f"internal error: {type(error).__name__}: {error}"


def size_of(path: str) -> int:
    """Return the bytes of a file, 0 where that can't be told."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
