"""The functions of the library about content digests."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Unpack

from exrbatch.arguments import Path, all_paths, logged, one_file
from exrbatch.batch.arguments import RunArguments, run_options
from exrbatch.batch.options import Options
from exrbatch.jobs.digest_job import DigestJob, DigestRules
from exrbatch.jobs.file_report import FileReport
from exrbatch.keywords import names_checked

if TYPE_CHECKING:
    from exrbatch.batch.batch_run import BatchRun


@names_checked
def digest(path: Path) -> FileReport:
    """Compute the content digest of an OpenEXR file, in this process. The file is not changed.

    It is a SHA-256 of the header and the samples, which recompression does not change.
    docs/digests.md defines it.

    Args:
        path: the file.

    Returns:
        The report. Its status is DIGESTED, with the digest in `content_sha256`; or FAILED or
        SKIPPED, with a reason.

    Raises:
        OptionsError: the file does not exist.
    """
    return logged(DigestJob(source=one_file(path, "digest_many")))


@names_checked
def digest_many(paths: Path | Iterable[Path], **run: Unpack[RunArguments]) -> "BatchRun":
    """Compute the content digests of files, folders and frame sequences with a pool of workers.

    Args:
        paths: as for `recompress_many`.
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
    return BatchRun(Run(all_paths(paths), Options(rules=DigestRules(), **run_options(run))), progress)
