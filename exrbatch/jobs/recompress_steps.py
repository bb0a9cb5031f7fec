"""The steps of a recompression: choose, check, compress, verify, put in place.

Only this module knows their order.
"""

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from exrbatch.errors import (
    InvalidFile,
    ReasonCode,
    SourceChanged,
    UnsupportedFile,
    VerificationFailed,
)
from exrbatch.exr.reader import SMALL, ExrFile, open_exr
from exrbatch.jobs.done_meanwhile import compressions_if_done
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.jobs.journaling import StepTimes, facts_in_place, note_replacement
from exrbatch.jobs.made_from import Found, Made, check_is_no_link, find_output, wish
from exrbatch.jobs.preconditions import check_chunks, check_replaceable, check_selected, check_space, check_writable
from exrbatch.jobs.restoring import outcome_note, restore_targets
from exrbatch.journal.facts import FileFacts
from exrbatch.recompression.auto_choice import choose_by_sample
from exrbatch.recompression.choices import Verify
from exrbatch.recompression.comparison import blamed_on_the_copy, choose_decoders, is_same_picture
from exrbatch.recompression.content_digest import ContentDigest, content_digest
from exrbatch.recompression.digests import Digests
from exrbatch.recompression.lanes import Walk
from exrbatch.recompression.progress import Progress
from exrbatch.recompression.raw_reader import MEMORY_PER_RAW_BYTE, raw_limit
from exrbatch.recompression.targets import Targets, check_source, check_targets, choose_targets
from exrbatch.recompression.transcode import recompress
from exrbatch.recompression.verification import verify
from exrbatch.replacing import Backup, Original, Replacement, copy_whole, end_orphan, make_folder_of, note_origin

if TYPE_CHECKING:
    from exrbatch.jobs.recompress_job import RecompressJob

PACK_SHARE = 0.75
"""Approximate share of a file's time that compression takes; verification takes the rest."""


def _targets(source: ExrFile, job: "RecompressJob") -> Targets:
    if job.place.restore is not None:
        return restore_targets(source, job.place.restore)
    if job.rules.compression is not None:
        return choose_targets(source.header, job.rules.compression)
    check_source(source.header, job.rules.permissions)
    return choose_by_sample(source, job.rules.readers, job.rules.prefer, job.rules.effort)


def recompress_file(job: "RecompressJob", progress: Progress) -> FileReport:
    """Recompress one file, and return its report.

    Args:
        job: what to do with the file.
        progress: called with the fraction of the file that is done, from 0 to 1.

    Raises:
        ExrbatchError: The file is skipped or has failed (see `outcomes`).
        OSError: The file can't be accessed.
    """
    with open_exr(job.source, raw_limit(job.share.memory)) as source:
        if (known := job.place.known) is not None and known.describes(source):
            return known.report(job.source, FileFacts.of(source.stat))
        check_selected(source.header, job.rules.from_compressions)
        targets = _targets(source, job)
        before = source.header.compression_names
        after = tuple(target.name for target in targets.compressions)
        size = source.stat.st_size
        report = FileReport(
            path=job.source,
            status=Status.ALREADY,
            destination=job.destination,
            notes=targets.notes,
            size_before=size,
            size_after=size,
            compressions_before=before,
            compressions_after=before,
            trials=targets.trials,
            before=FileFacts.of(source.stat),
        )
        made = Made.NOTHING
        if job.destination is not None and os.path.lexists(job.destination):
            check_is_no_link(source.stat, job.destination)
            found = Found(Made.OTHER) if job.rules.force else find_output(source, job, targets)
            if found.made is Made.AS_WANTED and found.facts is not None:
                return replace(
                    report,
                    reason="the output is already up to date",
                    reason_code=ReasonCode.UP_TO_DATE,
                    compressions_after=found.compressions,
                    size_after=found.facts.size,
                    after=found.facts,
                )
            made = found.made
        if before == after and not job.rules.force:
            return _finished(source, job, targets, report, made)
        check_source(source.header, job.rules.permissions)
        check_targets(source.header, targets, job.rules.permissions)
        check_replaceable(source, job, made)
        if job.destination is None or job.rules.dry_run:
            check_space(job, _needed(job, size))
        report = replace(report, notes=(*report.notes, *_corrections(source)), compressions_after=after)
        if job.rules.dry_run:
            check_writable(job)
            return replace(report, status=Status.PLANNED)
        return _recompress(source, job, targets, report, progress, made)


