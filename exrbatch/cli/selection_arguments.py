"""The arguments that say which files a command processes, and the paths that they stand for."""

import argparse

from exrbatch.cli.shared_arguments import DEFAULTS, Group, add_selection, duration
from exrbatch.text import parse_size


def add_file_selection(command: Group) -> None:
    """Add all options that select files."""
    command.add_argument(
        "--files-from",
        metavar="FILE",
        help="also process the files and folders that FILE lists, one on each line, or - for stdin; their names are"
        " taken literally",
    )
    command.add_argument(
        "-0", "--null", action="store_true", help="entries of --files-from end with a null byte, as find -print0 does"
    )
    command._has_negative_number_optionals.clear()  # or argparse would no longer take -2 for a value of -j
    add_selection(command)
    add_size_limits(command)
    command.add_argument(
        "--min-age",
        type=duration,
        default=DEFAULTS.min_age,
        metavar="TIME",
        help="skip files that were written less than TIME ago, such as 90, 5m or 2h (default: 0; 60 s for recompress on"
        " storage that can't show whether a file is still being written)",
    )
    command.add_argument(
        "--from-compression",
        metavar="NAMES",
        default=(),
        help="skip files of which no part has one of these compressions, such as none,rle",
    )
    add_allow_empty(command)


def add_size_limits(command: Group) -> None:
    """Add limits of a file's size."""
    command.add_argument(
        "--min-size", type=size, default=0, metavar="SIZE", help="leave out smaller files; such as 200k, 1.5G or 10MiB"
    )
    command.add_argument("--max-size", type=size, metavar="SIZE", help="leave out larger files")


def add_allow_empty(command: Group) -> None:
    """Add the permission for folders that look like missing mounts."""
    command.add_argument(
        "--allow-empty",
        action="store_true",
        help="accept a PATH that is an empty folder, as one where a file system is not mounted would be",
    )


def size(value: str) -> int:
    """Parse a size in bytes."""
    try:
        return parse_size(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def listed_paths(arguments: argparse.Namespace) -> list[str] | None:
    """Return the literal paths that the list of `--files-from` names; None without a list.

    Raises:
        OptionsError: the list can't be read, or there are neither paths nor a list.
    """
    from exrbatch.batch.discovery.file_list import read_file_list
    from exrbatch.errors import OptionsError

    if arguments.files_from is None:
        if arguments.null:
            raise OptionsError("--null (-0) is about the list of --files-from, which is missing")
        if not arguments.paths:
            raise OptionsError("no PATH given, and no list of paths (--files-from)")
        return None
    return read_file_list(arguments.files_from, ends_with_null=arguments.null)
