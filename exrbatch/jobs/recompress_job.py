"""The main kind of job: recompress a file in place or to an output.

The work itself is in `recompress_steps`.
"""

import os
from dataclasses import dataclass, replace
from typing import ClassVar

from exrbatch.codecs.effort import Effort
from exrbatch.errors import InvalidFile, UnsupportedFile
from exrbatch.exr.compression import Compression
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.jobs.job import Job, Place, Rules, Share
from exrbatch.recompression.choices import DEFAULT_READERS, Hardlinks, Permissions, Prefer, Verify
from exrbatch.recompression.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class RecompressRules(Rules):
    """The rules for recompressing the files of a run.

    Attributes:
        compression: the new compression; None for an automatic choice.
        prefer: goal of the automatic choice.
        readers: the oldest OpenEXR release that must be able to read the chosen compression.
        effort: compression strength.
        force: keep the new file even if it is not smaller, overwrite an existing output, replace
            a write-protected file, and accept the loss of metadata that can't be kept.
        dry_run: make all decisions, but write nothing.
        permissions: what the user has allowed: lossy targets, lossy sources, ACES files.
        verify: decoder used to verify the new file.
        verify_cold: read the new file from disk, not from the page cache, to verify it.
        hardlinks: what to do with files that have several names.
        keep_backups: keep backups permanently.
        min_savings: keep the new file only if it is smaller by at least this fraction, 0 to 1.
        copy_skipped: copy files to the output that are skipped because of what they are.
        journal: path of the journal of the run, to which the job adds what it is going to replace;
            None for no journal.
        undoes: ID of the earlier run that this one undoes; None for an ordinary run. Each file then
            gets the compressions of its `Place.restore`.
        min_age: seconds that must have passed since a file was written; None for the default of
            `preconditions`, which depends on the storage.
        from_compressions: the compressions of which a file must have one, in any part; empty for
            any compression.
        digests: add the content digest of each file to its report.
    """

    replaces_files: ClassVar[bool] = True
    saves_bytes: ClassVar[bool] = True
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
    min_savings: float = 0.0
    copy_skipped: bool = False
    journal: str | None = None
    undoes: str | None = None
    min_age: float | None = None
    from_compressions: tuple[Compression, ...] = ()
    digests: bool = False

    @property
    def statuses(self) -> tuple[Status, ...]:
        """How the files of such a run can end."""
        done = (Status.PLANNED,) if self.dry_run else (Status.RECOMPRESSED, Status.NO_GAIN)
        return (*done, Status.ALREADY, Status.SKIPPED, Status.FAILED)

    @property
    def writes(self) -> bool:
        """Whether anything is written."""
        return not self.dry_run

    @property
    def decided_by(self) -> dict[str, object]:
        """What decides how a file ends, apart from its content, for the record of the run."""
        return {
            "compression": f"auto:{self.prefer}" if self.compression is None else self.compression.name,
            "readers": self.readers,
            "effort": str(self.effort),
            "min_savings": self.min_savings,
            "allow_lossy": self.permissions.allow_lossy,
            "include_lossy_sources": self.permissions.include_lossy_sources,
            "allow_aces": self.permissions.allow_aces,
            "copy_skipped": self.copy_skipped,
            "from_compressions": [each.name for each in self.from_compressions],
            "undoes": self.undoes,
        }

    @property
    def believes_records(self) -> bool:
        """Whether nothing needs to be done for a file that an earlier run has finished."""
        return not self.force and not self.digests

    @property
    def relinks(self) -> bool:
        """Whether all hard links of a file must be found before the file is processed."""
        return self.hardlinks is Hardlinks.RELINK

    @property
    def is_one_name_at_a_time(self) -> bool:
        """Whether two names of one file must not be in progress at the same time."""
        return self.hardlinks is Hardlinks.BREAK

    @property
    def seconds_per_megabyte(self) -> float:
        """Time limit in seconds per MB: ten times as long as the slowest codec measured takes."""
        return 40.0 if self.effort is Effort.MAX else 10.0

    @property
    def title(self) -> str:
        """What the run does, for the dashboard."""
        if self.undoes is not None:
            return f"undoing the run {self.undoes}"
        verb = "planning recompression" if self.dry_run else "recompressing"
        target = self.compression.name if self.compression is not None else f"the best compression for {self.prefer}"
        return f"{verb} to {target}, effort {self.effort}"

    def job(self, place: Place, share: Share) -> "RecompressJob":
        """Return the job for one file."""
        return RecompressJob(rules=self, place=place, share=share)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecompressJob(Job):
    """A job that recompresses one file.

    Attributes:
        place: where the file is, and where the new file and a backup go.
        rules: how to recompress it.
        share: the resources that the job may use.
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
        """Path of its output; None to replace the file in place."""
        return self.place.destination

    def do(self, progress: Progress) -> FileReport:
        """Recompress the file, and return the report."""
        from exrbatch.jobs.copy_skipped import copy_skipped  # imported late: the parent starts sooner
        from exrbatch.jobs.recompress_steps import recompress_file

        try:
            report = recompress_file(self, progress)
            if report.status is Status.ALREADY and self.rules.digests and not self.rules.dry_run:
                return replace(report, content_sha256=self._digest_of_finished(progress))
            return report
        except UnsupportedFile as error:
            if not self.rules.copy_skipped or self.destination is None or self.rules.dry_run:
                raise
            return copy_skipped(self, error)

    def _digest_of_finished(self, progress: Progress) -> str | None:
        """Return the content digest of a file, or of its output, that is finished already."""
        from exrbatch.jobs.digest_job import DigestJob

        path = self.source if self.destination is None else self.destination
        return DigestJob(source=path, memory=self.share.memory, threads=self.share.threads).do(progress).content_sha256

    def outcome(self, error: Exception) -> FileReport:
        """Return the report of a job that ended with an error.

        An invalid file that is being written, or was written just now, is SKIPPED, because it may
        just be incomplete.
        """
        from exrbatch.jobs.preconditions import unfinished

        if isinstance(error, InvalidFile) and (cause := unfinished(self.source, self.rules.min_age)) is not None:
            error = cause
        return Job.outcome(self, error)

    def folders(self) -> dict[str, str | None]:
        """Return the folders in which the job may leave temp files.

        Returns:
            Each folder; for a folder of backups with the folder of their frames, else with None.
        """
        own = os.path.dirname(self.source) or "."
        folders: dict[str, str | None] = {os.path.dirname(path) or ".": None for path in self.place.hard_links}
        folders[own if self.destination is None else os.path.dirname(self.destination) or "."] = None
        if self.place.backup is not None:
            folders[os.path.dirname(self.place.backup) or "."] = own
        return folders

    def find_result(self, pid: int, size: int) -> FileReport | None:
        """Return the report if a worker that died had put the new file in place, else None.

        Args:
            pid: process ID of the worker.
            size: size of the source in bytes before the job.
        """
        from exrbatch.jobs.aftermath import find_result

        return find_result(self, pid, size)
