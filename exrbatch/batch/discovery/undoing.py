"""Tell each candidate what it was before an earlier run that is to be undone."""

from collections.abc import Iterable, Iterator, Mapping

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.errors import ReasonCode
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.jobs.restoring import Restore


def with_restores(
    found: Iterable[Candidate | FileReport], restore: Mapping[str, Restore]
) -> Iterator[Candidate | FileReport]:
    """Yield what was found, with what each file was before.

    Args:
        found: candidates and reports.
        restore: what each file was, by path.
    """
    for each in found:
        if isinstance(each, FileReport):
            yield each
        elif (before := restore.get(each.path)) is not None:
            yield each._replace(restore=before)
        else:  # a link has taken the place of the file
            reason = "not a file that the run has replaced"
            yield FileReport(path=each.path, status=Status.SKIPPED, reason=reason, reason_code=ReasonCode.CHANGED)
