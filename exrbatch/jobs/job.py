"""The one function that a worker calls: FilePlan in, FileReport out. Only this module knows the steps of a file.

`run` depends on nothing but its arguments and the file system, and it can be run again at any time: on a
finished file it answers ALREADY. So any `concurrent.futures.Executor` can call it.
"""

import os
import time
from dataclasses import replace

from exrbatch.errors import InvalidFile, UnsupportedFile, VerificationFailed
from exrbatch.exr.reader import SMALL, ExrFile, open_exr
from exrbatch.jobs.file_report import FileReport, Status, failed
from exrbatch.jobs.made_from import Made, check_is_no_link, is_made_from, note_origin, wish
from exrbatch.jobs.outcomes import outcome_of, size_of
from exrbatch.jobs.plan import FilePlan, Task
from exrbatch.jobs.preconditions import check_replaceable, check_room
from exrbatch.recompression.auto_choice import choose_by_sample
from exrbatch.recompression.choices import Verify
from exrbatch.recompression.digests import Digests
from exrbatch.recompression.measuring import measure
from exrbatch.recompression.raw_reader import MEMORY_PER_RAW_BYTE, raw_limit
from exrbatch.recompression.targets import Targets, check_source, check_targets, choose_targets
from exrbatch.recompression.transcode import Progress, recompress
from exrbatch.recompression.verification import compare, is_same_picture, verify
from exrbatch.replacing.backups import Backup, end_orphan
from exrbatch.replacing.copies import copy_whole
from exrbatch.replacing.folders import make_folder_of
from exrbatch.replacing.original import Original
from exrbatch.replacing.replacement import Replacement

PACK_SHARE = 0.75
"""About the part of a file's time that goes into packing; the rest goes into verification."""


