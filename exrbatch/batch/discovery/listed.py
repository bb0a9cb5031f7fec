"""Compare what a run finds with a list of files that must be there."""

import os
from collections.abc import Collection, Iterator

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.discovery.discover import as_failed, examine
from exrbatch.batch.discovery.selection import Selection
from exrbatch.errors import ReasonCode
from exrbatch.jobs.file_report import FileReport, Status


def with_listed(
    found: Iterator[Candidate | FileReport], listed: Collection[str], root: str, selection: Selection
) -> Iterator[Candidate | FileReport]:
    """Add what a list names and the scan has not found.

    Args:
        found: what the scan finds.
        listed: paths of the list, spelled as the scan spells them.
        root: the folder that is walked, or the only file.
        selection: selects files by their path below the root, as for the scan. The list may name
            more files.

    Yields:
        what the scan finds; then a candidate for each listed file that a walk does not take, for
        example because it has no usual suffix, and a report for each one that is not there.
    """
    seen: set[str] = set()
    for each in found:
        if each.path not in listed:
            yield each
            continue
        seen.add(each.path)
        yield as_failed(each)
    for path in listed:
        if path not in seen and selection.takes_file(path[len(root) :].lstrip(os.sep)):
            yield as_failed(examine(path)) if os.path.lexists(path) else _missing(path)


def _missing(path: str) -> FileReport:
    return FileReport(
        path=path, status=Status.FAILED, reason="in the list, but not there", reason_code=ReasonCode.MISSING
    )
