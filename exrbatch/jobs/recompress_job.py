"""The main kind of job: a file recompressed, in place or to an output. `recompress_steps` does it."""

import os
from dataclasses import dataclass, replace
from typing import ClassVar

from exrbatch.codecs.effort import Effort
from exrbatch.errors import InvalidFile
from exrbatch.exr.compression import Compression
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.jobs.job import Job, Place, Rules, Share
from exrbatch.recompression.choices import DEFAULT_READERS, Hardlinks, Permissions, Prefer, Verify
from exrbatch.recompression.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class RecompressRules(Rules):
    """How every file of a run is recompressed.

    Attributes:
        compression: None for an automatic choice.
        prefer: what the automatic choice goes by.
        readers: the OpenEXR release that must be able to read what it chooses.
        effort: how hard to try.
        force: keep the new file even if it is not smaller, and write over an existing output.
        dry_run: decide, but write nothing.
        permissions: what may be lost, and which files may be taken.
        verify: which decoder verifies the new file.
        verify_cold: read the new file from the disk, not from the page cache, to verify it.
        hardlinks: what to do with files that have several names.
        keep_backups: keep backups for good.
        min_age: seconds since a frame was last written, on storage that can't tell whether it still is.
    """

    replaces_files: ClassVar[bool] = True
    compression: Compression | None = Compression.ZIP
    prefer: Prefer = Prefer.SIZE
    readers: str = DEFAULT_READERS
    effort: Effort = Effort.BALANCED
    force: bool = False
    dry_run: bool = False
    permissions: Permissions = Permissions()
    verify: Verify = Verify.LIBRARY
    verify_cold: bool = False
    hardlinks: Hardlinks = Hardlinks.SKIP
    keep_backups: bool = False
    min_age: float = 60.0

    @property
    def writes(self) -> bool:
        """Whether anything is written."""
        return not self.dry_run

    @property
    def relinks(self) -> bool:
        """Whether all hard links of a file are to be found before it is done."""
        return self.hardlinks is Hardlinks.RELINK

    @property
    def is_one_name_at_a_time(self) -> bool:
        """Whether two names of one file must not be in progress at the same time."""
        return self.hardlinks is Hardlinks.BREAK

    @property
    def seconds_per_megabyte(self) -> float:
        """How long a file may take for each MB: a tenth of the speed of the slowest codec measured."""
        return 40.0 if self.effort is Effort.MAX else 10.0

    @property
    def title(self) -> str:
        """Say what is being done."""
        verb = "planning" if self.dry_run else "recompressing"
        target = self.compression.name if self.compression is not None else f"the best for {self.prefer}"
        return f"{verb} to {target}, effort {self.effort}"

    def job(self, place: Place, share: Share) -> "RecompressJob":
        """Make the job of one file."""
        return RecompressJob(rules=self, place=place, share=share)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecompressJob(Job):
    """One file to be recompressed.

    Attributes:
        rules: how.
        place: where it is, and where the new file and a backup go.
        share: what it may take.
    """

    place: Place
    rules: RecompressRules = RecompressRules()
    share: Share = Share()

    @property
    def source(self) -> str:
        """Path of the file."""
        return self.place.source

    @property
    def destination(self) -> str | None:
        """Path of its output; None to replace it in place."""
        return self.place.destination

    def do(self, progress: Progress) -> FileReport:
        """Recompress it."""
        from exrbatch.jobs.recompress_steps import recompress_file  # heavy: the parent, which makes jobs, starts sooner

        return recompress_file(self, progress)

    def outcome(self, error: Exception) -> FileReport:
        """Make the report of a job that ended with an error: a file that its writer has just begun can't be read."""
        from exrbatch.jobs.preconditions import BEING_WRITTEN, is_being_written

        report = Job.outcome(self, error)
        if isinstance(error, InvalidFile) and is_being_written(self.source):
            return replace(report, status=Status.SKIPPED, reason=BEING_WRITTEN)
        return report

    def folders(self) -> dict[str, str | None]:
        """Tell in which folders temp files may lie; for those of backups, in which folder the frames lie."""
        own = os.path.dirname(self.source) or "."
        folders: dict[str, str | None] = {os.path.dirname(path) or ".": None for path in self.place.hard_links}
        folders[own if self.destination is None else os.path.dirname(self.destination) or "."] = None
        if self.place.backup is not None:
            folders[os.path.dirname(self.place.backup) or "."] = own
        return folders

    def find_result(self, pid: int, size: int) -> FileReport | None:
        """Find out whether a worker that died had put the new file in place."""
        from exrbatch.jobs.aftermath import find_result

        return find_result(self, pid, size)
