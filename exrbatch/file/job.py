"""The one function that a worker calls: FilePlan in, FileReport out. Only this module knows the steps of a file.

`run` depends on nothing but its arguments and the file system, and it can be run again at any time: on a
finished file it answers ALREADY. So any `concurrent.futures.Executor` can call it.
"""

import os
import shutil
import time
from dataclasses import replace

from exrbatch.errors import ExrbatchError, ReplaceFailed, SourceChanged, UnsupportedFile, VerificationFailed
from exrbatch.exr.reader import ExrFile, open_exr
from exrbatch.file.choose import choose_by_sample
from exrbatch.file.plan import FilePlan, Targets, Verify, check_source, check_targets, choose_targets
from exrbatch.file.recompress import Progress, recompress
from exrbatch.file.replace import Replacement
from exrbatch.file.report import FileReport, Status, failed
from exrbatch.file.verify import verify

PACK_SHARE = 0.75
"""About the part of a file's time that goes into packing; the rest goes into verification."""


def run(plan: FilePlan, progress: Progress = lambda _done: None) -> FileReport:
    """Do one file. Never raises an `Exception`: what goes wrong with the file is in the report.

    `progress` is called with the part of the file that is done, 0 to 1.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        report = _run(plan, progress)
    except (UnsupportedFile, SourceChanged) as error:
        report = replace(failed(plan, str(error), _size(plan.source)), status=Status.SKIPPED)
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
    return replace(report, seconds=time.perf_counter() - wall, cpu_seconds=time.process_time() - cpu)


def _run(plan: FilePlan, progress: Progress) -> FileReport:
    with open_exr(plan.source) as source:
        if plan.compression is None:
            check_source(source.header, plan)
            targets = choose_by_sample(source, plan)
        else:
            targets = choose_targets(source.header, plan.compression)
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
        if plan.destination is not None and not plan.force and _is_mirrored(source, plan.destination, targets):
            return replace(report, reason="the output is there already")
        if before == after and not plan.force:
            _mirror(source, plan)
            return report
        check_source(source.header, plan)
        check_targets(source.header, targets, plan)
        _check_replaceable(source, plan)
        source.parts  # noqa: B018  reads and checks the chunk tables: a dry run finds a broken file too
        if plan.dry_run:
            return replace(report, status=Status.PLANNED, compressions_after=after)
        return _recompress(source, plan, targets, replace(report, compressions_after=after), progress)


def _recompress(
    source: ExrFile, plan: FilePlan, targets: Targets, report: FileReport, progress: Progress
) -> FileReport:
    size = source.stat.st_size
    destination = _prepare_destination(plan)
    with Replacement(plan.source, source.fd, destination) as temp:
        recompress(source, targets.compressions, plan.effort, temp.fd, lambda done: progress(done * PACK_SHARE))
        new_size = temp.size
        if new_size < size or plan.force:
            temp.sync(drop_cache=plan.verify_cold)
            share = 1 - PACK_SHARE
            if plan.verify is not Verify.NONE:
                verify(source, temp.path, targets, plan.verify, lambda done: progress(PACK_SHARE + share * done))
            temp.commit()
            source.was_replaced = plan.destination is None
            lossy = tuple(name for names in targets.lossy_channels for name in names)
            return replace(report, status=Status.RECOMPRESSED, size_after=new_size, lossy_channels=lossy)
    _mirror(source, plan)
    return replace(report, status=Status.NO_GAIN, tried_size=new_size, compressions_after=report.compressions_before)


def _check_replaceable(source: ExrFile, plan: FilePlan) -> None:
    """Refuse what a replacement in place would break, and an output that would be written over."""
    if plan.destination is not None:
        if os.path.exists(plan.destination) and os.path.samefile(plan.source, plan.destination):
            raise UnsupportedFile("the output is the file itself, reached by another way")
        if os.path.lexists(plan.destination) and not plan.force:
            raise UnsupportedFile("the output exists and was not made from this file; --force writes over it")
        return
    if source.stat.st_nlink > 1:
        raise UnsupportedFile(f"it has {source.stat.st_nlink} hard links, of which only one would be replaced")
    if not plan.force and not os.access(plan.source, os.W_OK):
        raise UnsupportedFile("it is write-protected; --force replaces it all the same")


def _is_mirrored(source: ExrFile, destination: str, targets: Targets) -> bool:
    """Whether an earlier run made this output: same mtime and header, the target's or the source's compressions."""
    if not os.path.lexists(destination):
        return False
    try:
        with open_exr(destination) as output:
            if output.stat.st_mtime_ns != source.stat.st_mtime_ns:
                return False
            if output.header.raw == source.header.raw:
                return output.stat.st_size == source.stat.st_size
            counts = [table.grid.count for table in output.parts]
            return output.header.raw == source.header.recompressed(targets.compressions, counts)
    except (ExrbatchError, OSError):
        return False


def _mirror(source: ExrFile, plan: FilePlan) -> None:
    """Copy a file that stays as it is to the output tree, so that the tree is whole."""
    if plan.destination is None or plan.dry_run:
        return
    _check_replaceable(source, plan)
    with Replacement(plan.source, source.fd, _prepare_destination(plan)) as temp:
        try:
            with open(plan.source, "rb") as original, open(temp.fd, "wb", closefd=False) as copy:
                shutil.copyfileobj(original, copy, 1 << 20)
        except OSError as error:
            raise ReplaceFailed(f"can't copy it to the output: {error.strerror}") from error
        temp.sync()
        if not _same_bytes(plan.source, temp.path):
            raise VerificationFailed("the copy of the file holds other bytes")
        temp.commit()


def _same_bytes(path: str, other: str) -> bool:
    with open(path, "rb") as a, open(other, "rb") as b:
        while block := a.read(1 << 20):
            if block != b.read(1 << 20):
                return False
        return not b.read(1)


def _prepare_destination(plan: FilePlan) -> str:
    if plan.destination is None:
        return plan.source
    os.makedirs(os.path.dirname(plan.destination) or ".", exist_ok=True)
    return plan.destination


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
