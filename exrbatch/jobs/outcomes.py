"""From the error that ended a file to its report: the one place that decides what is skipped and what has failed."""

import errno
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from exrbatch.errors import (
    ExrbatchError,
    NeedsMemory,
    NoSpace,
    ReplaceFailed,
    SourceChanged,
    UnsupportedFile,
)
from exrbatch.jobs.file_report import FileReport, Status, failed, size_of

if TYPE_CHECKING:
    from exrbatch.jobs.job import Job

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


def outcome_of(error: Exception, job: "Job") -> FileReport:
    """Make the report of a file that ended with an error. An error that nobody expected is a bug of ours."""
    report = failed(job, _reason(error, job), size_of(job.source))
    report = replace(report, **next(fields for kind, fields in _OUTCOMES if isinstance(error, kind)))
    if isinstance(error, ReplaceFailed) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        report = replace(report, disk_is_full=True)
    return report


def _operation(error: OSError, job: "Job") -> str:
    """Name what failed: calls that are given a path, but for opening the source, look at something."""
    if error.filename is None:
        return "can't read it"
    return "can't open it" if error.filename == job.source else f"can't look at {error.filename}"


def _reason(error: Exception, job: "Job") -> str:
    if isinstance(error, ExrbatchError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "removed before it could be processed"
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError):
        return f"{_operation(error, job)}: {error.strerror}"
    return f"internal error: {type(error).__name__}: {error}"
