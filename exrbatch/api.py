"""The functions of the library. The command line uses the same code.

`recompress`, `verify` and `check` process one file, in this process. `recompress_many`,
`verify_many` and `check_many` process any number of files with a pool of worker processes.
"""

from collections.abc import Iterable
from os import fsdecode
from os.path import isdir
from typing import TYPE_CHECKING, Unpack

from exrbatch.arguments import Path, all_paths, decoded, logged, one_file
from exrbatch.batch.arguments import ManyArguments, RuleArguments, RunArguments, run_options
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.options import CompressionLike, Options, parse_decoder
from exrbatch.errors import OptionsError
from exrbatch.exr.compression import Compression
from exrbatch.jobs.check_job import CheckJob, CheckRules
from exrbatch.jobs.compare_job import CompareJob
from exrbatch.jobs.file_report import FileReport
from exrbatch.keywords import names_checked
from exrbatch.recompression.choices import Verify

if TYPE_CHECKING:  # these load the pool, which is not needed for a single file
    from exrbatch.batch.batch_run import BatchRun


@names_checked
def recompress(
    path: Path,
    compression: CompressionLike = Compression.ZIP,
    *,
    output: Path | None = None,
    backup: Path | None = None,
    **rules: Unpack[RuleArguments],
) -> FileReport:
    """Recompress one OpenEXR file losslessly, in this process.

    The file is replaced atomically. Before that, the new file is read back and compared: its header
    and pixels must be the same.

    Args:
        path: the file. If it is a symbolic link, its target is recompressed.
        compression: a name ("zip", "piz", ...), an `exrbatch.Compression`, an `OpenEXR.Compression`
            or an `Imath.Compression`; or "auto" or "auto:speed" to choose by a sample of the file.
            A deep part that cannot have it gets the nearest legal one.
        output: write the new file to this path, and leave the original as it is.
        backup: also keep the original under this path, as a hard link or, if that is impossible, as
            a copy.
        rules: see `RuleArguments`.

    Returns:
        The report of the file. A damaged file, a full disk and the like raise no exception. The
        report then has the status FAILED and a reason of one line, and the original is untouched.

    Raises:
        OptionsError: an argument is invalid, or the file does not exist or is a folder. It is a
            `ValueError`.
    """
    options = Options.parse(
        compression=compression,
        output=decoded(output),
        backup_dir=decoded(backup),
        keep_backups=backup is not None,
        **rules,
    )
    if options.output is not None and isdir(options.output):
        raise OptionsError(f"the output {options.output} is a folder; recompress_many() writes to folders")
    return logged(options.job(Candidate(one_file(path, "recompress_many"), 0, options.tree_root)))


@names_checked
def recompress_many(
    paths: Path | Iterable[Path],
    compression: CompressionLike = Compression.ZIP,
    *,
    output: Path | None = None,
    backup_dir: Path | None = None,
    keep_backups: bool = False,
    base: Path | None = None,
    **rules: Unpack[ManyArguments],
) -> "BatchRun":
    """Recompress files, folders and frame sequences with a pool of worker processes.

    Folders are walked recursively. Nothing starts before the first report is requested. Workers
    import the main module, so a script must call this function below `if __name__ == "__main__":`.

    Args:
        paths: files, folders and frame sequences (`beauty.####.exr`, `beauty.%04d.exr`,
            `beauty.1001-1100x2#.exr`).
        compression: as for `recompress`.
        output: write the new files to the same tree in this folder, and leave the originals as they
            are.
        backup_dir: keep each original in this folder, in the same tree, until its new file is in
            place.
        keep_backups: keep the backups permanently.
        base: the folder that corresponds to the top of `output` or `backup_dir`. None: the deepest
            folder that all paths have in common.
        rules: see `ManyArguments`.

    Returns:
        An iterator over the reports, with `totals` and `cancel()`; see `BatchRun`. Each file is
        reported when it ends, in no particular order.

    Raises:
        OptionsError: an argument is invalid, or none of the paths exists. Raised before anything
            starts. If some paths exist, each of the others is reported as FAILED.
        RunStopped: the run ended early because of a limit, because the disk is full, or because
            workers keep dying. Raised by the iterator, after the last report.
    """
    from exrbatch.batch.batch_run import BatchRun
    from exrbatch.batch.run import Run

    progress = rules.pop("progress", None)
    options = Options.parse(
        compression=compression,
        output=decoded(output),
        backup_dir=decoded(backup_dir),
        keep_backups=keep_backups,
        base=decoded(base),
        **run_options(rules),
    )
    return BatchRun(Run(all_paths(paths), options), progress)