def run(plan: FilePlan, progress: Progress = lambda _done: None) -> FileReport:
    """Do one file. Never raises an `Exception`: what goes wrong with the file is in the report.

    `progress` is called with the part of the file that is done, 0 to 1.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        report = _TASKS[plan.task](plan, progress)
    except Exception as error:  # noqa: BLE001  even a bug of ours must not cost the other files of the batch
        report = outcome_of(error, plan)
    return replace(report, seconds=time.perf_counter() - wall, cpu_seconds=time.process_time() - cpu)


def _compare(plan: FilePlan, progress: Progress) -> FileReport:
    """Compare the source with the file at the destination; change neither."""
    assert plan.destination is not None, "a comparison needs two files"
    if not os.path.lexists(plan.destination):
        return failed(plan, "the other file is missing", size_of(plan.source))
    if os.path.islink(plan.destination):
        return failed(plan, "the other file is a symbolic link", size_of(plan.source))
    with open_exr(plan.source, raw_limit(plan.memory)) as source:
        source.parts  # noqa: B018  reads and checks the chunk tables
        difference = compare(source, plan.destination, plan.verify, progress)
        if difference is not None:
            return failed(plan, f"differs: {difference}", source.stat.st_size)
        size = source.stat.st_size
        return FileReport(
            path=plan.source, status=Status.EQUAL, destination=plan.destination, size_before=size, size_after=size
        )


def _measure(plan: FilePlan, progress: Progress) -> FileReport:
    """Pack and unpack the source in memory."""
    with open_exr(plan.source, raw_limit(plan.memory)) as source:
        targets = _targets(source, plan)
        check_source(source.header, plan.permissions)
        check_targets(source.header, targets, plan.permissions)
        size = source.stat.st_size
        return FileReport(
            path=plan.source,
            status=Status.MEASURED,
            notes=targets.notes,
            size_before=size,
            size_after=size,
            compressions_before=tuple(part.compression.name for part in source.header.parts),
            compressions_after=tuple(target.name for target in targets.compressions),
            lossy_channels=tuple(name for names in targets.lossy_channels for name in names),
            measurement=measure(source, targets, plan.effort, progress),
        )


def _targets(source: ExrFile, plan: FilePlan) -> Targets:
    if plan.compression is not None:
        return choose_targets(source.header, plan.compression)
    check_source(source.header, plan.permissions)
    return choose_by_sample(source, plan.readers, plan.prefer, plan.effort)


def _run(plan: FilePlan, progress: Progress) -> FileReport:
    with open_exr(plan.source, raw_limit(plan.memory)) as source:
        targets = _targets(source, plan)
        before = tuple(part.compression.name for part in source.header.parts)
        after = tuple(target.name for target in targets.compressions)
        size = source.stat.st_size
        report = FileReport(
            path=plan.source,
            status=Status.ALREADY,
            destination=plan.destination,
            notes=targets.notes,
            size_before=size,
            size_after=size,
            compressions_before=before,
            compressions_after=before,
            trials=targets.trials,
        )
        made = Made.NOTHING
        if plan.destination is not None and os.path.lexists(plan.destination):
            check_is_no_link(source, plan.destination)
            made = Made.OTHER if plan.force else is_made_from(source, plan, targets)
            if made is Made.AS_WANTED:
                return replace(report, reason="the output is there already")
        if before == after and not plan.force:
            return _finished(source, plan, targets, report, made)
        check_source(source.header, plan.permissions)
        check_targets(source.header, targets, plan.permissions)
        check_replaceable(source, plan, made)
        if plan.destination is None:
            check_room(plan, size)
        report = replace(report, notes=(*report.notes, *_corrections(source)))
        if plan.dry_run:
            return replace(report, status=Status.PLANNED, compressions_after=after)
        return _recompress(source, plan, targets, replace(report, compressions_after=after), progress, made)


_TASKS = {Task.RECOMPRESS: _run, Task.COMPARE: _compare, Task.MEASURE: _measure}


def _recompress(
    source: ExrFile, plan: FilePlan, targets: Targets, report: FileReport, progress: Progress, made: Made
) -> FileReport:
    original = _original(source, plan)
    try:
        return _replace(source, original, plan, targets, report, progress, made)
    except (InvalidFile, VerificationFailed):
        original.check_in_place()  # a source that changed while it was read explains that better
        raise


def _replace(
    source: ExrFile,
    original: Original,
    plan: FilePlan,
    targets: Targets,
    report: FileReport,
    progress: Progress,
    made: Made,
) -> FileReport:
    if plan.destination is not None:
        make_folder_of(plan.destination, plan.like or plan.source, plan.root)
        check_room(plan, source.stat.st_size)
    threads = _threads(source, plan)
    with Replacement(original, plan.destination, may_lose=plan.force) as temp:
        first, second = _part(progress, 0.0, PACK_SHARE), _part(progress, PACK_SHARE, 1.0)
        digests = Digests() if plan.verify is Verify.LIBRARY else None
        recompress(source, targets.compressions, plan.effort, temp.write, first, threads, digests)
        new_size = temp.size
        if new_size < source.stat.st_size or plan.force:
            temp.sync(drop_cache=plan.verify_cold)
            if plan.verify is not Verify.NONE:
                verify(source, temp.path, temp.fd, targets, plan.verify, second, threads, digests)
            if made is Made.COPY:
                raise UnsupportedFile("the output holds the file as it is; --force writes over it")
            notes = _commit(temp, original, plan)
            source.was_replaced = plan.destination is None
            lossy = tuple(name for names in targets.lossy_channels for name in names)
            return replace(
                report,
                status=Status.RECOMPRESSED,
                size_after=new_size,
                lossy_channels=lossy,
                notes=(*report.notes, *temp.notes, *notes),
            )
    notes = [] if made is Made.COPY else _copy_to_output(source, plan, targets, made)
    return replace(
        report,
        status=Status.NO_GAIN,
        tried_size=new_size,
        compressions_after=report.compressions_before,
        notes=(*targets.notes, *notes),
    )


def _threads(source: ExrFile, plan: FilePlan) -> int:
    """Use no more threads than there is memory for: each has a span of its own, and one more waits to be written."""
    largest = max(int(table.grid.raw_sizes.max()) for table in source.parts)
    spans = max(plan.memory // MEMORY_PER_RAW_BYTE, SMALL) // max(1, largest)
    return max(1, min(plan.threads, spans - 1))


def _commit(temp: Replacement, original: Original, plan: FilePlan) -> list[str]:
    """Put the new file in place, with a backup of the original where one is asked for. Returns notes for the user."""
    if plan.backup is None:
        notes = temp.commit(overwrite=plan.force, twins=plan.twins)
        if plan.destination is not None:
            note_origin(plan.destination, temp.file, original.status, "")
        return notes
    with Backup(
        original, plan.backup, is_same_picture, keep=plan.keep_backups, like=plan.like, root=plan.root
    ) as backup:
        notes = temp.commit(twins=plan.twins, spare=backup.second_name)
    return [*notes, *backup.notes]


def _part(progress: Progress, start: float, end: float) -> Progress:
    """Make the progress of one step, which goes from 0 to 1, that of a part of the whole."""
    return lambda done: progress(start + (end - start) * done)


def _finished(source: ExrFile, plan: FilePlan, targets: Targets, report: FileReport, made: Made) -> FileReport:
    """A file that has its compression already: it may have a place in an output tree, or a killed run's backup."""
    notes = _copy_to_output(source, plan, targets, made)
    if plan.backup is not None and not plan.dry_run:
        end_orphan(_original(source, plan), plan.backup, is_same_picture, keep=plan.keep_backups)
    return replace(report, notes=(*report.notes, *notes))


def _copy_to_output(source: ExrFile, plan: FilePlan, targets: Targets, made: Made) -> list[str]:
    """Copy a file that stays as it is to the output tree, so that the tree is whole. Returns notes for the user."""
    if plan.destination is None or plan.dry_run:
        return []
    check_replaceable(source, plan, made)
    make_folder_of(plan.destination, plan.like or plan.source, plan.root)
    file, notes = copy_whole(_original(source, plan), plan.destination, overwrite=plan.force)
    note_origin(plan.destination, file, source.stat, wish(plan, targets))
    return notes


def _corrections(source: ExrFile) -> list[str]:
    """Name what a recompression corrects: a wrong `chunkCount`, which no reader believes."""
    notes = []
    for table in source.parts:
        part = table.grid.part
        attribute = part.find("chunkCount")
        if attribute is not None and (said := int.from_bytes(attribute.value, "little")) != table.grid.count:
            notes.append(f"part {part.index}: chunkCount said {said} instead of {table.grid.count}, and was corrected")
    return notes


def _original(source: ExrFile, plan: FilePlan) -> Original:
    return Original(plan.source, source.fd, source.stat)
