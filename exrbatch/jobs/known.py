"""What an earlier run recorded about a file, where a look at the file's state proves nothing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exrbatch.errors import ReasonCode
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.journal.facts import FileFacts

if TYPE_CHECKING:
    from exrbatch.exr.reader import ExrFile

UNCHANGED = "an earlier run finished it, and it has not changed since"


@dataclass(frozen=True, slots=True)
class Known:
    """How an earlier run with the same options has finished a file in place.

    Attributes:
        status: how it ended: RECOMPRESSED, ALREADY or NO_GAIN.
        size: size of the file in bytes in the end.
        mtime_ns: time of its last change, in nanoseconds since 1970.
        compressions: name of each part's compression in the end.
        tried_size: size in bytes of the new file that was not kept; for NO_GAIN only.
    """

    status: Status
    size: int
    mtime_ns: int
    compressions: tuple[str, ...]
    tried_size: int | None = None

    def report(self, path: str, facts: FileFacts) -> FileReport:
        """Return the report of a file that is finished."""
        return FileReport(
            path=path,
            status=Status.NO_GAIN if self.status is Status.NO_GAIN else Status.ALREADY,
            reason=UNCHANGED,
            reason_code=ReasonCode.RECORDED,
            size_before=facts.size,
            size_after=facts.size,
            tried_size=self.tried_size if self.status is Status.NO_GAIN else None,
            compressions_before=self.compressions,
            compressions_after=self.compressions,
            before=facts,
        )

    def describes(self, source: "ExrFile") -> bool:
        """Return whether an open file has the size, time and compressions that were recorded."""
        compressions = source.header.compression_names
        facts = (source.stat.st_size, source.stat.st_mtime_ns, compressions)
        return facts == (self.size, self.mtime_ns, self.compressions)