def _recompress(
    source: ExrFile, job: "RecompressJob", targets: Targets, report: FileReport, progress: Progress, made: Made
) -> FileReport:
    original = _original(source, job)
    try:
        try:
            return _replace(source, original, job, targets, report, progress, made)
        except (InvalidFile, VerificationFailed):
            original.check_in_place()  # if the source changed while it was read, report that instead
            raise
    except (SourceChanged, UnsupportedFile) as error:
        if (compressions := compressions_if_done(source, job, targets, error)) is None:
            raise
        return replace(
            report,
            reason="another run finished it at the same time",
            reason_code=ReasonCode.DONE_MEANWHILE,
            compressions_after=compressions,
        )


def _replace(
    source: ExrFile,
    original: Original,
    job: "RecompressJob",
    targets: Targets,
    report: FileReport,
    progress: Progress,
    made: Made,
) -> FileReport:
    if job.destination is not None:
        make_folder_of(job.destination, job.place.like or job.source, job.place.root)
        check_space(job, _needed(job, source.stat.st_size))
    threads = _threads(source, job)
    times = StepTimes()
    with Replacement(original, job.destination, may_lose=job.rules.force) as temp:
        first, second = _part(progress, 0.0, PACK_SHARE), _part(progress, PACK_SHARE, 1.0)
        digests = _digests(source, targets, job.rules.verify)
        content = ContentDigest(source) if job.rules.digests else None
        with times.step("compress"):
            walk = Walk(source, first, threads)
            recompress(walk, targets.compressions, job.rules.effort, temp.write, digests, content)
        new_size = temp.size
        is_kept = job.rules.force or job.place.restore is not None
        if is_kept or _is_gain(new_size, source.stat.st_size, job.rules.min_savings):
            with times.step("sync"):
                temp.sync(drop_cache=job.rules.verify_cold)
            if job.rules.verify is not Verify.NONE:
                with times.step("verify"):
                    verify(Walk(source, second, threads), (temp.path, temp.fd), targets, job.rules.verify, digests)
            if made is Made.COPY:
                reason = "the output is a copy of the file with its old compression; --force overwrites it"
                raise UnsupportedFile(reason, code=ReasonCode.OUTPUT_EXISTS)
            report = replace(
                report,
                status=Status.RECOMPRESSED,
                size_after=new_size,
                lossy_channels=tuple(name for names in targets.lossy_channels for name in names),
                content_sha256=_content_sha256(source, content, targets, temp),
            )
            return _put_in_place(source, original, temp, job, report, times)
    if content is not None:
        original.check_in_place()
    report = replace(
        report,
        content_sha256=_content_sha256(source, content),
        status=Status.NO_GAIN,
        tried_size=new_size,
        compressions_after=report.compressions_before,
        notes=targets.notes,
        steps=times.seconds,
    )
    if made is Made.COPY:
        return replace(report, copied=True)
    return _with_copy(report, source, job, targets, made)


def _put_in_place(
    source: ExrFile,
    original: Original,
    temp: Replacement,
    job: "RecompressJob",
    report: FileReport,
    times: StepTimes,
) -> FileReport:
    """Record the verified new file in the journal, put it in place, and return the final report."""
    with times.step("record"):
        before, after, notes = note_replacement(source, temp, job, report)
        if job.place.restore is not None:
            notes = [*notes, outcome_note(job.place.restore, temp.fd, after.xxh3_128)]
    with times.step("commit"):
        notes = [*_commit(temp, original, job), *notes]
    source.was_replaced = job.destination is None
    return replace(
        report,
        notes=(*report.notes, *temp.notes, *notes),
        before=before,
        after=facts_in_place(job.destination or job.source, temp.file, after),
        steps=times.seconds,
    )


def _needed(job: "RecompressJob", size: int) -> int:
    """Return how many bytes of disk space the new file may need, given the size of the old one."""
    return size if job.place.restore is None else max(size, job.place.restore.before.size)


def _is_gain(new_size: int, size: int, min_savings: float) -> bool:
    return new_size < size and size - new_size >= min_savings * size


def _digests(source: ExrFile, targets: Targets, mode: Verify) -> Digests | None:
    """Prepare the digests that verification will compare; None if there is no verification."""
    if mode is Verify.NONE:
        return None
    decoders = choose_decoders(source.header.parts, targets.compressions, mode, targets.lossy_channels)
    return Digests(decoders, contents_suffice=mode is Verify.NATIVE)


