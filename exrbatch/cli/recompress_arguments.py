"""The arguments of `exrbatch recompress`, in the groups of its help."""

import argparse
from collections.abc import Sequence

from exrbatch.cli.cluster_arguments import add_cluster
from exrbatch.cli.limit_arguments import add_limits
from exrbatch.cli.progress_line_argument import add_progress_line
from exrbatch.cli.selection_arguments import add_file_selection
from exrbatch.cli.shared_arguments import (
    DEFAULTS,
    Group,
    add_digests,
    add_jobs,
    add_lossy_sources,
    add_min_openexr,
    add_paths,
    add_reporting,
    add_run_options,
    add_timeout,
    one_of,
    percentage,
)
from exrbatch.recompression.choices import READERS, Hardlinks, Verify


def add_recompress_arguments(command: argparse.ArgumentParser) -> None:
    """Add all arguments of the command."""
    add_what_to_do(command)
    add_limits(command.add_argument_group("limits of the run"))
    add_cluster(command.add_argument_group("several machines"))
    shown = command.add_argument_group("reports")
    shown.add_argument("-n", "--dry-run", action="store_true", help="only say what would be done")
    add_digests(shown)
    add_reporting(shown)
    add_progress_line(shown)
    add_no_journal(shown)


def add_what_to_do(command: argparse.ArgumentParser, *, output: Sequence[str] = ("-o", "--output")) -> None:
    """Add the arguments about which files are recompressed, and how.

    Args:
        command: where to add them.
        output: names of the option for the output folder.
    """
    add_paths(command, is_required=False)
    how = command.add_argument_group("how to compress")
    add_run_options(how)
    add_min_openexr(how)
    how.add_argument(  # the name that --min-openexr had at first
        "--readers", choices=READERS, type=one_of("release", READERS), default=argparse.SUPPRESS, help=argparse.SUPPRESS
    )
    how.add_argument(
        "--min-savings",
        type=percentage,
        default=DEFAULTS.min_savings,
        metavar="PERCENT",
        help="keep the old file unless the new one is smaller by at least PERCENT, such as 2%% (default: by a byte)",
    )
    add_jobs(how)
    add_file_selection(command.add_argument_group("which files"))
    _add_output(command.add_argument_group("output"), output)
    _add_permissions(command.add_argument_group("what is allowed"))
    _add_safety(command.add_argument_group("safety"))


def add_no_journal(command: Group) -> None:
    """Add the option to keep no journal."""
    command.add_argument(
        "--no-journal",
        action="store_true",
        help="keep no journal of this run, and believe no journal about finished files (see exrbatch report)",
    )


def _add_output(command: Group, names: Sequence[str]) -> None:
    """Add options about where new files and old files go; `names` are those of the output."""
    single = " The result of one file can have a name of its own: -o new.exr" if "-o" in names else ""
    command.add_argument(
        *names,
        metavar="DIR",
        help=f"write the results below DIR, at the same relative paths; leave the originals as they are.{single}",
    )
    command.add_argument(
        "--copy-skipped",
        action="store_true",
        help=f"with {names[0]}: also copy files that are skipped because of what they are, such as lossy sources",
    )
    command.add_argument(
        "--backup-dir",
        metavar="DIR",
        help="keep each original below DIR, at the same relative path, as a hard link or a copy, until its new file is"
        " in place",
    )
    command.add_argument(
        "--base",
        metavar="DIR",
        help=f"with {names[0]} or --backup-dir: keep the part of each path that is below DIR (default: below the"
        " deepest folder that all paths have in common)",
    )
    command.add_argument("--keep-backups", action="store_true", help="keep the backups for good")


def _add_permissions(command: Group) -> None:
    """Add options about which files and losses are accepted."""
    command.add_argument(
        "--force",
        action="store_true",
        help="replace a file even if the new one is not smaller, if it has this compression already, if it is"
        " write-protected, or if its owner, group, attributes or access control list cannot be kept; overwrite an"
        " output that was made from another file",
    )
    command.add_argument("--allow-lossy", action="store_true", help="allow a compression that changes samples")
    add_lossy_sources(command, "process")
    command.add_argument(
        "--allow-aces", action="store_true", help="also process ACES containers, whose standard forbids compression"
    )
    command.add_argument(
        "--hardlinks",
        choices=list(Hardlinks),
        type=one_of("way to treat hard links", Hardlinks),
        default=DEFAULTS.hardlinks,
        help="what to do with files that have several names: skip them, break (replace only the name that was found)"
        " or relink (replace all names, if all of them are below the given paths) (default: %(default)s)",
    )


def _add_safety(command: Group) -> None:
    """Add options about how a new file is verified, and how long a file may take."""
    command.add_argument(
        "--verify",
        choices=list(Verify),
        type=one_of("decoder", Verify),
        default=DEFAULTS.verify,
        help="decoder used to verify each new file: library (OpenEXR itself, but our own code for deep data), native"
        " (our own code for NONE, RLE, ZIP, ZIPS and ZSTD) or none (default: %(default)s)",
    )
    command.add_argument("--verify-cold", action="store_true", help="verify from disk, not from the page cache (Linux)")
    add_timeout(command)
