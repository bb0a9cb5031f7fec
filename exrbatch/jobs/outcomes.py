"""Turn the error that ended a job into a report.

The table in this module decides which errors mean SKIPPED and which mean FAILED. A kind of job may
deviate from it in its method `outcome`.
"""

import errno
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from exrbatch.errors import (
    ExrbatchError,
    NeedsMemory,
    NoSpace,
    ReasonCode,
    ReplaceFailed,
    SourceChanged,
    UnsupportedFile,
)
from exrbatch.jobs.file_report import FileReport, Status, failed, size_of

if TYPE_CHECKING:
    from exrbatch.jobs.job import Job

_SKIPPED = {"status": Status.SKIPPED}
# Fields of the report for each class of errors. The first class that matches applies. Without a
# status in the fields, it is FAILED.
_OUTCOMES: tuple[tuple[type[BaseException], dict[str, Any]], ...] = (
    (NeedsMemory, _SKIPPED | {"retry_alone": True}),
    (UnsupportedFile, _SKIPPED),
    (SourceChanged, _SKIPPED),
    (NoSpace, _SKIPPED | {"retry_alone": True, "disk_is_full": True}),
    (FileNotFoundError, _SKIPPED),
    (Exception, {}),
)


def outcome_of(error: Exception, job: "Job") -> FileReport:
    """Return the report of a job that ended with an error.

    An unexpected error is a bug in exrbatch. It is reported as an internal error.
    """
    report = failed(job, _reason(error, job), _code(error), size_of(job.source))
    report = replace(report, **next(fields for kind, fields in _OUTCOMES if isinstance(error, kind)))
    if isinstance(error, OSError | ReplaceFailed):
        report = replace(report, errno=error.errno)
    if isinstance(error, ReplaceFailed) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        report = replace(report, disk_is_full=True, reason_code=ReasonCode.NO_SPACE)
    return report


def _operation(error: OSError, job: "Job") -> str:
    """Return what failed, in words.

    An error without a path comes from reading. An error with the path of the source comes from
    opening it. Any other path comes from a stat or a similar call.
    """
    if error.filename is None:
        return "can't read it"
    return "can't open it" if error.filename == job.source else f"can't access {error.filename}"


def _code(error: Exception) -> ReasonCode:
    if isinstance(error, ExrbatchError):
        return error.code
    codes = (
        (FileNotFoundError, ReasonCode.CHANGED),
        (MemoryError, ReasonCode.MEMORY),
        (OSError, ReasonCode.READ_ERROR),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), ReasonCode.INTERNAL)


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
