"""`exrbatch shard plan`: cut a job into shards."""

import argparse
import os
import shlex
from collections.abc import Callable, Mapping, Sequence

from rich.text import Text

from exrbatch.batch.options import Options
from exrbatch.batch.run_report import EXIT_DONE, EXIT_FAILURES
from exrbatch.cli.commands import build_parser
from exrbatch.cli.console import Output
from exrbatch.cli.recompress import options_of
from exrbatch.cli.selection_arguments import listed_paths
from exrbatch.cli.shard_run import NO_OPTIONS
from exrbatch.cli.shared_arguments import number_of_jobs
from exrbatch.cli.shown_run import plain_options
from exrbatch.cli.summary import MAX_LISTED, listed
from exrbatch.cli.waiting import WaitingLine
from exrbatch.errors import OptionsError, ReplaceFailed
from exrbatch.farm.job_files import FarmJob, job_files
from exrbatch.farm.places import Place
from exrbatch.farm.plan import Plan, check_new
from exrbatch.farm.planning import Found, find_files
from exrbatch.paths import absolute
from exrbatch.replacing import make_folder_of
from exrbatch.text import format_count, format_size, safe_text


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch shard plan`; return the exit code."""
    folder = absolute(arguments.plan)
    check_new(folder)
    recorded = options_to_record(arguments)
    on_this_host = argparse.Namespace(**{**vars(build_parser().parse_args(["recompress"])), **vars(arguments)})
    on_this_host.jobs = None if arguments.jobs is None else number_of_jobs(arguments.jobs)
    for name in ("output", "backup_dir"):
        if (path := getattr(arguments, name)) is not None:
            setattr(on_this_host, name, absolute(path))
    options = options_of(on_this_host)
    found = find(arguments.paths, listed_paths(arguments), options)
    results = [path for path in (options.output, options.backup_dir) if path is not None]
    if not found.units:
        return report_nothing(found)
    plan = Plan.new(
        folder,
        options=recorded,
        base=found.base,
        output=options.output,
        backup_dir=options.backup_dir,
        sources=found.sources,
        results=tuple(_made(path, found.base) for path in results),
        links=found.links,
    )
    return write(plan, found, arguments, arguments.count or number_of_shards(found.size, arguments.size))


def find(
    paths: Sequence[str],
    listed: Sequence[str] | None,
    options: Options,
    refuse: Callable[[str], str | None] = lambda _path: None,
) -> Found:
    """Find the files of a plan, and show how many there are if that takes a while."""
    with WaitingLine(Output().progress) as line:

        def progress(files: int, path: str) -> None:
            if line.is_due:
                line.show(f"{format_count(files, 'file')} found {safe_text(path)}")

        return find_files(paths, listed, options, progress, refuse)


def options_to_record(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the options that every shard has, by their names; no paths."""
    known = vars(build_parser().parse_args(["recompress"])).keys()
    given = plain_options(arguments)
    return {name: value for name, value in given.items() if name in known and name not in NO_OPTIONS}


def number_of_shards(size: int, shard_size: int) -> int:
    """Return how many shards of about `shard_size` bytes it takes for `size` bytes."""
    return max(1, -(-size // shard_size))


def _made(path: str, base: str) -> Place:
    """Make a folder for results, and return how to tell that it is there.

    A shard never makes it: where its file system is not mounted, that would fill another one. Like
    a run, this makes it no more accessible than its counterpart.

    Args:
        path: the folder.
        base: its counterpart among the sources.
    """
    try:
        make_folder_of(os.path.join(path, "any"), os.path.join(base, "any"), None)
        return Place.of(path)
    except ReplaceFailed as error:
        raise OptionsError(str(error)) from None
    except OSError as error:
        raise OptionsError(f"can't read the folder {path}: {error.strerror}") from None


def write(plan: Plan, found: Found, arguments: argparse.Namespace, count: int) -> int:
    """Cut the files into shards, write the plan, and say what it is. Return the exit code.

    Args:
        plan: its settings.
        found: its files.
        arguments: for which farms job files are written.
        count: number of shards that are wanted.
    """
    shards = found.shards(count)
    texts = _job_texts(plan.folder, len(shards), arguments.farms, arguments.executable)
    plan = plan.write(shards, texts)
    output = Output()
    _print_failures(output, found)
    if len(shards) < count:
        why = f"{len(shards)} shards instead of {count}: no shard is empty, and a file is never cut"
        output.progress.print(Text(why, style="yellow"))
    for line in _lines(plan, found, texts):
        output.results.print(line)
    return EXIT_FAILURES if found.failures else EXIT_DONE


def report_nothing(found: Found) -> int:
    """Say that there is nothing to plan. Return the exit code."""
    output = Output()
    _print_failures(output, found)
    left_out = f" ({format_count(found.left_out, 'file')} left out)" if found.left_out else ""
    output.results.print(Text(f"no OpenEXR files found{left_out}: no plan was written"))
    return EXIT_FAILURES if found.failures else EXIT_DONE


def _print_failures(output: Output, found: Found) -> None:
    for line in listed("not planned", found.failures, len(found.failures), "bold red", hint="")[: MAX_LISTED + 1]:
        output.progress.print(line)


def _job_texts(folder: str, shards: int, farms: Sequence[str], executable: str) -> dict[str, str]:
    try:
        words = shlex.split(executable)
    except ValueError as error:
        raise OptionsError(f"--executable: {error}: {executable}") from None
    if not words:
        raise OptionsError("--executable is empty")
    job = FarmJob(folder, shards, words)
    return {name: text for farm in dict.fromkeys(farms) for name, text in job_files(farm, job).items()}


def _lines(plan: Plan, found: Found, texts: Mapping[str, str]) -> list[Text]:
    """Return what was planned, what the shards will do, and how to go on."""
    sizes = [shard.size for shard in plan.shards]
    each = format_size(min(sizes))
    each += f" to {format_size(max(sizes))}" if format_size(max(sizes)) != each else ""
    of_each = f" of {each}" if len(sizes) > 1 else ""
    lines = [
        Text(
            f"{format_count(len(sizes), 'shard')}{of_each}: {format_count(plan.files, 'file')},"
            f" {format_size(plan.size)}",
            style="bold",
        )
    ]
    if found.skipped or found.left_out:
        lines.append(
            Text(
                f"not in it: {format_count(found.skipped, 'link or other file')}, {format_count(found.left_out)} by"
                f" size or pattern"
            )
        )
    if plan.output is not None:
        lines.append(Text(f"the results go to {safe_text(plan.output)}"))
    else:
        kept = f", backups go to {safe_text(plan.backup_dir)}" if plan.backup_dir is not None else ""
        lines.append(Text(f"the files are replaced in place{kept}"))
    folder = shlex.quote(safe_text(plan.folder))
    lines.append(Text(f"run each shard on any host: exrbatch shard run {folder} N"))
    lines.append(Text(f"see how far they are: exrbatch shard status {folder}"))
    lines += [Text(f"job file: {safe_text(os.path.join(plan.folder, name))}") for name in texts]
    return lines
