"""Arguments that several commands share, and the type of an argument with choices."""

import argparse
from collections.abc import Callable, Iterable

from exrbatch.codecs.effort import Effort
from exrbatch.exr.compression import Compression
from exrbatch.jobs.recompress_job import RecompressRules
from exrbatch.suggestions import unknown_name

DEFAULTS = RecompressRules()
"""The source of all defaults for options of a recompression."""


def add_run_options(command: argparse.ArgumentParser) -> None:
    """Add options about the target compression and the workers."""
    names = ", ".join(compression.name.lower() for compression in Compression)
    command.add_argument(
        "-c",
        "--compression",
        default="zip",
        metavar="NAME",
        help=f"one of {names}; or auto (tries each lossless one on a sample of the file and takes the smallest), or"
        " auto:speed (takes the one that saves the most bytes per CPU second) (default: %(default)s)",
    )
    command.add_argument(
        "--effort",
        choices=list(Effort),
        type=one_of("effort", Effort),
        default=DEFAULTS.effort,
        help="compression strength; balanced gives about the size that OpenEXR itself writes (default: %(default)s)",
    )
    add_jobs(command)


def add_jobs(command: argparse.ArgumentParser) -> None:
    """Add the number of workers."""
    command.add_argument(
        "-j",
        "--jobs",
        type=int,
        metavar="N",
        help="number of worker processes (default: what CPU affinity, control groups, farm variables and memory allow)",
    )


def add_selection(command: argparse.ArgumentParser) -> None:
    """Add options about which files of a folder are processed."""
    command.add_argument(
        "--include",
        metavar="PATTERN",
        action="append",
        default=[],
        help="when walking folders, process only files that match PATTERN (gitignore style; can be repeated)",
    )
    command.add_argument(
        "--exclude",
        metavar="PATTERN",
        action="append",
        default=[],
        help="when walking folders, leave out what matches PATTERN (gitignore style; can be repeated)",
    )


def add_timeout(command: argparse.ArgumentParser) -> None:
    """Add the time limit of a file."""
    command.add_argument(
        "--file-timeout",
        type=float,
        metavar="SECONDS",
        help="time limit for each file; 0: none (default: 15 minutes plus 10 seconds for each MB; with"
        " recompress --effort max, 40 seconds for each MB)",
    )


def add_reporting(command: argparse.ArgumentParser) -> None:
    """Add options about what is reported, and where."""
    command.add_argument(
        "--report", metavar="FILE.jsonl", help="write one JSON record for each file, as soon as it is finished"
    )
    command.add_argument("--json", action="store_true", help="print one JSON document; progress goes to stderr")
    volume = command.add_mutually_exclusive_group()
    volume.add_argument("-q", "--quiet", action="store_true", help="show no progress, only the summary and errors")
    volume.add_argument(
        "-v", "--verbose", action="store_true", help="print a line for each file, as soon as it is finished"
    )


def one_of(what: str, known: Iterable[str]) -> Callable[[str], str]:
    """Return the argparse type of an option with choices.

    For an unknown value, the error message suggests the closest choice.

    Args:
        what: what the value stands for, such as "effort".
        known: the choices, in lower case.
    """
    names = list(known)

    def checked(value: str) -> str:
        if value.lower() not in names:
            raise argparse.ArgumentTypeError(unknown_name(what, value, names))
        return value.lower()

    return checked
