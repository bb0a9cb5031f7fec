"""The one function that a worker calls: FilePlan in, FileReport out. Only this module knows the steps of a file.

`run` depends on nothing but its arguments and the file system, and it can be run again at any time: on a
finished file it answers ALREADY. So any `concurrent.futures.Executor` can call it.
"""

import errno
import os
import time
from dataclasses import replace

from exrbatch.errors import (
    ExrbatchError,
    InvalidFile,
    NoSpace,
    ReplaceFailed,
    SourceChanged,
    UnsupportedFile,
    VerificationFailed,
)
from exrbatch.exr.reader import ExrFile, open_exr
from exrbatch.file.choose import choose_by_sample
from exrbatch.file.digests import Digests
from exrbatch.file.measure import measure
from exrbatch.file.mirror import backed_up, copy_whole, is_mirrored, make_folder_of
from exrbatch.file.plan import FilePlan, Task, Verify
from exrbatch.file.recompress import Progress, recompress
from exrbatch.file.replace import Replacement
from exrbatch.file.replaceable import check_replaceable, check_space
from exrbatch.file.report import FileReport, Status, failed
from exrbatch.file.swap import Original
from exrbatch.file.targets import Targets, check_source, check_targets, choose_targets
from exrbatch.file.verify import compare, verify

PACK_SHARE = 0.75
"""About the part of a file's time that goes into packing; the rest goes into verification."""


def run(plan: FilePlan, progress: Progress = lambda _done: None) -> FileReport:
    """Do one file. Never raises an `Exception`: what goes wrong with the file is in the report.

    `progress` is called with the part of the file that is done, 0 to 1.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        report = _TASKS[plan.task](plan, progress)
    except (UnsupportedFile, SourceChanged) as error:
        report = replace(failed(plan, str(error), _size(plan.source)), status=Status.SKIPPED)
    except NoSpace as error:
        report = failed(plan, str(error), _size(plan.source))
        report = replace(report, status=Status.SKIPPED, disk_is_full=True)
    except ReplaceFailed as error:
        is_full = error.errno == errno.ENOSPC
        report = replace(failed(plan, str(error), _size(plan.source)), disk_is_full=is_full)
    except ExrbatchError as error:
        report = failed(plan, str(error), _size(plan.source))
    except FileNotFoundError:
        report = replace(failed(plan, "removed before it could be processed"), status=Status.SKIPPED)
    except MemoryError:
        report = failed(plan, "not enough memory", _size(plan.source))
    except OSError as error:
        report = failed(plan, f"can't read it: {error.strerror}", _size(plan.source))
    except Exception as error:  # noqa: BLE001  a bug of ours must not cost the other files of the batch
        report = failed(plan, f"internal error: {type(error).__name__}: {error}", _size(plan.source))
    if plan.task is Task.COMPARE and report.status is Status.SKIPPED:
        report = replace(report, status=Status.FAILED)  # what was not compared is not equal
    return replace(report, seconds=time.perf_counter() - wall, cpu_seconds=time.process_time() - cpu)


def _compare(plan: FilePlan, progress: Progress) -> FileReport:
    """Compare the source with the file at the destination; change neither."""
    assert plan.destination is not None, "a comparison needs two files"
    if not os.path.lexists(plan.destination):
        return failed(plan, "the other file is missing", _size(plan.source))
    with open_exr(plan.source) as source:
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
    with open_exr(plan.source) as source:
        targets = _targets(source, plan)
        check_source(source.header, plan)
        check_targets(source.header, targets, plan)
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
    check_source(source.header, plan)
    return choose_by_sample(source, plan)


def _run(plan: FilePlan, progress: Progress) -> FileReport:
    with open_exr(plan.source) as source:
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
        if plan.destination is not None and not plan.force and is_mirrored(source, plan.destination, targets):
            return replace(report, reason="the output is there already")
        if before == after and not plan.force:
            _mirror(source, plan)
            return report
        check_source(source.header, plan)
        check_targets(source.header, targets, plan)
        check_replaceable(source, plan)
        source.parts  # noqa: B018  reads and checks the chunk tables: a dry run finds a broken file too
        if plan.dry_run:
            return replace(report, status=Status.PLANNED, compressions_after=after)
        return _recompress(source, plan, targets, replace(report, compressions_after=after), progress)


_TASKS = {Task.RECOMPRESS: _run, Task.COMPARE: _compare, Task.MEASURE: _measure}


def _recompress(
    source: ExrFile, plan: FilePlan, targets: Targets, report: FileReport, progress: Progress
) -> FileReport:
    original = _original(source, plan)
    try:
        return _replace(source, original, plan, targets, report, progress)
    except (InvalidFile, VerificationFailed):
        original.check_in_place()  # a source that changed while it was read explains that better
        raise


def _replace(
    source: ExrFile, original: Original, plan: FilePlan, targets: Targets, report: FileReport, progress: Progress
) -> FileReport:
    if plan.destination is not None:
        make_folder_of(plan.destination)
    check_space(plan, source.stat.st_size)
    with Replacement(original, plan.destination) as temp:
        first, second = _part(progress, 0.0, PACK_SHARE), _part(progress, PACK_SHARE, 1.0)
        digests = Digests() if plan.verify is Verify.LIBRARY else None
        recompress(source, targets.compressions, plan.effort, temp.write, first, plan.threads, digests)
        new_size = temp.size
        if new_size < source.stat.st_size or plan.force:
            temp.sync(drop_cache=plan.verify_cold)
            if plan.verify is not Verify.NONE:
                verify(source, temp.path, targets, plan.verify, second, plan.threads, digests)
            with backed_up(original, plan.backup, keep=plan.keep_backups):
                notes = [*report.notes, *temp.commit(overwrite=plan.force, twins=plan.twins)]
            source.was_replaced = plan.destination is None
            lossy = tuple(name for names in targets.lossy_channels for name in names)
            return replace(
                report, status=Status.RECOMPRESSED, size_after=new_size, lossy_channels=lossy, notes=tuple(notes)
            )
    _mirror(source, plan)
    return replace(report, status=Status.NO_GAIN, tried_size=new_size, compressions_after=report.compressions_before)


def _part(progress: Progress, start: float, end: float) -> Progress:
    """Make the progress of one step, which goes from 0 to 1, that of a part of the whole."""
    return lambda done: progress(start + (end - start) * done)


def _mirror(source: ExrFile, plan: FilePlan) -> None:
    """Copy a file that stays as it is to the output tree, so that the tree is whole."""
    if plan.destination is None or plan.dry_run:
        return
    check_replaceable(source, plan)
    copy_whole(_original(source, plan), plan.destination, overwrite=plan.force)


def _original(source: ExrFile, plan: FilePlan) -> Original:
    return Original(plan.source, source.fd, source.stat)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