def _content_sha256(
    source: ExrFile, content: ContentDigest | None, targets: Targets | None = None, temp: Replacement | None = None
) -> str | None:
    """Return the content digest of the file that stays, or None if none is wanted.

    If the chunks of the source have passed in another order than that of the digest, they are read
    again. If the new file has other samples, it is read.

    Args:
        source: the source.
        content: the digest of what has passed; None if none is wanted.
        targets: compressions of the new file; None if it is not kept.
        temp: the new file; None if it is not kept.
    """
    if content is None:
        return None
    if targets is not None and temp is not None and any(targets.lossy_channels):
        with blamed_on_the_copy(), open_exr(temp.path, source.raw_limit, temp.fd) as copy:
            return content_digest(Walk(copy))
    return content.result() or content_digest(Walk(source))


def _threads(source: ExrFile, job: "RecompressJob") -> int:
    """Return the number of threads for which the job has enough memory.

    Each thread works on a span of its own, and one more span waits to be written.
    """
    largest = max(int(table.grid.raw_sizes.max()) for table in source.parts)
    spans = max(job.share.memory // MEMORY_PER_RAW_BYTE, SMALL) // max(1, largest)
    return max(1, min(job.share.threads, spans - 1))


def _commit(temp: Replacement, original: Original, job: "RecompressJob") -> list[str]:
    """Put the new file in place, with a backup of the original if the job asks for one.

    Return notes for the user.
    """
    if (place := job.place).backup is None:
        notes = temp.commit(overwrite=job.rules.force, hard_links=place.hard_links)
        if job.destination is not None:
            note_origin(job.destination, temp.file, original.status, "")
        return notes
    keep = job.rules.keep_backups
    with Backup(original, place.backup, is_same_picture, keep=keep, like=place.like, root=place.root) as backup:
        notes = temp.commit(hard_links=place.hard_links, spare=backup.second_name)
    return [*notes, *backup.notes]


def _part(progress: Progress, start: float, end: float) -> Progress:
    """Return the progress function of one step, which covers the range from `start` to `end`."""
    return lambda done: progress(start + (end - start) * done)


def _finished(source: ExrFile, job: "RecompressJob", targets: Targets, report: FileReport, made: Made) -> FileReport:
    """Finish a file that already has its compression, and return its report.

    With an output tree, the file is copied there. If a killed run left a backup of the file, that
    backup is completed or removed.
    """
    report = _with_copy(report, source, job, targets, made)
    if job.place.backup is not None and not job.rules.dry_run:
        end_orphan(_original(source, job), job.place.backup, is_same_picture, keep=job.rules.keep_backups)
    return report


def _with_copy(report: FileReport, source: ExrFile, job: "RecompressJob", targets: Targets, made: Made) -> FileReport:
    """Copy a file that is not recompressed to the output tree, so that the tree is complete.

    Without an output, or in a dry run, nothing is copied.

    Returns:
        the report, with what is said about the copy.
    """
    if job.destination is None or job.rules.dry_run:
        return report
    report = replace(report, copied=True)
    check_replaceable(source, job, made)
    check_chunks(source)
    make_folder_of(job.destination, job.place.like or job.source, job.place.root)
    try:
        file, notes = copy_whole(_original(source, job), job.destination, overwrite=job.rules.force)
    except UnsupportedFile as error:
        if error.code is ReasonCode.OUTPUT_EXISTS and find_output(source, job, targets).made is not Made.OTHER:
            return report  # another run has just made it
        raise
    note_origin(job.destination, file, source.stat, wish(job, targets))
    after = facts_in_place(job.destination, file, FileFacts.of(source.stat))
    return replace(report, notes=(*report.notes, *notes), after=after)


def _corrections(source: ExrFile) -> list[str]:
    """Return a note for each wrong `chunkCount`, which is corrected. Readers ignore its value."""
    notes = []
    for table in source.parts:
        part = table.grid.part
        if part.chunk_count not in (None, table.grid.count):
            notes.append(f"part {part.index}: wrong chunkCount corrected from {part.chunk_count} to {table.grid.count}")
    return notes


def _original(source: ExrFile, job: "RecompressJob") -> Original:
    return Original(job.source, source.fd, source.stat)
