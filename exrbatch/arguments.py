"""Paths as the library's functions accept them, and a job that is run and logged."""

from collections.abc import Iterable
from os import PathLike, fsdecode
from os.path import isdir, islink, lexists, realpath

from exrbatch.errors import OptionsError
from exrbatch.jobs import job
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.job import Job
from exrbatch.jobs.log import log_report

Path = str | bytes | PathLike[str] | PathLike[bytes]


def logged(task: Job) -> FileReport:
    """Run a job in this process, and log its report."""
    report = job.run(task)
    log_report(report)
    return report


def one_file(path: Path, for_folders: str) -> str:
    """Return the path of an existing file; of a symbolic link, that of its target.

    Args:
        path: the path.
        for_folders: name of the function that accepts folders.

    Raises:
        OptionsError: it does not exist, or is a folder.
    """
    source = fsdecode(path)
    if not lexists(source):
        raise OptionsError(f"no such file: {source}")
    if isdir(source):
        raise OptionsError(f"{source} is a folder; {for_folders}() accepts folders")
    return realpath(source) if islink(source) else source


def all_paths(paths: Path | Iterable[Path]) -> list[str]:
    """Return one path or several paths as a list of strings."""
    return [fsdecode(path) for path in ([paths] if isinstance(paths, str | bytes | PathLike) else paths)]


def decoded(path: Path | None) -> str | None:
    """Return a path as text; None if there is none."""
    return None if path is None else fsdecode(path)
