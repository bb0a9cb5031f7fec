"""The error that ends a file decides its status, and what the run does next."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import errors
from exrbatch.jobs.file_report import Status
from exrbatch.jobs.outcomes import outcome_of
from tests.support.jobs import recompress_job

JOB = recompress_job("/shots/a.exr")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.UnsupportedFile("x"), Status.SKIPPED),
        (errors.NeedsMemory("x"), Status.SKIPPED),
        (errors.SourceChanged("x"), Status.SKIPPED),
        (errors.NoSpace("x"), Status.SKIPPED),
        (FileNotFoundError(errno.ENOENT, "x", "/shots/a.exr"), Status.SKIPPED),
        (errors.InvalidFile("x"), Status.FAILED),
        (errors.CorruptChunk("x"), Status.FAILED),
        (errors.VerificationFailed("x"), Status.FAILED),
        (errors.ReplaceFailed("x"), Status.FAILED),
        (errors.RenameUncertain("x"), Status.FAILED),
        (PermissionError(errno.EACCES, "x", "/shots/a.exr"), Status.FAILED),
        (OSError(errno.EIO, "x"), Status.FAILED),
        (MemoryError(), Status.FAILED),
        (ZeroDivisionError("x"), Status.FAILED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_skips_what_is_no_fault_and_fails_the_rest(error: Exception, status: Status) -> None:
    """A file is skipped if it is sound but left alone; damage, refusals and bugs are failures."""
    report = outcome_of(error, JOB)
    assert (report.status, report.path) == (status, "/shots/a.exr")
    assert report.reason


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_reported_to_the_run(number: int) -> None:
    """ENOSPC and a used-up quota end the run; other errors of the disk do not."""
    assert outcome_of(errors.ReplaceFailed("x", number), JOB).disk_is_full
    assert outcome_of(errors.NoSpace("x"), JOB).disk_is_full
    assert not outcome_of(errors.ReplaceFailed("x", errno.EIO), JOB).disk_is_full
    assert not outcome_of(errors.ReplaceFailed("x"), JOB).disk_is_full


def test_only_a_want_of_memory_or_space_is_tried_again_alone() -> None:
    """Both may be possible when no other file is in progress."""
    again = {
        kind
        for kind in (errors.NeedsMemory, errors.NoSpace, errors.UnsupportedFile, errors.SourceChanged, ValueError)
        if outcome_of(kind("x"), JOB).retry_alone
    }
    assert again == {errors.NeedsMemory, errors.NoSpace}


@given(st.sampled_from([errors.InvalidFile, errors.SourceChanged, ValueError, RuntimeError]), st.text())
def test_every_reason_is_one_printable_line(kind: type[Exception], text: str) -> None:
    """Whatever an error says, its report can be printed as one line."""
    reason = outcome_of(kind(text), JOB).reason
    assert reason is not None
    assert len(reason.splitlines()) <= 1
    assert reason.isprintable()


def test_errors_of_the_system_keep_its_words() -> None:
    """The reason names the other file that the call was about; a bug names its class."""
    other = outcome_of(PermissionError(errno.EACCES, "Permission denied", "/shots/b.exr"), JOB).reason or ""
    assert "/shots/b.exr" in other
    assert "Permission denied" in other
    assert "Permission denied" in (outcome_of(PermissionError(13, "Permission denied"), JOB).reason or "")
    assert "ZeroDivisionError" in (outcome_of(ZeroDivisionError("x"), JOB).reason or "")