@names_checked
def verify(a: Path, b: Path, *, decoder: Verify | str = Verify.LIBRARY) -> FileReport:
    """Compare two OpenEXR files, in this process: do they hold the same picture?

    Every attribute except the compression is compared, and every bit of every sample. Neither file
    is changed.

    Args:
        a: the first file; it is read by our own code.
        b: the other file.
        decoder: decoder for the other file: "library" (OpenEXR itself, but our own code for deep
            data) or "native" (our own code for NONE, RLE, ZIP, ZIPS and ZSTD).

    Returns:
        The report, whose status is EQUAL, DIFFERENT or FAILED. The reason says where the files
        first differ, or why they can't be compared.

    Raises:
        OptionsError: an argument is invalid, or a file does not exist.
    """
    parsed = parse_decoder(decoder)
    return logged(CompareJob(source=one_file(a, "verify_many"), other=one_file(b, "verify_many"), verify=parsed))


@names_checked
def verify_many(a: Path, b: Path, *, decoder: Verify | str = Verify.LIBRARY, **run: Unpack[RunArguments]) -> "BatchRun":
    """Compare two folders file by file, or two files, with a pool of worker processes.

    Args:
        a: a folder, which is walked recursively, or a file.
        b: a folder with the same files in the same places, or a file.
        decoder: as for `verify`.
        run: see `RunArguments`.

    Returns:
        An iterator over the reports; see `BatchRun`. A file that only one side has is FAILED.

    Raises:
        OptionsError: an argument is invalid, or a path does not exist. Raised before anything
            starts.
        RunStopped: as for `recompress_many`.
    """
    from exrbatch.batch.batch_run import BatchRun
    from exrbatch.batch.comparison import comparison_options
    from exrbatch.batch.run import Run

    progress = run.pop("progress", None)
    first = fsdecode(a)
    options = comparison_options(first, fsdecode(b), parse_decoder(decoder), **run_options(run))
    return BatchRun(Run([first], options), progress)


@names_checked
def check(path: Path, *, decoder: Verify | str = Verify.LIBRARY) -> FileReport:
    """Check whether an OpenEXR file is sound, in this process. The file is not changed.

    Every chunk of every part and level is read and decompressed.

    Args:
        path: the file.
        decoder: "library": our own code for NONE, ZIP, ZIPS, ZSTD and deep data, and OpenEXR itself
            for all flat data that it can process; "native": OpenEXR only for everything else.

    Returns:
        The report. Its status is SOUND; or FAILED, with the damaged places in `damage` (none if the
        file could not be read); or SKIPPED with a reason, if the file can't be checked.

    Raises:
        OptionsError: an argument is invalid, or the file does not exist.
    """
    rules = CheckRules(decoder=parse_decoder(decoder))
    return logged(CheckJob(source=one_file(path, "check_many"), rules=rules))


@names_checked
def check_many(
    paths: Path | Iterable[Path], *, decoder: Verify | str = Verify.LIBRARY, **run: Unpack[RunArguments]
) -> "BatchRun":
    """Check files, folders and frame sequences with a pool of worker processes.

    Args:
        paths: as for `recompress_many`.
        decoder: as for `check`.
        run: see `RunArguments`.

    Returns:
        An iterator over the reports; see `BatchRun`.

    Raises:
        OptionsError: an argument is invalid, or none of the paths exists. Raised before anything
            starts.
        RunStopped: as for `recompress_many`.
    """
    from exrbatch.batch.batch_run import BatchRun
    from exrbatch.batch.run import Run

    progress = run.pop("progress", None)
    options = Options(rules=CheckRules(decoder=parse_decoder(decoder)), **run_options(run))
    return BatchRun(Run(all_paths(paths), options), progress)
